"""In: a store, its export as OCR LMDB, readers' checkouts. Out: whether each reads it all, equal.

Claim: PARSeq's and clovaai's own data sets give every record of the export, each with the label and
every pixel that the store has. Run, with `pip install six natsort` for clovaai's:

    hwgen export STORE --format ocr-lmdb --out EXPORT
    python benchmarks/readers.py STORE EXPORT --parseq CHECKOUT --clovaai CHECKOUT

The readers' code is unchanged. clovaai's imports a private name that torch no longer has, which is
supplied.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.metadata
import itertools
import platform
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import torch

import hwgen
from hwgen.exports.place import FILE
from hwgen.io.json_files import read_object
from hwgen.store import Store

LONGEST = 25
"""Characters of a label: what both readers take by default."""


@dataclass(frozen=True)
class Found:
    """What a reader gave beside what the store has.

    Attributes:
        read: records given.
        labels: records with another label.
        pixels: pixels that differ, of all pictures; a picture of another size counts whole.
    """

    read: int
    labels: int
    pixels: int


def compare(dataset: Sequence[tuple[Any, str]], store: Store) -> Found:
    """Compare every record, in order.

    Args:
        dataset: gives a PIL picture, grey or RGB, and a label by number.
        store: what was exported.
    """
    labels = pixels = 0
    for number in range(min(len(dataset), len(store))):
        picture, label = dataset[number]
        record = store.record(number)
        found, wanted = np.asarray(picture), record.image
        if found.ndim > wanted.ndim:
            wanted = np.repeat(wanted[:, :, None], 3, axis=2)
        labels += label != record.label
        pixels += wanted.size if found.shape != wanted.shape else int((found != wanted).sum())
    return Found(len(dataset), labels, pixels)


def parseq(checkout: Path, export: Path, characters: str) -> Iterator[tuple[str, Any]]:
    """PARSeq's data sets of an export, one open at a time: py-lmdb opens no file twice."""
    module = _imported("strhub.data.dataset", checkout)
    told = {"charset": characters, "max_label_len": LONGEST, "normalize_unicode": False}
    yield "LmdbDataset", module.LmdbDataset(str(export), **told)
    yield "build_tree_dataset", module.build_tree_dataset(export, **told)


def clovaai(checkout: Path, export: Path, characters: str) -> Iterator[tuple[str, Any]]:
    """The data set of clovaai of an export, with pictures in grey and in colour."""
    if not hasattr(torch._utils, "_accumulate"):
        torch._utils._accumulate = itertools.accumulate  # type: ignore[attr-defined]
    module = _imported("dataset", checkout)
    for rgb in (False, True):
        told = {"character": characters, "batch_max_length": LONGEST, "sensitive": True}
        option = SimpleNamespace(rgb=rgb, data_filtering_off=False, imgW=0, imgH=0, **told)
        dataset = module.LmdbDataset(str(export), option)
        yield f"LmdbDataset, {'RGB' if rgb else 'grey'}", dataset
        dataset.env.close()


READERS = {
    "parseq": ("PARSeq", parseq),
    "clovaai": ("clovaai's deep-text-recognition-benchmark", clovaai),
}


def main() -> None:
    """Compare with each reader, and print a table; the exit status is 1 where something differs."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("store", type=Path)
    parser.add_argument("export", type=Path)
    for name, (title, _) in READERS.items():
        parser.add_argument(f"--{name}", type=Path, help=f"a checkout of {title}")
    given = vars(parser.parse_args())
    store = Store(given["store"])
    characters = "".join(read_object(given["export"] / FILE)["charset"])
    print(
        f"{len(store):,} records of {len(store.charset)} classes, {store.size}x{store.size}, "
        f"content {store.manifest.content_sha256[:16]}\n"
        f"hwgen {hwgen.__version__}, Python {platform.python_version()}, "
        f"torch {torch.__version__}, lmdb {importlib.metadata.version('lmdb')}\n\n"
        "| reader | commit | data set | records read | other labels | other pixels |\n"
        "|---|---|---|---:|---:|---:|"
    )
    wrong = False
    for name, (title, read) in READERS.items():
        if given[name] is None:
            continue
        for kind, dataset in read(given[name], given["export"], characters):
            found = compare(dataset, store)
            wrong |= found != Found(len(store), 0, 0)
            row = (title, _commit(given[name]), kind, found.read, found.labels, found.pixels)
            print("| " + " | ".join(str(cell) for cell in row) + " |")
            del dataset  # which closes PARSeq's
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
