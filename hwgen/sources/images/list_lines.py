"""Lines of label lists: their encoding, and how path and label are separated.

PaddleOCR and clovaai write `path<TAB>label`, MMOCR and TRDG `path label`, EasyOCR and Hugging Face
CSV with a header or JSON lines, ICDAR `path, "label"`; Windows programs write UTF-16, GBK or Big5.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from hwgen.errors import InputError
from hwgen.io.encodings import decide_labels
from hwgen.io.json_files import parse_json
from hwgen.sources.images.decoding import SUFFIXES
from hwgen.sources.images.layout import (
    CLEAR,
    Columns,
    ColumnsUnclearError,
    Layout,
    NoColumnError,
    choose_column,
)

MAX_LINE = 1 << 16
"""Maximum length of a line, characters; longer than paths on any system."""

_LOOK_BYTES = 1 << 16
_LOOK_LINES = 16
_READ_BYTES = 1 << 20
_BOMS = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
_SEPARATORS = "\t,;| "
_IMAGE_FIRST = re.compile(
    rf"([\"']?)(?P<path>.*?(?:{'|'.join(map(re.escape, SUFFIXES))}))\1"
    rf"(?P<separator>\t|[ ]*[,;|]|[ ]+)(?P<label>.*)",
    re.IGNORECASE | re.DOTALL,
)
_BOXES = re.compile(r"\"?\[?\s*\{.*?[\"'](transcription|points|bbox|polygon)[\"']", re.DOTALL)
"""JSON, quoted as in CSV or not."""

_BETWEEN_WORDS = re.compile(rb"[\t\r\n,;| ]+")
_PATH_COLUMNS = ("filename", "file_name", "file", "image", "image_path", "path", "img", "img_path")
_LABEL_COLUMNS = ("label", "words", "text", "transcription", "class", "character", "char", "latex")


@dataclass(frozen=True)
class Dialect:
    """How a list is written.

    Attributes:
        codec: Python's name of its encoding.
        separator: one of _SEPARATORS.
        columns: places of path and label in a line of CSV, by its header; () without one.
        names: names of the columns, or of the fields of JSON lines; None if they have none.
    """

    codec: str
    separator: str
    columns: tuple[int, ...] = ()
    names: Columns | None = None

    def split(self, line: str) -> tuple[str, str]:
        """Path and label of a line; "" if missing, or if the line is not valid in the encoding."""
        if any("\udc80" <= char <= "\udcff" for char in line):
            return "", ""
        if self.columns:
            row = _row(line, self.separator)
            return tuple(row[place] if place < len(row) else "" for place in self.columns)  # type: ignore[return-value]
        if self.names:
            values = _fields(line)
            return _text(values.get(self.names.image)), _text(values.get(self.names.label))
        if self.separator == "\t":
            path, _, rest = line.partition("\t")
            return path.strip('"'), rest.partition("\t")[0]
        found = _IMAGE_FIRST.fullmatch(line)
        if not found or found["separator"].strip() != self.separator.strip():
            return "", ""
        label = found["label"].strip()
        quoted = len(label) > 1 and label[0] == label[-1] == '"'
        return found["path"].strip(), label[1:-1].replace('""', '"') if quoted else label


def recognise(path: Path, encoding: str | None = None, layout: Layout = CLEAR) -> Dialect | None:
    """How a list is written; None if its first lines are not paths of images and labels.

    Args:
        path: the file.
        encoding: codec of the list; None recognises it.
        layout: may choose the columns.

    Raises:
        InputError: the encoding is unknown; or the labels are boxes of text on images, in JSON.
        ColumnsUnclearError: the column of labels or of paths is unknown.
    """
    with open(path, "rb") as file:
        head = file.read(_LOOK_BYTES)
    wide = _wide_codec(head)
    # Structure is ASCII in all other encodings.
    text = head.decode(encoding or wide or "latin-1", "replace")
    dialect = _structure(text, str(path), layout)
    if dialect is None:
        return None
    _refuse_boxes(text, dialect, str(path))
    is_json = not dialect.separator
    return replace(dialect, codec=encoding or wide or ("utf-8" if is_json else _decide(path)))


def _refuse_boxes(text: str, dialect: Dialect, where: str) -> None:
    """Refuse lists for text detection, such as PPOCRLabel's: each JSON would become a class."""
    rows = text.removeprefix("\ufeff").splitlines()[:_LOOK_LINES]
    if any(_BOXES.match(dialect.split(row)[1]) for row in rows):
        raise InputError(
            "lists boxes of text on whole images, for text detection",
            where=where,
            remedy="Cut the boxes out and give the list of the pieces: PPOCRLabel writes it as "
            "rec_gt.txt (File > Export Recognition Result)",
        )


def looks_like_list(head: bytes, *, unlabelled: bool = True) -> bool:
    """Whether the beginning of a file is that of a list that hwgen reads.

    Args:
        head: the beginning.
        unlabelled: whether a table of images without a known column of labels is one.
    """
    text = head.decode(_wide_codec(head) or "latin-1", "replace")
    try:
        return _structure(text, "", CLEAR) is not None
    except NoColumnError:
        return unlabelled
    except ColumnsUnclearError:
        return True


