"""Every format that a store can be exported to."""

from __future__ import annotations

from dataclasses import dataclass

from hwgen.errors import InputError
from hwgen.exports.folder import FolderExporter
from hwgen.exports.gnt import GntExporter
from hwgen.exports.ocr_lmdb import OcrLmdbExporter
from hwgen.exports.paddle import PaddleExporter
from hwgen.exports.parquet import ParquetExporter
from hwgen.exports.records import Exporter
from hwgen.exports.webdataset import WebDatasetExporter
from hwgen.names import suggest


@dataclass(frozen=True)
class Format:
    """One row of FORMATS.

    Attributes:
        exporter: what writes it.
        what: the files, in a few words.
        readers: who reads it.
        libraries: packages, besides the store's, that decide the files' bytes.
    """

    exporter: type[Exporter]
    what: str
    readers: str
    libraries: tuple[str, ...] = ()


FORMATS = {
    "ocr-lmdb": Format(
        OcrLmdbExporter, "data.mdb", "PARSeq, PaddleOCR, MMOCR, clovaai's benchmark", ("lmdb",)
    ),
    "folder": Format(FolderExporter, "CLASS/NUMBER.png", "torchvision's ImageFolder"),
    "paddle": Format(PaddleExporter, "images/ and label.txt", "PaddleOCR"),
    "gnt": Format(GntExporter, "WRITER.gnt", "loaders of CASIA HWDB, hwgen prepare-gnt"),
    "webdataset": Format(WebDatasetExporter, "NAME-000000.tar", "webdataset"),
    "parquet": Format(
        ParquetExporter, "NAME-000000.parquet", "Hugging Face datasets, pyarrow", ("pyarrow",)
    ),
}
"""Every format that a store can be exported to."""


def format_named(name: str) -> Format:
    """The row of FORMATS of this name.

    Raises:
        InputError: there is none.
    """
    try:
        return FORMATS[name]
    except KeyError:
        raise InputError(f"no format {name!r}", remedy=suggest(name, FORMATS)) from None
