"""Reader of lists of image files and labels, as OCR trainers use them."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from hwgen.errors import InputError
from hwgen.io import zips
from hwgen.io.encodings import name_text
from hwgen.record import BadRecord
from hwgen.sources.images.collection import MAX_LABEL_LENGTH, Collection, EncodedImage
from hwgen.sources.images.decoding import MAX_BYTES, SUFFIXES
from hwgen.sources.images.list_lines import Dialect, first_lines, lines, looks_like_list, recognise

LIST_FILE = "label.txt"
"""Name of the list by which a folder is recognised; other lists are given by their path."""

LIST_SUFFIXES = (".csv", ".json", ".jsonl", ".list", ".lst", ".tsv", ".txt", ".xml")
_LIST_NAME = re.compile(r"(^|[^a-z])(annotations?|classes|gt|labels?|train|val|words)([^a-z]|$)")
_LOOK_BYTES = 1 << 16
_SHOWN = 80  # characters


@dataclass(frozen=True)
class LabelList(Collection):
    """Lines of a path and a label, separated by a tab, a comma, a semicolon, `|` or spaces.

    Paths are relative to the list's folder or to a folder above it, or absolute; the image must lie
    in the list's folder. The whole label is the class. Text after a second tab, and blank lines are
    ignored.

    Attributes:
        dialect: how it is written.
        images: number of different images that it names and that exist.
    """

    dialect: Dialect = field(default_factory=lambda: Dialect("utf-8", "\t"))
    images: int = 0

    format: ClassVar[str] = "paddle"

    def items(self) -> Iterator[EncodedImage | BadRecord]:
        """See Collection."""
        for position, (number, line) in enumerate(lines(self.path, self.dialect)):
            yield self._item(line, number, position)

    def _item(self, line: str, number: int, position: int) -> EncodedImage | BadRecord:
        file, label = self.dialect.split(line)
        if not file or not 0 < len(label) <= MAX_LABEL_LENGTH:
            expected = f"a path, a separator and a label of 1 to {MAX_LABEL_LENGTH} characters"
            found = name_text(line)[:MAX_LABEL_LENGTH]
            return BadRecord(f"{self.name}:{number}", 0, 0, expected, found, "unknown label")
        name = f"{self.name.rpartition('/')[0]}/{file}"
        read = _reader(self.path.parent, file, self.dialect.codec)
        return EncodedImage(label, self.name, position, name, read)


def label_list(path: Path, encoding: str | None = None) -> LabelList | None:
    """The collection of a list; its size is that of the images. None if the file is no list.

    Raises:
        InputError: the encoding of the list is unknown, or a line is longer than any path.
    """
    dialect = recognise(path, encoding) if path.is_file() else None
    if dialect is None:
        return None
    size = count = 0
    images: set[Path] = set()
    for _, line in lines(path, dialect):
        count += 1
        image = _within(path.parent, dialect.split(line)[0], dialect.codec)
        size += image.stat().st_size if image else 0
        images |= {image} if image else set()
    top = path.parent.name or path.parent.resolve().name
    codec = dialect.codec.removesuffix("-sig")
    name = name_text(f"{top}/{path.name}")
    return LabelList(name, path, size, count, encoding=codec, dialect=dialect, images=len(images))


def is_label_list(path: Path) -> bool:
    """Whether the first lines of a file are paths of images and labels."""
    if not path.is_file():
        return False
    with open(path, "rb") as file:
        return looks_like_list(file.read(_LOOK_BYTES))


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
    found = next(iter(first_lines(path, 1)), "")[:_SHOWN]
    raise InputError(
        f"lies beside images and may hold their labels, but is not a list that hwgen reads: "
        f"expected lines of an image's path, a tab and its label, found {found!r}",
        where=str(path),
        remedy="Convert it to such lines and give it as the input, or move it elsewhere if all "
        "images are of one class, that of the folder",
    )


def _within(folder: Path, file: str, codec: str = "utf-8") -> Path | None:
    """The image at a path of the list; None if it is missing or outside the folder."""
    if "\0" in file:
        return None
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
                image = folder / name
                if os.path.isfile(image):  # false too for invalid names
                    return image
    return None


def _reader(folder: Path, file: str, codec: str) -> Callable[[], bytes]:
    def read() -> bytes:
        image = _within(folder, file, codec)
        if image is None:
            raise InputError("no such file in the folder of the list")
        with zips.as_input_error(file):
            size = image.stat().st_size
            if size > MAX_BYTES:
                raise InputError(f"{size:,} bytes")
            return image.read_bytes()

    return read
