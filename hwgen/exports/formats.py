"""In: the name of a format. Out: what writes it, and what reads it; the tables of all formats."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hwgen.errors import InputError
from hwgen.exports.folder import FolderExporter
from hwgen.exports.gnt import GntExporter
from hwgen.exports.ocr_lmdb import OcrLmdbExporter
from hwgen.exports.paddle import PaddleExporter
from hwgen.exports.parquet import ParquetExporter
from hwgen.exports.records import Exporter
from hwgen.exports.webdataset import WebDatasetExporter
from hwgen.io.paths import describe_path, suggest_path
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


@dataclass(frozen=True)
class RunFormat:
    """One row of RUN_FORMATS.

    Attributes:
        what: the files, in a few words.
        readers: who reads it.
    """

    what: str
    readers: str


RUN_FORMATS = {
    "model": RunFormat(
        "model.safetensors, charset.json, README.md, samples.png, model.onnx",
        "hwgen synthesize, hwgen inspect, onnxruntime; the Hugging Face Hub shows the card",
    ),
    "tensorboard": RunFormat("events.out.tfevents.hwgen", "TensorBoard"),
}
"""Every format that a run can be exported to; hwgen.exports.runs writes them."""


def format_named(name: str) -> Format:
    """The row of FORMATS of this name.

    Raises:
        InputError: there is none.
    """
    try:
        return FORMATS[name]
    except KeyError:
        raise InputError(f"no format {name!r}", remedy=suggest(name, FORMATS)) from None


def exports_run(name: str, path: Path) -> bool:
    """Whether a format exports what lies at a path as a run; else as a store.

    Raises:
        InputError: there is no such format, or the path has a run where a store is wanted, or not
            a run where one is.
    """
    known = {**FORMATS, **RUN_FORMATS}
    if name not in known:
        raise InputError(f"no format {name!r}", remedy=suggest(name, known))
    has_run = (path / "run.json").is_file()
    if name in RUN_FORMATS and not has_run:
        raise InputError(
            f"--format {name} exports a run, and here is none: "
            f"{describe_path(path) or 'run.json is missing'}",
            where=str(path),
            remedy="It holds neither log nor snapshots: give the run that it was exported from"
            if (path / "model.safetensors").is_file()
            else suggest_path(path, f"Formats of a store: {', '.join(FORMATS)}"),
        )
    if name in FORMATS and has_run:
        raise InputError(
            f"--format {name} exports a store, and this is a run",
            where=str(path),
            remedy="Draw a store from it first, with hwgen synthesize; formats of a run: "
            f"{', '.join(RUN_FORMATS)}",
        )
    return name in RUN_FORMATS
