"""The list of export formats.

A new format is one file with an Exporter (hwgen.exports.records) and one line in FORMATS.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from hwgen.errors import InputError
from hwgen.suggestions import suggest

if TYPE_CHECKING:
    from hwgen.exports.records import Exporter


class Formats(Mapping[str, "type[Exporter]"]):
    """Exporters by name of their format; each is imported when it is looked up.

    Args:
        exporters: name of a format -> "module:class" of its exporter in this package.
    """

    def __init__(self, exporters: Mapping[str, str]) -> None:
        self._exporters = dict(exporters)

    def __getitem__(self, name: str) -> type[Exporter]:
        module, _, exporter = self._exporters[name].partition(":")
        found: type[Exporter] = getattr(
            importlib.import_module(f"hwgen.exports.{module}"), exporter
        )
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self._exporters)

    def __len__(self) -> int:
        return len(self._exporters)


FORMATS = Formats(
    {
        "ocr-lmdb": "ocr_lmdb:OcrLmdbExporter",
        "folder": "folder:FolderExporter",
        "paddle": "paddle:PaddleExporter",
        "gnt": "gnt:GntExporter",
        "webdataset": "webdataset:WebDatasetExporter",
        "parquet": "parquet:ParquetExporter",
    }
)
"""Formats that a store can be exported to."""

OF_PROGRAMS: Mapping[str, Sequence[str]] = {
    "crnn": ["ocr-lmdb"],
    "deep-text-recognition-benchmark": ["ocr-lmdb"],
    "hf": ["parquet"],
    "huggingface": ["parquet"],
    "imagefolder": ["folder"],
    "lmdb": ["ocr-lmdb"],
    "mmocr": ["ocr-lmdb"],
    "paddleocr": ["paddle"],
    "parseq": ["ocr-lmdb"],
    "png": ["folder"],
    "wds": ["webdataset"],
}
"""Formats that other programs read, for the suggestions of an error."""


def exporter_named(name: str) -> type[Exporter]:
    """The exporter of a format.

    Raises:
        InputError: there is no format of this name.
    """
    if name not in FORMATS:
        raise InputError(f"no format {name!r}", remedy=suggest(name.lower(), FORMATS, OF_PROGRAMS))
    return FORMATS[name]
