"""Small stores of records that a number determines, as tests write and read them."""

from pathlib import Path
from typing import Any

import numpy as np

from hwgen.record import Record
from hwgen.store import Store, StoreWriter

SIZE = 8
RECIPE = {"kind": "test"}


def record(n: int, size: int = SIZE, channels: int = 1) -> Record:
    shape = (size, size) if channels == 1 else (size, size, channels)
    image = np.random.default_rng(n).integers(0, 256, shape, np.uint8)
    return Record(image, "一丁七"[n % 3], ("", "001")[n % 2], f"file{n % 4}", 10 * n)


def write(path: Path, count: int = 5, **options: Any) -> Store:
    channels = options.get("channels", 1)
    with StoreWriter(path, **{"size": SIZE, "recipe": RECIPE, **options}) as writer:
        for n in range(writer.count, count):
            writer.add(record(n, writer.size, channels))
        return writer.finish(origin={"kind": "test"})


def assert_holds(store: Store, count: int) -> None:
    assert len(store) == count
    for n in range(count):
        found, expected = store.record(n), record(n, store.size, store.channels)
        np.testing.assert_array_equal(found.image, expected.image)
        assert (found.label, found.writer) == (expected.label, expected.writer)
        assert (found.source, found.position) == (expected.source, expected.position)
