import gc
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from hwgen.data import (
    ResidentImages,
    Shuffled,
    StreamedImages,
    average_down,
    image_sets,
    open_images,
    to_images,
    to_tensor,
    window_of,
)
from hwgen.errors import HwgenError, InputError, StoreError
from hwgen.io.machine import Memory
from hwgen.record import Record
from hwgen.store import Store, StoreWriter

CPU = torch.device("cpu")
MakeStore = Callable[..., Store]


@pytest.fixture
def make_store(tmp_path: Path) -> MakeStore:
    def make(name: str, count: int, size: int = 8, channels: int = 1) -> Store:
        rng = np.random.default_rng(count)
        shape = (size, size) if channels == 1 else (size, size, channels)
        with StoreWriter(tmp_path / name, size=size, channels=channels, recipe={}) as writer:
            for n in range(count):
                writer.add(Record(rng.integers(0, 256, shape, np.uint8), "ab"[n % 2], "", "", n))
            return writer.finish(origin={})

    return make


def expected(stores: list[Store], size: int, indices: Tensor) -> Tensor:
    joined = torch.cat([average_down(to_tensor(store.all_images(), CPU), size) for store in stores])
    return joined[indices]


def reading_threads() -> list[threading.Thread]:
    return [t for t in threading.enumerate() if t.name.startswith("hwgen-images")]


def no_reader_is_left() -> bool:
    gc.collect()
    deadline = time.monotonic() + 10
    while reading_threads() and time.monotonic() < deadline:
        time.sleep(0.01)
    return not reading_threads()


@pytest.mark.parametrize("kind", [ResidentImages, StreamedImages])
@pytest.mark.parametrize("size", [8, 4, 3])
@pytest.mark.parametrize(("window", "chunk"), [(None, 1024), (60, 7), (1, 7), (30, 1)])
def test_batches_of_joined_stores_are_what_the_order_says(
    make_store: MakeStore, kind: type, size: int, window: int | None, chunk: int
) -> None:
    stores = [make_store("a", 50), make_store("b", 1, size=16), make_store("c", 70, size=16)]
    drawn = kind(stores, size, CPU)
    assert len(drawn) == 121
    assert drawn.shape == (1, size, size)
    order = Shuffled(121, 10, seed=2, window=window, chunk=chunk)
    # Two epochs in order, then jumps to and fro, and another order.
    for step in [*range(25), 3, 4, 90, 89]:
        x = drawn.batch(order, step)
        assert torch.equal(x, drawn.batch(order, step, order.indices(step)))
        assert torch.equal(x, expected(stores, size, order.indices(step)))
    other = Shuffled(121, 5, seed=3, window=window, chunk=chunk)
    assert torch.equal(drawn.batch(other, 7), expected(stores, size, other.indices(7)))


@pytest.mark.parametrize("kind", [ResidentImages, StreamedImages])
def test_a_batch_may_be_larger_than_windows_and_the_set(make_store: MakeStore, kind: type) -> None:
    stores = [make_store("a", 20)]
    order = Shuffled(20, 50, seed=0, window=3, chunk=3)
    x = kind(stores, 8, CPU).batch(order, 1)
    assert torch.equal(x, expected(stores, 8, order.indices(1)))


@pytest.mark.parametrize("kind", [ResidentImages, StreamedImages])
def test_runs_of_records_cross_the_blocks_of_a_store(make_store: MakeStore, kind: type) -> None:
    stores = [make_store("a", 2500, size=2)]
    order = Shuffled(2500, 400, seed=0, window=900, chunk=300)
    drawn = kind(stores, 2, CPU)
    for step in range(8):
        assert torch.equal(drawn.batch(order, step), expected(stores, 2, order.indices(step)))


@pytest.mark.parametrize("kind", [ResidentImages, StreamedImages])
def test_colour_is_kept_in_its_channels(make_store: MakeStore, kind: type) -> None:
    store = make_store("colour", 3, channels=3)
    order = Shuffled(3, 2, seed=0)
    found = to_images(kind([store], 8, CPU).batch(order, 0))
    np.testing.assert_array_equal(found, store.images(order.indices(0).numpy()))


