"""Reader of parquet files of images, as written by Hugging Face's datasets or by Polars."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from hwgen.errors import InputError
from hwgen.io.encodings import name_text
from hwgen.io.json_files import parse_json
from hwgen.record import BadRecord
from hwgen.sources.images.collection import MAX_LABEL_LENGTH, Collection, EncodedImage
from hwgen.sources.images.decoding import MAX_BYTES

MAGIC = b"PAR1"
_ROWS = 64  # read at a time
_IMAGE_NAMES = ("image", "img", "images", "jpg", "png", "jpeg", "bytes")
_LABEL_NAMES = ("label", "labels", "class", "character", "char", "text")
"""Names of columns, in the order of preference."""


@dataclass(frozen=True)
class Parquet(Collection):
    """A column of images, struct<bytes, path> or bytes, and one of labels; others are ignored.

    Attributes:
        image: the column of images.
        label: the column of labels: class ids or text.
        names: names of the classes by id; () if labels are names or plain numbers.
        writers: the column of writers, as in hwgen's own exports, or "".
    """

    image: str = "image"
    label: str = "label"
    names: tuple[str, ...] = ()
    writers: str = ""

    format: ClassVar[str] = "parquet"

    def items(self) -> Iterator[EncodedImage | BadRecord]:
        """See Collection."""
        position = 0
        columns = [self.image, self.label, *([self.writers] if self.writers else [])]
        with _opened(self.path) as (_, file):
            for batch in file.iter_batches(batch_size=_ROWS, columns=columns):
                for row in batch.to_pylist():
                    yield self._item(row, position)
                    position += 1

    def _item(self, row: dict[str, Any], position: int) -> EncodedImage | BadRecord:
        name = f"{self.name}[{position}]"
        label = self._label(row[self.label])
        if not 0 < len(label) <= MAX_LABEL_LENGTH:
            expected, found = "a class", str(row[self.label])[:MAX_LABEL_LENGTH]
            return BadRecord(name, 0, 0, expected, found, "unknown label")
        writer = row.get(self.writers) or ""
        if len(writer) > MAX_LABEL_LENGTH:
            writer = ""
        return EncodedImage(label, self.name, position, name, _reader(row[self.image]), writer)

    def _label(self, value: object) -> str:
        """The class; "" if the value is not one."""
        if isinstance(value, int) and self.names:
            return self.names[value] if 0 <= value < len(self.names) else ""
        return "" if value is None else str(value)


def parquet(path: Path) -> Parquet:
    """The collection in a parquet file.

    Raises:
        InputError: pyarrow is not installed, the file is damaged, or there is no column of images
            or of labels.
    """
    with _opened(path) as (arrow, file):
        schema, count = file.schema_arrow, file.metadata.num_rows
    features = _features(schema.metadata or {})
    image = _column_of(_image_columns(arrow, schema), _IMAGE_NAMES, path)
    label = _label_column(arrow, schema, features)
    if not image or not label:
        raise InputError(
            f"has no column of {'labels' if image else 'images'}; its columns are "
            f"{name_text(', '.join(schema.names))[:200]}",
            where=str(path),
            remedy="Images must be struct<bytes, path> or binary; labels a ClassLabel, or text or "
            f"numbers in a column {', '.join(_LABEL_NAMES[:-1])} or {_LABEL_NAMES[-1]}",
        )
    names = features.get(label, {}).get("names", ())
    known = isinstance(names, list) and all(isinstance(name, str) for name in names)
    writer = schema.get_field_index("writer")
    return Parquet(
        name_text(path.name),
        path,
        path.stat().st_size,
        count,
        image=image,
        label=label,
        names=tuple(names) if known else (),
        writers="writer" if writer >= 0 and _is_text(arrow, schema.field(writer).type) else "",
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
            remedy="pip install 'hwgen[parquet]'",
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
    """Columns struct<bytes, path>, or of bytes if there are none."""
    structs = [
        field.name
        for field in schema
        if arrow.types.is_struct(field.type)
        and field.type.get_field_index("bytes") >= 0
        and _is_kind(arrow, field.type.field("bytes").type, "binary")
    ]
    return structs or [field.name for field in schema if _is_kind(arrow, field.type, "binary")]


def _column_of(columns: list[str], preferred: Sequence[str], path: Path) -> str:
    """The only column, or the first of the preferred names; "" if there is none."""
    named = [name for name in preferred if name in columns]
    if not named and len(columns) > 1:
        raise InputError(
            f"has several columns of images: {name_text(', '.join(columns))[:200]}",
            where=str(path),
            remedy="Call the one to use image, or remove the others",
        )
    return next(iter(named or columns), "")


def _label_column(arrow: Any, schema: Any, features: dict[str, dict[str, Any]]) -> str:
    """The first ClassLabel, else the first of the usual names; "" if there is none."""
    declared = [name for name in schema.names if _kind(features, name) == "ClassLabel"]
    named = [
        name
        for name in _LABEL_NAMES
        if name in schema.names and _is_label(arrow, schema.field(name).type)
    ]
    return next(iter(declared or named), "")


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
