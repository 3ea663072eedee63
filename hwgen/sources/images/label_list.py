"""Reader of lists of image files and labels, as OCR trainers use them."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import ClassVar

from hwgen.errors import InputError
from hwgen.io import zips
from hwgen.io.encodings import name_text
from hwgen.record import BadRecord
from hwgen.sources.images.collection import MAX_LABEL_LENGTH, Collection, EncodedImage
from hwgen.sources.images.decoding import MAX_BYTES, SUFFIXES
from hwgen.sources.images.layout import CLEAR, Columns, Layout
from hwgen.sources.images.list_lines import Dialect, first_lines, lines, looks_like_list, recognise

LIST_FILES = ("label.txt", "metadata.csv", "metadata.jsonl")
"""Names of PaddleOCR and Hugging Face, by which a folder is recognised; other lists are given by
their path."""

LIST_SUFFIXES = (
    *(".csv", ".db", ".json", ".jsonl", ".list", ".lst", ".ods", ".sqlite", ".tsv", ".txt", ".xls"),
    *(".xlsx", ".xml"),
)
_TEXT_SUFFIXES = (".txt", ".json", ".xml", ".lab", ".label", ".cls")
_LIST_NAME = re.compile(r"(^|[^a-z])(annotations?|classes|gt|labels?|train|val|words)([^a-z]|$)")
_LOOK_BYTES = 1 << 16
_SHOWN = 80  # characters


@dataclass(frozen=True)
class LabelList(Collection):
    """Lines of a path and a label, JSON, or separated by a tab, a comma, `;`, `|` or spaces.

    Paths are relative to the list's folder or to a folder above it, or absolute; the image must lie
    in the list's folder. The whole label is the class. Text after a second tab, and blank lines are
    ignored. An image of two labels is a loss, and so is each further line of an image.

    Attributes:
        dialect: how it is written.
        images: number of different images that it names and that exist.
        contradicted: those that it gives several labels.
    """

    dialect: Dialect = field(default_factory=lambda: Dialect("utf-8", "\t"))
    images: int = 0
    contradicted: frozenset[str] = field(default=frozenset(), repr=False)

    format: ClassVar[str] = "paddle"

    @property
    def columns(self) -> Columns | None:
        """See Collection."""
        return self.dialect.names

    def items(self) -> Iterator[EncodedImage | BadRecord]:
        """See Collection."""
        seen: set[str] = set()
        for position, (number, line) in enumerate(lines(self.path, self.dialect)):
            yield self._item(line, number, position, seen)

    def _item(
        self, line: str, number: int, position: int, seen: set[str]
    ) -> EncodedImage | BadRecord:
        file, label = self.dialect.split(line)
        lost = partial(BadRecord, f"{self.name}:{number}", 0, 0)
        found = name_text(line)[:MAX_LABEL_LENGTH]
        if not file or not 0 < len(label) <= MAX_LABEL_LENGTH:
            expected = f"a path, a separator and a label of 1 to {MAX_LABEL_LENGTH} characters"
            return lost(expected, found, "unknown label")
        image = _within(self.path.parent, file, self.dialect.codec)
        if image in self.contradicted:
            return lost("one label for each image", found, "image with several labels")
        if image in seen:
            return lost("each image once", found, "image listed twice")
        seen |= {image} if image else set()
        name = f"{self.name.rpartition('/')[0]}/{file}"
        return EncodedImage(label, self.name, position, name, _reader(image, file))


def label_list(path: Path, encoding: str | None = None, layout: Layout = CLEAR) -> LabelList | None:
    """The collection of a list; its size is that of the images. None if the file is no list.

    Raises:
        InputError: the encoding or the columns of the list are unknown, or a line is longer than
            any path.
    """
    dialect = recognise(path, encoding, layout) if path.is_file() else None
    if dialect is None:
        return None
    size = count = 0
    labels: dict[str, str] = {}
    contradicted: set[str] = set()
    for _, line in lines(path, dialect):
        count += 1
        file, label = dialect.split(line)
        image = _within(path.parent, file, dialect.codec)
        if image and image not in labels:
            size += os.stat(image).st_size
        if image and labels.setdefault(image, label) != label:
            contradicted.add(image)
    top = path.parent.name or path.parent.resolve().name
    return LabelList(
        name_text(f"{top}/{path.name}"),
        path,
        size,
        count,
        encoding=dialect.codec.removesuffix("-sig"),
        dialect=dialect,
        images=len(labels),
        contradicted=frozenset(contradicted),
    )


def is_label_list(path: Path, *, unlabelled: bool = True) -> bool:
    """Whether the first lines of a file are paths of images and labels; see `looks_like_list`."""
    if not path.is_file():
        return False
    with open(path, "rb") as file:
        return looks_like_list(file.read(_LOOK_BYTES), unlabelled=unlabelled)


def is_list_name(name: str) -> bool:
    """Whether a file is called as lists of labels are."""
    stem, _, suffix = name.lower().rpartition(".")
    return f".{suffix}" in LIST_SUFFIXES and (
        name.lower() in LIST_FILES or bool(_LIST_NAME.search(stem))
    )


def refuse_labels_beside(folder: Path, names: Iterable[str]) -> None:
    """Refuse images that have each a text beside it, as OCR programs write labels.

    Args:
        folder: of images of one class.
        names: of its files.

    Raises:
        InputError: half of the images or more have one.
    """
    names = list(names)
    stems = {name.partition(".")[0]: name for name in names if name.endswith(_TEXT_SUFFIXES)}
    images = [name.partition(".")[0] for name in names if name.lower().endswith(SUFFIXES)]
    beside = [stem for stem in images if stem in stems]
    if len(beside) > 1 and len(beside) * 2 >= len(images):
        raise InputError(
            f"{len(beside):,} images have a file of their name beside them, such as "
            f"{name_text(stems[beside[0]])}, which may hold their labels",
            where=str(folder),
            remedy="Write the labels to a list, with a line of path, tab and label for each "
            "image, and give it as the input; or move these files elsewhere if all images are of "
            "one class, that of the folder",
        )


def may_hold_labels(name: str, head: bytes, classes: int) -> bool:
    """Whether a file beside images seems to hold their labels.

    Args:
        name: of the file.
        head: its beginning.
        classes: number of classes of the images. Of one class only, the name of the file or its
            content is enough; otherwise the folders are the classes, unless both speak for it.
    """
    content = head.replace(b"\0", b"").lower()
    says = any(suffix.encode() in content for suffix in SUFFIXES)
    named = bool(head and _LIST_NAME.search(name.lower().partition(".")[0]))
    return (says and named) or (classes == 1 and (says or named))


def refuse_unread_list(path: Path, *, classes: int) -> None:
    """Refuse a file for which `may_hold_labels` is true.

    Raises:
        InputError: it is.
    """
    with open(path, "rb") as file:
        head = file.read(_LOOK_BYTES)
    if not may_hold_labels(path.name, head, classes):
        return
    found = name_text(next(iter(first_lines(path, 1)), ""))[:_SHOWN]
    raise InputError(
        f"lies beside images and may hold their labels, but is not a list that hwgen reads: "
        f"expected lines of an image's path, a tab and its label, found {found!r}",
        where=str(path),
        remedy="Convert it to such lines and give it as the input, or move it elsewhere if all "
        "images are of one class, that of the folder",
    )


def _within(folder: Path, file: str, codec: str) -> str:
    """The image at a path of the list; "" if it is missing or outside the folder."""
    if "\0" in file:
        return ""
    for text in dict.fromkeys((file, file.replace("\\", "/"))):
        parts = [part for part in text.split("/") if part not in ("", ".")]
        own = folder.name or folder.resolve().name
        # Paths from a folder above, or of another machine, contain the name of the list's folder.
        starts = [0] if not text.startswith("/") else []
        starts += [place + 1 for place, part in enumerate(parts) if part == own]
        for start in starts:
            inner = "/".join(parts[start:])
            if not inner or ".." in parts[start:]:
                continue
            names = [inner]
            if not inner.isascii() and codec not in ("utf-8", "utf-8-sig"):
                names.append(os.fsdecode(inner.encode(codec, "replace")))
            for name in names:
                image = os.path.join(folder, name)
                if os.path.isfile(image):  # false too for invalid names
                    return image
    return ""


def _reader(image: str, file: str) -> Callable[[], bytes]:
    def read() -> bytes:
        if not image:
            raise InputError("no such file in the folder of the list")
        with zips.as_input_error(file):
            size = os.stat(image).st_size
            if size > MAX_BYTES:
                raise InputError(f"{size:,} bytes")
            return Path(image).read_bytes()

    return read
