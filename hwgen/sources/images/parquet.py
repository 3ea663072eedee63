"""Reader of parquet files of images, as written by Hugging Face's datasets or by Polars."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from hwgen.errors import InputError
from hwgen.io.encodings import name_text
from hwgen.io.json_files import parse_json
from hwgen.record import BadRecord
from hwgen.requirements import install_extra
from hwgen.sources.images.collection import MAX_LABEL_LENGTH, Collection, EncodedImage
from hwgen.sources.images.decoding import MAX_BYTES
from hwgen.sources.images.layout import CLEAR, Columns, Layout, choose_column

MAGIC = b"PAR1"
_ROWS = 64  # read at a time
_WRITER = "writer"
_LABEL_NAMES = ("label", "labels", "class", "character", "char", "text")
"""Columns that hold labels, if they are text or numbers."""


@dataclass(frozen=True)
class Parquet(Collection):
    """A column of images, struct<bytes, path> or bytes, and one of labels.

    Attributes:
        read: the columns; labels are class ids or text, writers text or numbers.
        names: names of the classes by id; () if labels are names or plain numbers.
    """

    read: Columns = field(default_factory=lambda: Columns("image", "label"))
    names: tuple[str, ...] = ()

    format: ClassVar[str] = "parquet"

    @property
    def columns(self) -> Columns:
        """See Collection."""
        return self.read

    def items(self) -> Iterator[EncodedImage | BadRecord]:
        """See Collection."""
        position = 0
        read = self.read
        columns = [read.image, read.label, *([read.writer] if read.writer else [])]
        with _opened(self.path) as (_, file):
            for batch in file.iter_batches(batch_size=_ROWS, columns=columns):
                for row in batch.to_pylist():
                    yield self._item(row, position)
                    position += 1

    def _item(self, row: dict[str, Any], position: int) -> EncodedImage | BadRecord:
        name = f"{self.name}[{position}]"
        value = row[self.read.label]
        label = self._label(value)
        if not 0 < len(label) <= MAX_LABEL_LENGTH:
            # Hugging Face's data sets have -1 where the label is not known.
            missing = value is None or value == "" or (isinstance(value, int) and value < 0)
            found = str(value)[:MAX_LABEL_LENGTH]
            return BadRecord(
                name, 0, 0, "a class", found, f"{'no' if missing else 'unknown'} label"
            )
        writer = row.get(self.read.writer)
        writer = "" if writer is None else str(writer)
        if len(writer) > MAX_LABEL_LENGTH:
            writer = ""
        return EncodedImage(label, self.name, position, name, _reader(row[self.read.image]), writer)

    def _label(self, value: object) -> str:
        """The class; "" if the value is not one."""
        if isinstance(value, int):
            if value < 0 or (self.names and value >= len(self.names)):
                return ""
            return self.names[value] if self.names else str(value)
        return "" if value is None else str(value)


def parquet(path: Path, layout: Layout = CLEAR) -> Parquet:
    """The collection in a parquet file.

    Raises:
        InputError: pyarrow is not installed, the file is damaged, there is no column of images or
            of labels, or there are several and the layout does not choose.
    """
    with _opened(path) as (arrow, file):
        schema, count = file.schema_arrow, file.metadata.num_rows
    features = _features(schema.metadata or {})
    images = _image_columns(arrow, schema)
    labels = _label_columns(arrow, schema, features, layout.label_column)
    if not images or not labels:
        raise InputError(
            f"has no column of {'labels' if images else 'images'}; its columns are "
            f"{name_text(', '.join(schema.names))[:200]}",
            where=str(path),
            remedy="Images must be struct<bytes, path> or binary; labels a ClassLabel, or text or "
            "numbers in a column that is given with --label-column, or called "
            f"{', '.join(_LABEL_NAMES[:-1])} or {_LABEL_NAMES[-1]}",
        )
    chosen = (("image", images, layout.image_column), ("label", labels, layout.label_column))
    image, label = (
        choose_column(
            candidates, what, chosen=name, usual=what, columns=schema.names, where=str(path)
        )
        for what, candidates, name in chosen
    )
    names = features.get(label, {}).get("names", ())
    known = isinstance(names, list) and all(isinstance(name, str) for name in names)
    place = schema.get_field_index(_WRITER)  # -1 too if there are several
    writer = _WRITER if place >= 0 and _is_label(arrow, schema.field(place).type) else ""
    others = tuple(name for name in schema.names if name not in (image, label, writer))
    return Parquet(
        name_text(path.name),
        path,
        path.stat().st_size,
        count,
        read=Columns(image, label, writer, others),
        names=tuple(names) if known else (),
    )


@contextmanager
def _opened(path: Path) -> Iterator[tuple[Any, Any]]:
    """The module pyarrow, and the file."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise InputError(
            "reading parquet needs pyarrow, which is not installed",
            where=str(path),
            remedy=f"Install it with: {install_extra('parquet')}",
        ) from None
    try:
        with (
            pyarrow.OSFile(os.fsencode(path)) as stream,  # pyarrow requires UTF-8 for str
            pyarrow.parquet.ParquetFile(stream) as file,
        ):
            yield pyarrow, file
    except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as error:
        raise _damaged(path, error) from None


