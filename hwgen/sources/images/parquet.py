"""Reader of parquet files of images, as written by Hugging Face's datasets."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from hwgen.errors import InputError
from hwgen.io import zips
from hwgen.io.json_files import parse_json
from hwgen.record import BadRecord
from hwgen.sources.images.collection import MAX_LABEL_LENGTH, Collection, EncodedImage
from hwgen.sources.images.decoding import MAX_BYTES

MAGIC = b"PAR1"
_ROWS = 64  # read at a time


@dataclass(frozen=True)
class Parquet(Collection):
    """A column of images, struct<bytes, path>, and one of labels; other columns are ignored.

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
    images = [
        field.name
        for field in schema
        if arrow.types.is_struct(field.type)
        and field.type.get_field_index("bytes") >= 0
        and arrow.types.is_binary(field.type.field("bytes").type)
    ]
    labels = [
        field.name
        for field in schema
        if _kind(features, field.name) == "ClassLabel"
        or (field.name in ("label", "labels", "class") and _is_label(arrow, field.type))
    ]
    if not images or not labels:
        raise InputError(
            f"has no column of {'labels' if images else 'images'}; its columns are "
            f"{zips.printable(', '.join(schema.names))[:200]}",
            where=str(path),
            remedy="Images must be struct<bytes, path>, labels a ClassLabel or a column label",
        )
    names = features.get(labels[0], {}).get("names", ())
    known = isinstance(names, list) and all(isinstance(name, str) for name in names)
    writer = schema.get_field_index("writer")
    return Parquet(
        zips.printable(path.name),
        path,
        path.stat().st_size,
        count,
        image=images[0],
        label=labels[0],
        names=tuple(names) if known else (),
        writers="writer"
        if writer >= 0 and arrow.types.is_string(schema.field(writer).type)
        else "",
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
    reason = zips.printable(str(error))[:200]
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


def _is_label(arrow: Any, kind: Any) -> bool:
    return bool(arrow.types.is_integer(kind) or arrow.types.is_string(kind))


def _reader(image: dict[str, Any] | None) -> Callable[[], bytes]:
    def read() -> bytes:
        data = (image or {}).get("bytes")
        if data is None:
            raise InputError("a path to another file" if image else "no image")
        if len(data) > MAX_BYTES:
            raise InputError(f"{len(data):,} bytes")
        return bytes(data)

    return read
