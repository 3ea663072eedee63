from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

from hwgen.charset import Charset
from hwgen.record import Record
from hwgen.store import Store, StoreWriter

MakeStore = Callable[..., Store]


@pytest.fixture
def make_store(tmp_path: Path) -> MakeStore:
    """Makes stores of noise; labels and writers alternate."""

    def make(
        name: str = "store",
        *,
        count: int = 23,
        labels: Sequence[str] = ("啊", "座", "A"),
        writers: Sequence[str] = ("001", "002"),
        channels: int = 1,
        kind: str = "gnt",
        seed: int = 0,
        origin: Mapping[str, object] | None = None,
    ) -> Store:
        rng = np.random.default_rng(seed)
        shape = (6, 6) if channels == 1 else (6, 6, channels)
        with StoreWriter(tmp_path / name, size=6, channels=channels, recipe={}) as writer:
            for n in range(count):
                image = rng.integers(0, 256, shape, dtype=np.uint8)
                label, by = labels[7 * n // 3 % len(labels)], writers[n // 2 % len(writers)]
                writer.add(Record(image, label, by, f"{by}.gnt", 46 * n))
            # 丨 has no record.
            return writer.finish(charset=Charset((*labels, "丨")), origin=origin or {"kind": kind})

    return make