def _damaged(path: Path, error: Exception) -> InputError:
    reason = name_text(str(error))[:200]
    return InputError(f"is a damaged parquet file ({reason})", where=str(path))


def _features(metadata: dict[bytes, bytes]) -> dict[str, dict[str, Any]]:
    """The columns' features as written by `datasets`; {} if missing or invalid."""
    try:
        features = parse_json(metadata[b"huggingface"].decode())["info"]["features"]
    except (ValueError, LookupError, TypeError):
        return {}
    if not isinstance(features, dict):
        return {}
    return {name: value for name, value in features.items() if isinstance(value, dict)}


def _kind(features: dict[str, dict[str, Any]], column: str) -> object:
    return features.get(column, {}).get("_type")


def _image_columns(arrow: Any, schema: Any) -> list[str]:
    """Columns struct<bytes, path>, or of bytes."""
    return [
        field.name
        for field in schema
        if _is_kind(arrow, field.type, "binary")
        or (
            arrow.types.is_struct(field.type)
            and field.type.get_field_index("bytes") >= 0
            and _is_kind(arrow, field.type.field("bytes").type, "binary")
        )
    ]


def _label_columns(
    arrow: Any, schema: Any, features: dict[str, dict[str, Any]], chosen: str
) -> list[str]:
    """Columns that may hold labels: ClassLabels, those of usual names, and the chosen one."""
    return [
        field.name
        for field in schema
        if _is_label(arrow, field.type)
        and (field.name in (*_LABEL_NAMES, chosen) or _kind(features, field.name) == "ClassLabel")
    ]


def _is_label(arrow: Any, kind: Any) -> bool:
    return bool(arrow.types.is_integer(kind)) or _is_text(arrow, kind)


def _is_text(arrow: Any, kind: Any) -> bool:
    return _is_kind(arrow, kind, "string")


def _is_kind(arrow: Any, kind: Any, name: str) -> bool:
    """Whether a type is "string" or "binary", also large, as a view or of a dictionary.

    Polars writes the large ones, and pandas dictionaries for categories.
    """
    if arrow.types.is_dictionary(kind):
        kind = kind.value_type
    checks = (f"is_{name}", f"is_large_{name}", f"is_{name}_view")
    # Older versions of pyarrow have no views.
    return any(getattr(arrow.types, check, lambda _: False)(kind) for check in checks)


def _reader(image: dict[str, Any] | bytes | None) -> Callable[[], bytes]:
    def read() -> bytes:
        data = image if isinstance(image, bytes) else (image or {}).get("bytes")
        if data is None:
            raise InputError("a path to another file" if image else "no image")
        if len(data) > MAX_BYTES:
            raise InputError(f"{len(data):,} bytes")
        return bytes(data)

    return read
