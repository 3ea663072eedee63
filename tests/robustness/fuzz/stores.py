"""Targets that read stores: manifest.json and data.mdb."""

from __future__ import annotations

import contextlib
import random
from functools import partial
from pathlib import Path
from unittest import mock

import numpy as np

from hwgen.charset import Charset
from hwgen.errors import StoreError
from hwgen.record import Record
from hwgen.store import Store, StoreWriter
from tests.robustness.fuzz.mutation import mutate, mutate_json
from tests.robustness.fuzz.target import Target

_PAGE = 4096


def manifest(scratch: Path) -> Target:
    """Manifests beside a valid data.mdb."""
    made = make_store(scratch / "s", count=40, size=8)
    seed = (made / "manifest.json").read_bytes()

    def read(data: bytes) -> str:
        (made / "manifest.json").write_bytes(data)
        return _read(made)

    return Target([seed], read, mutate_json)


def data(scratch: Path) -> Target:
    """LMDB files beside a valid manifest: one leaf, overflow pages, and two levels."""
    shapes = {"leaf": (3, 4, 1024), "overflow": (40, 16, 20), "branch": (150, 4, 1)}
    made = [
        make_store(scratch / name, count=count, size=size, block=block)
        for name, (count, size, block) in shapes.items()
    ]
    seeds = [bytes([n]) + (path / "data.mdb").read_bytes() for n, path in enumerate(made)]
    largest = max(len(seed) for seed in seeds)

    def read(data: bytes) -> str:
        path = made[data[0] % len(made)] if data else made[0]
        # A new file each time: a Store whose file was replaced keeps the old one.
        (path / "data.mdb").unlink()
        (path / "data.mdb").write_bytes(data[1:])
        return _read(path)

    pages = list(range(largest // _PAGE))
    return Target(seeds, read, partial(mutate_pages, pages=pages))


def mutate_pages(data: bytes, other: bytes, rng: random.Random, pages: list[int]) -> bytes:
    """In most cases mutate the header or the nodes of one page, else anything."""
    if rng.randrange(4) == 0:
        return mutate(data, other, rng)
    page = rng.choice(pages[: len(data) // _PAGE])
    begin = 1 + _PAGE * page + rng.choice((0, 0, 16, 24, 72, 120))
    end = begin + rng.choice((16, 64, 160))
    if rng.randrange(3) == 0:  # nodes fill a page from its end
        begin, end = 1 + _PAGE * (page + 1) - rng.randrange(8, 400), 1 + _PAGE * (page + 1)
    part = mutate(data[begin:end], other, rng)[: end - begin]
    return data[:begin] + part.ljust(end - begin, b"\0") + data[end:]


def make_store(path: Path, *, count: int, size: int, block: int = 1024) -> Path:
    """A store of random images with at most `block` records per block."""
    rng = np.random.default_rng(count)
    with (
        mock.patch("hwgen.store.writer._BLOCK_RECORDS", block),
        StoreWriter(path, size=size, recipe={}) as writer,
    ):
        for n in range(count):
            image = rng.integers(0, 256, (size, size), np.uint8)
            writer.add(Record(image, "一丁七"[n % 3], f"w{n % 2}", f"file {n % 4}", n))
        writer.finish(charset=Charset(tuple("一丁七万")), origin={"kind": "gnt"})
    return path


def _read(path: Path) -> str:
    """Read everything that other packages read from a store."""
    store = Store(path)
    try:
        assert len(store.labels) == len(store.columns) == len(store)
        images = store.all_images()
        assert images.shape == (len(store), *store.image_shape), "wrong shape"
        for block in store.image_blocks():
            block.sum()
        for n in range(0, len(store), 7):
            record = store.record(n)
            assert record.label in store.charset
            assert isinstance(record.writer + record.source, str)
        return "read"
    except StoreError:
        # A refused store must be refused again, not left half open.
        with contextlib.suppress(StoreError):
            store.images([0])
        raise
    finally:
        store.close()