def test_a_stream_holds_two_windows_and_reads_the_next_ahead(
    make_store: MakeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    inner = Store.read
    runs: list[tuple[int, int]] = []

    def watched(store: Store, start: int, *, into: np.ndarray) -> None:
        runs.append((start, start + len(into)))
        inner(store, start, into=into)

    monkeypatch.setattr(Store, "read", watched)
    streamed = StreamedImages([make_store("a", 40)], 8, CPU)
    order = Shuffled(40, 5, seed=0, window=10, chunk=5)
    read = [order.pieces(number) for number in range(3)]

    def wait_for(windows: int) -> list[tuple[int, int]]:
        wanted = [(run.start, run.stop) for pieces in read[:windows] for run in pieces]
        deadline = time.monotonic() + 10
        while len(runs) < len(wanted) and time.monotonic() < deadline:
            time.sleep(0.01)
        return wanted

    streamed.batch(order, 0)
    assert wait_for(2) == runs  # the first, and the next although nobody asked for it yet
    streamed.batch(order, 1)
    assert wait_for(2) == runs
    streamed.batch(order, 2)  # the second window begins, and the first one makes room for the third
    assert wait_for(3) == runs
    assert [number for _, number in streamed._held] == [1, 2]


def test_the_thread_ends_with_the_pictures_even_while_it_reads(
    make_store: MakeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    inner = Store.read
    ahead, go_on = threading.Event(), threading.Event()
    blocks = 0

    def slow(store: Store, start: int, *, into: np.ndarray) -> None:
        nonlocal blocks
        if start == 30 or blocks:
            blocks += 1
            ahead.set()
            assert go_on.wait(10)
        inner(store, start, into=into)

    store = make_store("a", 40)
    order = next(
        order
        for order in (Shuffled(40, 5, seed, window=20, chunk=10) for seed in range(100))
        if order.pieces(1)[0].start == 30 or order.pieces(1)[1].start == 30
    )
    assert no_reader_is_left()
    streamed = StreamedImages([store], 8, CPU)
    monkeypatch.setattr(Store, "read", slow)
    streamed.batch(order, 0)
    assert ahead.wait(10)
    assert reading_threads()
    del streamed
    go_on.set()
    assert no_reader_is_left()
    assert blocks <= 1


def test_errors_of_the_thread_are_raised_where_the_window_is_needed(
    make_store: MakeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    inner = Store.read
    order = Shuffled(40, 5, seed=0, window=10, chunk=10)
    bad = order.pieces(1)[0].start

    def damaged(store: Store, start: int, *, into: np.ndarray) -> None:
        if start == bad:
            raise StoreError("damaged", where=str(store.path))
        inner(store, start, into=into)

    monkeypatch.setattr(Store, "read", damaged)
    streamed = StreamedImages([make_store("a", 40)], 8, CPU)
    streamed.batch(order, 0)
    streamed.batch(order, 1)
    for step in (2, 3):
        with pytest.raises(StoreError, match="damaged"):
            streamed.batch(order, step)
    assert streamed.batch(order, 4).shape == (5, 1, 8, 8)


@pytest.mark.parametrize("kind", [ResidentImages, StreamedImages])
def test_too_small_pictures_are_refused(make_store: MakeStore, kind: type) -> None:
    with pytest.raises(InputError, match="--size 9"):
        kind([make_store("a", 4)], 9, CPU).batch(Shuffled(4, 2, 0), 0)


@pytest.mark.parametrize(
    ("free", "window", "kind"),
    [
        (2 * 30 * 16, 0, ResidentImages),
        (2 * 30 * 16 - 1, 0, StreamedImages),
        (0, 30 * 16, ResidentImages),
        (0, 30 * 16 - 1, StreamedImages),
    ],
)
def test_a_set_is_resident_where_half_of_the_free_memory_or_a_window_holds_it(
    make_store: MakeStore, monkeypatch: pytest.MonkeyPatch, free: int, window: int, kind: type
) -> None:
    monkeypatch.setattr(image_sets, "_free_bytes", lambda device: free)
    monkeypatch.setattr(image_sets, "WINDOW_BYTES", window)
    stores = [make_store("a", 10), make_store("b", 20)]
    assert isinstance(open_images(stores, 4, CPU), kind)


def test_windows_are_counted_in_bytes_and_hold_something() -> None:
    assert window_of((1, 64, 64)) == 1 << 18
    assert window_of((3, 1 << 15, 1 << 15)) == 1


def test_free_memory_is_assumed_where_it_is_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    assert image_sets._free_bytes(CPU) > 0
    monkeypatch.setattr("hwgen.io.machine.memory", lambda: Memory(0, 0, 0))
    assert image_sets._free_bytes(CPU) == 8 << 30


@pytest.mark.parametrize(
    ("available", "limit", "window", "refused"),
    [
        (479, 1000, 500, True),  # 480 bytes would be resident
        (480, 1000, 500, False),
        (99, 1000, 50, True),  # or streamed, with two windows
        (100, 1000, 50, False),
        (1, 0, 500, False),  # no container: the system may swap
    ],
)
def test_images_that_would_get_a_container_killed_are_refused(
    make_store: MakeStore,
    monkeypatch: pytest.MonkeyPatch,
    available: int,
    limit: int,
    window: int,
    refused: bool,
) -> None:
    monkeypatch.setattr("hwgen.io.machine.memory", lambda: Memory(1 << 30, available, limit))
    monkeypatch.setattr(image_sets, "WINDOW_BYTES", window)
    stores = [make_store("a", 10), make_store("b", 20)]
    if refused:
        with pytest.raises(HwgenError, match=r"but the container, .*Allow it more memory"):
            open_images(stores, 4, CPU)
    else:
        open_images(stores, 4, CPU)
