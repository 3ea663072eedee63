"""In: a place that holds labelled images. Out: its images one by one, not yet decoded."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from hwgen.record import BadRecord, Record

MAX_LABEL_LENGTH = 256
"""Characters of a label, and of a writer's name; more is damage."""


@dataclass(frozen=True)
class EncodedImage:
    """One labelled image as its file holds it; the fields that it shares with Record are its.

    Attributes:
        label, writer, source, position: see Record; `position` counts the images of `source`.
        name: its own, for people: a file's, or that of its place within one.
        read: gives the bytes of the image file; works until the next item is taken. Raises
            InputError where they cannot be had.
    """

    label: str
    source: str
    position: int
    name: str
    read: Callable[[], bytes]
    writer: str = ""


@dataclass(frozen=True)
class Collection(ABC):
    """One place of labelled images: a folder of one class, or a file of many images.

    Attributes:
        name: `Record.source` of its images: free of the folders above what the user gave.
        path: the folder or file, or the zip that holds it.
        size: bytes.
        count: images, bad ones included.
        writer: "", since no collection is one writer's.
        format: the format's name.
        grey: whether images of this format have no colours.
        light_ink: whether its ink is light on a dark ground, the reverse of a Record's.
    """

    name: str
    path: Path
    size: int
    count: int
    writer: str = ""

    format: ClassVar[str]
    grey: ClassVar[bool] = False
    light_ink: ClassVar[bool] = False

    @abstractmethod
    def items(self) -> Iterator[EncodedImage | Record | BadRecord]:
        """All images in order, with a BadRecord in the place of each loss.

        A Record has the pixels as they are in the file, also where the format has light ink.

        Raises:
            InputError: it cannot be opened, or holds something else.
        """

    def bytes_before(self, position: int) -> int:
        """About how many of its bytes lie before the image of this position."""
        return self.size * position // max(1, self.count)
