"""In: records. Out: parquet files, which Hugging Face's datasets read with Image and ClassLabel."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hwgen.errors import InputError
from hwgen.exports.file_names import image_name
from hwgen.exports.records import RecordInfo, Subset
from hwgen.io.files import atomic_write

if TYPE_CHECKING:
    import pyarrow

ROW_GROUP = 1000
"""Rows written, and read, at a time."""

_PROVENANCE = {"writer": "string", "source": "string", "position": "int64", "record": "int64"}


class ParquetExporter:
    """Writes data-000000.parquet, or train-000000.parquet of a part called train, and so on.

    Columns: image, struct<bytes, path>, a PNG file and its name; label, the class id; writer,
    source, position and record. The schema's metadata tell `datasets` that image is an Image and
    label a ClassLabel with the charset's labels as names.

    Raises:
        InputError: pyarrow is not installed.
    """

    def __init__(self, part: Subset, folder: Path) -> None:
        try:
            import pyarrow.parquet
        except ImportError as error:
            raise InputError(
                f"the parquet format needs pyarrow, which is not installed ({error})",
                remedy="Install it with: pip install 'hwgen[parquet]'",
            ) from None
        self._part, self._folder, self._arrow = part, folder, pyarrow

    def write(self, start: int, shard: int) -> int:
        """See Exporter."""
        path = self._folder / f"{self._part.name or 'data'}-{shard:06d}.parquet"
        schema = self._schema()
        records = self._part.shard(start)
        with (
            atomic_write(path) as temporary,
            open(temporary, "wb") as stream,  # pyarrow itself takes no name that is not UTF-8
            # Pictures are compressed already, and no two are equal.
            self._arrow.parquet.ParquetWriter(
                stream, schema, compression="none", use_dictionary=["writer", "source"]
            ) as file,
        ):
            for rows in _groups(records):
                file.write_batch(self._arrow.RecordBatch.from_pylist(rows, schema))
                start += len(rows)
        return start

    def finish(self) -> None:
        """See Exporter; nothing is left to write."""

    def _schema(self) -> pyarrow.Schema:
        arrow = self._arrow
        image = arrow.struct([("bytes", arrow.binary()), ("path", arrow.string())])
        features = {
            "image": {"_type": "Image"},
            "label": {"_type": "ClassLabel", "names": list(self._part.charset)},
            **{name: {"_type": "Value", "dtype": kind} for name, kind in _PROVENANCE.items()},
        }
        described = json.dumps({"info": {"features": features}}, ensure_ascii=False)
        fields = [("image", image), ("label", arrow.int64()), *_PROVENANCE.items()]
        return arrow.schema(fields, metadata={"huggingface": described})


def _groups(records: Iterator[tuple[RecordInfo, bytes]]) -> Iterator[list[dict[str, Any]]]:
    """Rows of the table, ROW_GROUP at a time."""
    while rows := [_row(row, png) for row, png in islice(records, ROW_GROUP)]:
        yield rows


def _row(row: RecordInfo, png: bytes) -> dict[str, Any]:
    image = {"bytes": png, "path": f"{image_name(row.record)}.png"}
    known = {name: getattr(row, name) for name in _PROVENANCE}
    return {"image": image, "label": row.class_id, **known}