def lines(path: Path, dialect: Dialect) -> Iterator[tuple[int, str]]:
    """Each line that is neither blank nor a header, with its number from 1.

    Raises:
        InputError: a line is longer than MAX_LINE.
    """
    number, header = 0, bool(dialect.columns)
    with open(path, encoding=dialect.codec, errors="surrogateescape", newline=None) as file:
        while line := file.readline(MAX_LINE + 2):
            number += 1
            line = line.removesuffix("\n").removeprefix("\ufeff" if number == 1 else "")
            if len(line) > MAX_LINE:
                raise InputError(
                    f"line {number:,} is longer than {MAX_LINE:,} characters", where=str(path)
                )
            if line and not header:
                yield number, line
            header = header and not line


def _wide_codec(head: bytes) -> str:
    """The encoding that a byte order mark or the NULs of UTF-16 show; "" if there is none."""
    for mark, codec in _BOMS.items():
        if head.startswith(mark):
            return codec
    if head[1::2].count(0) * 3 > len(head):
        return "utf-16-le"
    return "utf-16-be" if head[::2].count(0) * 3 > len(head) else ""


def _structure(text: str, where: str, layout: Layout) -> Dialect | None:
    """The separator and the columns, by the first lines."""
    rows = [line for line in text.removeprefix("\ufeff").splitlines() if line.strip()]
    if rows and rows[0].lstrip().startswith("{"):
        return _json_lines(rows[:_LOOK_LINES], where, layout)
    found = [_IMAGE_FIRST.fullmatch(line) for line in rows[:_LOOK_LINES]]
    separators = Counter(
        match["separator"].strip(" ") or " " for match in found if match and match["label"].strip()
    )
    if separators:
        # A tab before others: a label may hold any of them.
        separator = max(separators, key=lambda one: (separators[one], -_SEPARATORS.index(one)))
        header = () if found[0] else _row(rows[0], separator)
        return _table(header, separator, where, layout) or Dialect("", separator)
    for separator in "\t,;|":
        dialect = _table(_row(rows[0], separator), separator, where, layout) if rows else None
        if dialect and any(
            _has_image(row, separator, dialect.columns[0]) for row in rows[1:_LOOK_LINES]
        ):
            return dialect
    return None


def _table(header: Sequence[str], separator: str, where: str, layout: Layout) -> Dialect | None:
    """The dialect of a table with a header; None if it is none."""
    names = [name.strip() for name in header]
    columns = _choose(names, where, layout)
    if columns is None:
        return None
    places = names.index(columns.image), names.index(columns.label)
    return Dialect("", separator, places, columns)


def _json_lines(rows: Sequence[str], where: str, layout: Layout) -> Dialect | None:
    """The dialect of lines of JSON; None if they hold no paths of images."""
    values = [_fields(row) for row in rows]
    names = list(dict.fromkeys(name for value in values for name in value))
    paths = [name for name in names if any(_is_image(value.get(name)) for value in values)]
    columns = _choose(names, where, layout) if paths else None
    return Dialect("", "", (), columns) if columns and columns.image in paths else None


def _choose(names: Sequence[str], where: str, layout: Layout) -> Columns | None:
    """The columns of a table by its header; None if none has paths."""
    paths = [name for name in names if name.lower() in _PATH_COLUMNS or name == layout.image_column]
    labels = [
        name for name in names if name.lower() in _LABEL_COLUMNS or name == layout.label_column
    ]
    if not paths:
        return None
    image, label = (
        choose_column(candidates, what, chosen=chosen, usual=usual, columns=names, where=where)
        for candidates, what, chosen, usual in (
            (paths, "image", layout.image_column, "file_name"),
            (labels, "label", layout.label_column, "label"),
        )
    )
    return Columns(image, label, "", tuple(name for name in names if name not in (image, label)))


def _fields(line: str) -> dict[str, object]:
    """The fields of a line of JSON; {} if it is no object."""
    try:
        value = parse_json(line)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str:
    """The text of a path or a label; "" if it is none, as Hugging Face's -1 is."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return str(value)
    return value if isinstance(value, str) else ""


def _is_image(value: object) -> bool:
    return isinstance(value, str) and value.lower().endswith(SUFFIXES)


def _has_image(row: str, separator: str, place: int) -> bool:
    cells = _row(row, separator)
    return place < len(cells) and _is_image(cells[place].strip())


def _row(line: str, separator: str) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=separator, skipinitialspace=True), [])
    except csv.Error:
        return []


def _decide(path: Path) -> str:
    """The encoding of all words that are not ASCII; see `decide_labels`."""
    words: set[bytes] = set()
    with open(path, "rb") as file:
        rest = b""
        while data := file.read(_READ_BYTES):
            *whole, rest = _BETWEEN_WORDS.split(rest + data)
            rest = rest[-MAX_LINE:]
            words.update(word for word in whole if not word.isascii())
    words.update([rest] if not rest.isascii() else [])
    return decide_labels(words, where=str(path))


def first_lines(path: Path, count: int) -> Sequence[str]:
    """The beginning of a text for an error."""
    with open(path, "rb") as file:
        head = file.read(_LOOK_BYTES)
    text = head.decode(_wide_codec(head) or "utf-8", "replace")
    return list(islice((line for line in text.splitlines() if line.strip()), count))
