"""OCR LMDB exports: PARSeq and clovaai read every record with equal label and pixels.

    hwgen export STORE --format ocr-lmdb --out EXPORT
    python -m benchmarks.readers STORE EXPORT --parseq CHECKOUT --clovaai CHECKOUT

clovaai's needs `pip install six natsort`. The readers' code is unchanged; a private name of torch
that clovaai's imports and that no longer exists is supplied.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import itertools
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import torch

from benchmarks.options import make_parser
from benchmarks.provenance import provenance
from hwgen.exports.staging import FILE
from hwgen.io.json_files import read_object
from hwgen.store import Store

LONGEST = 25
"""Longest label in characters, the default of both readers."""


@dataclass(frozen=True)
class Comparison:
    """Records of a reader compared with those of the store.

    Attributes:
        read: number of records.
        labels: records with another label.
        pixels: pixels that differ; all pixels of an image of another size.
    """

    read: int
    labels: int
    pixels: int


def compare(dataset: Sequence[tuple[Any, str]], store: Store) -> Comparison:
    """Compare every record, in order.

    Args:
        dataset: number -> PIL image, grey or RGB, and label.
        store: what was exported.
    """
    labels = pixels = 0
    for number in range(min(len(dataset), len(store))):
        image, label = dataset[number]
        record = store.record(number)
        found, expected = np.asarray(image), record.image
        if found.ndim > expected.ndim:
            expected = np.repeat(expected[:, :, None], 3, axis=2)
        labels += label != record.label
        same_shape = found.shape == expected.shape
        pixels += int((found != expected).sum()) if same_shape else expected.size
    return Comparison(len(dataset), labels, pixels)


def parseq(checkout: Path, export: Path, characters: str) -> Iterator[tuple[str, Any]]:
    """PARSeq's data sets of an export, one at a time: py-lmdb cannot open a file twice."""
    module = _imported("strhub.data.dataset", checkout)
    options = {"charset": characters, "max_label_len": LONGEST, "normalize_unicode": False}
    yield "LmdbDataset", module.LmdbDataset(str(export), **options)
    yield "build_tree_dataset", module.build_tree_dataset(export, **options)


def clovaai(checkout: Path, export: Path, characters: str) -> Iterator[tuple[str, Any]]:
    """The data set of clovaai's benchmark, with grey and with RGB images."""
    if not hasattr(torch._utils, "_accumulate"):
        torch._utils._accumulate = itertools.accumulate  # type: ignore[attr-defined]
    module = _imported("dataset", checkout)
    for rgb in (False, True):
        option = SimpleNamespace(
            rgb=rgb,
            data_filtering_off=False,
            imgW=0,
            imgH=0,
            character=characters,
            batch_max_length=LONGEST,
            sensitive=True,
        )
        dataset = module.LmdbDataset(str(export), option)
        yield f"LmdbDataset, {'RGB' if rgb else 'grey'}", dataset
        dataset.env.close()


READERS = {
    "parseq": ("PARSeq", parseq),
    "clovaai": ("clovaai's deep-text-recognition-benchmark", clovaai),
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Compare with each reader and print a table; the exit status is 1 if anything differs."""
    parser = make_parser(__doc__)
    parser.add_argument("store", type=Path)
    parser.add_argument("export", type=Path)
    for name, (title, _) in READERS.items():
        parser.add_argument(f"--{name}", type=Path, help=f"a checkout of {title}")
    given = vars(parser.parse_args(arguments))
    store = Store(given["store"])
    origin = provenance(__file__, arguments)
    versions = origin["hardware"]
    characters = "".join(read_object(given["export"] / FILE)["charset"])
    print(
        f"{len(store):,} records of {len(store.charset)} classes, {store.size}x{store.size}, "
        f"content {store.manifest.content_sha256[:16]}\n"
        f"{origin['date']}, commit {origin['commit']}: {origin['command']}\n"
        f"hwgen {versions['hwgen']}, Python {versions['python']}, torch {versions['torch']}, "
        f"lmdb {importlib.metadata.version('lmdb')}\n\n"
        "| reader | commit | data set | records read | other labels | other pixels |\n"
        "|---|---|---|---:|---:|---:|"
    )
    wrong = False
    for name, (title, read) in READERS.items():
        if given[name] is None:
            continue
        for kind, dataset in read(given[name], given["export"], characters):
            found = compare(dataset, store)
            wrong |= found != Comparison(len(store), 0, 0)
            row = (title, _commit(given[name]), kind, found.read, found.labels, found.pixels)
            print("| " + " | ".join(str(cell) for cell in row) + " |")
            del dataset  # closes PARSeq's
    sys.exit(int(wrong))


def _imported(name: str, checkout: Path) -> ModuleType:
    sys.path.insert(0, str(checkout))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(str(checkout))


def _commit(checkout: Path) -> str:
    described = ["describe", "--always", "--abbrev=7", "--exclude=*", "--dirty"]
    command = ["git", "-C", str(checkout), *described]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


if __name__ == "__main__":
    main()
