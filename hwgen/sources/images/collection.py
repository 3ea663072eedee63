"""Collections of labelled images, which yield images not yet decoded."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from hwgen.record import BadRecord, Record
from hwgen.sources.images.layout import Columns

MAX_LABEL_LENGTH = 256
"""Maximum length of a label and of a writer's id, characters; longer ones are damage."""


@dataclass(frozen=True)
class EncodedImage:
    """One labelled image, still encoded.

    Attributes:
        label, writer, source, position: see Record; `position` counts the images of `source`.
        name: its own name in errors: a file, or a position within one.
        read: returns the bytes of the image file; valid until the next item is requested. Raises
            InputError if they cannot be read.
    """

    label: str
    source: str
    position: int
    name: str
    read: Callable[[], bytes]
    writer: str = ""


@dataclass(frozen=True)
class Collection(ABC):
    """A set of labelled images: the folder of one class, or a file of many images.

    Attributes:
        name: `Record.source` of its images, without the folders above the input.
        path: the folder or file, or the zip that contains it.
        size: bytes.
        count: number of images, damaged ones included.
        writer: "", since no collection has a single known writer.
        encoding: how its labels were decoded, as Python's name of a codec.
        format: the format's name.
        grey: whether images of this format are grey.
        one_size: whether all images of a file of this format have one size.
        light_ink: whether ink is light on a dark background, unlike in a Record.
    """

    name: str
    path: Path
    size: int
    count: int
    writer: str = ""
    encoding: str = "utf-8"

    format: ClassVar[str]
    grey: ClassVar[bool] = False
    one_size: ClassVar[bool] = False
    light_ink: ClassVar[bool] = False

    @property
    def guessed(self) -> bool:
        """See hwgen.prepare.reading.Source: labels are never guessed."""
        return False

    @property
    def linked(self) -> Sequence[Path]:
        """Other folders with files of it, which symbolic links lead to."""
        return ()

    @property
    def columns(self) -> Columns | None:
        """The columns that are read, if it is a table."""
        return None

    @property
    def is_transposed(self) -> bool:
        """Whether rows and columns are exchanged in the file; in a Record they are not."""
        return False

    @abstractmethod
    def items(self) -> Iterator[EncodedImage | Record | BadRecord]:
        """All images in order, with a BadRecord in the place of each loss.

        Pixels of a Record are those of the file, even if the format has light ink.

        Raises:
            InputError: the collection cannot be opened, or has other content.
        """

    def bytes_before(self, position: int) -> int:
        """Approximate number of bytes before the image at this position."""
        return self.size * position // max(1, self.count)
