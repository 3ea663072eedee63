"""Export of parquet files, as Hugging Face datasets reads them with Image and ClassLabel."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hwgen.charset import Charset
from hwgen.errors import InputError
from hwgen.exports.file_names import image_name
from hwgen.exports.records import Exporter, LabelledImages, RecordInfo
from hwgen.io.files import atomic_write
from hwgen.requirements import install_extra

if TYPE_CHECKING:
    import pyarrow

ROW_GROUP = 1000
"""Rows per row group of a file."""

_PROVENANCE = {"writer": "string", "source": "string", "position": "int64", "record": "int64"}


class ParquetExporter(Exporter):
    """Writes data-000000.parquet and so on, or train-000000.parquet for a subset named train.

    Columns: image, struct<bytes, path>, a PNG file and its name; label, the class id, or the text
    of a line; writer, source, position and record. By the schema's metadata, `datasets` loads image
    as Image and label as ClassLabel with the labels of the charset as names, or as text.

    Raises:
        InputError: pyarrow is not installed.
    """

    files = "NAME-000000.parquet"
    readers = "Hugging Face datasets, pyarrow"
    own = r"[^/]+-[0-9]{6,}\.parquet"
    libraries = ("pyarrow",)
    holds_text = True

    def __init__(self, subset: LabelledImages, folder: Path) -> None:
        try:
            import pyarrow.parquet
        except ImportError as error:
            raise InputError(
                f"the parquet format needs pyarrow, which is not installed ({error})",
                remedy=f"Install it with: {install_extra('parquet')}",
            ) from None
        super().__init__(subset, folder)
        self._arrow = pyarrow

    def write(self, start: int, shard: int) -> int:
        """See Exporter."""
        path = self._folder / f"{self._subset.name or 'data'}-{shard:06d}.parquet"
        schema = self._schema()
        records = self._subset.shard(start)
        with (
            atomic_write(path) as temporary,
            open(temporary, "wb") as stream,  # pyarrow accepts only names in UTF-8
            # Images are compressed already, and no two are equal.
            self._arrow.parquet.ParquetWriter(
                stream, schema, compression="none", use_dictionary=["writer", "source"]
            ) as file,
        ):
            for rows in _groups(records):
                file.write_batch(self._arrow.RecordBatch.from_pylist(rows, schema))
                start += len(rows)
        return start

    def _schema(self) -> pyarrow.Schema:
        arrow = self._arrow
        image = arrow.struct([("bytes", arrow.binary()), ("path", arrow.string())])
        if self._subset.is_text:
            label, kind = arrow.string(), {"_type": "Value", "dtype": "string"}
        else:
            label, kind = arrow.int64(), _class_label(self._subset.charset)
        features = {
            "image": {"_type": "Image"},
            "label": kind,
            **{name: {"_type": "Value", "dtype": kind} for name, kind in _PROVENANCE.items()},
        }
        described = json.dumps({"info": {"features": features}}, ensure_ascii=False)
        fields = [("image", image), ("label", label), *_PROVENANCE.items()]
        return arrow.schema(fields, metadata={"huggingface": described})


def _class_label(charset: Charset) -> dict[str, Any]:
    return {"_type": "ClassLabel", "names": list(charset)}


def _groups(records: Iterator[tuple[RecordInfo, bytes]]) -> Iterator[list[dict[str, Any]]]:
    """Rows of the table, ROW_GROUP at a time."""
    while rows := [_row(info, png) for info, png in islice(records, ROW_GROUP)]:
        yield rows


def _row(info: RecordInfo, png: bytes) -> dict[str, Any]:
    image = {"bytes": png, "path": f"{image_name(info.record)}.png"}
    known = {name: getattr(info, name) for name in _PROVENANCE}
    label = info.label if info.class_id is None else info.class_id
    return {"image": image, "label": label, **known}
