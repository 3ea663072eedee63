from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from hwgen.charset import Charset
from hwgen.record import Record
from hwgen.store import Store, StoreWriter

MakeStore = Callable[..., Store]

CHARACTERS = "一丨十口日"


@pytest.fixture
def make_store(tmp_path: Path) -> MakeStore:
    """Makes stores of characters of 16x16 pixels, with strokes as wide as each writer's pen."""

    def make(
        name: str = "store",
        *,
        written: Sequence[tuple[str, str]] | None = None,
        pens: dict[str, int] | None = None,
        channels: int = 1,
        origin: dict[str, object] | None = None,
    ) -> Store:
        """`written` has pairs of writer and characters; `pens` the width of each writer's pen."""
        rng = np.random.default_rng(0)
        shape = (16, 16) if channels == 1 else (16, 16, 3)
        records = written or [("w1", CHARACTERS), ("w2", CHARACTERS), ("w3", CHARACTERS)]
        with StoreWriter(tmp_path / name, size=16, channels=channels, recipe={}) as writer:
            for by, labels in records:
                pen = (pens or {}).get(by, 2)
                for position, label in enumerate(labels):
                    image = np.full(shape, 255, np.uint8)
                    at = 7 + int(rng.integers(0, 2))
                    if label != "丨":
                        image[at : at + pen, 1:15] = 20 + CHARACTERS.find(label)
                    if label != "一":
                        image[1:15, at : at + pen] = 20
                    writer.add(Record(image, label, by, f"{by}.gnt", position))
            charset = Charset(tuple(dict.fromkeys("".join(labels for _, labels in records))))
            return writer.finish(charset=charset, origin=origin or {"kind": "gnt"})

    return make


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    path = tmp_path / "text.txt"
    path.write_text("一丨十，口日！\n十一月，2 日口\n口 丨\n", "utf-8")
    return path
