"""In: a store. Out: GNT files, one a writer, which every loader of HWDB reads."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from hwgen.errors import InputError
from hwgen.exports.folder import claim
from hwgen.record import Image
from hwgen.sources.gnt import write_gnt
from hwgen.store import Store

NAMELESS = "synthetic"
"""Name of the file that holds the records whose writer is not known."""


def export_gnt(store: Store, folder: Path) -> list[Path]:
    """Write `folder`/WRITER.gnt for every writer, and classes.json.

    Pictures are the store's framed ones. The same call after an interruption completes the folder.

    Returns:
        The files.

    Raises:
        InputError: the folder holds something else, the store is in colour, or a label has no
            two-byte GB code.
    """
    if store.channels != 1:
        raise InputError("GNT holds grey pictures only", where=str(store.path))
    claim(store, folder)
    labels, writers = store.labels, store.columns["writer"]
    paths = []
    for place, writer in enumerate(store.manifest.tables["writers"]):
        path = folder / f"{writer or NAMELESS}.gnt"
        write_gnt(path, _glyphs(store, np.flatnonzero(writers == place), labels))
        paths.append(path)
    return paths


def _glyphs(
    store: Store, numbers: npt.NDArray[np.int64], labels: npt.NDArray[np.int64]
) -> Iterator[tuple[str, Image]]:
    for start in range(0, len(numbers), 1024):
        part = numbers[start : start + 1024]
        for number, image in zip(part, store.images(part), strict=True):
            yield store.charset[labels[number]], image
