from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.throughput import batches as benchmark
from hwgen.data import StoreDataset, to_uint8
from hwgen.store import Store

LABELS = [*"abc"] * 7


def random_images(size: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (21, size, size), np.uint8)


def rows_of(batches: Iterable[benchmark.Batch]) -> list[tuple[int, bytes]]:
    # As grey values: the implementations differ in a float's last bit.
    return sorted(
        (int(y), to_uint8(x, benchmark.PIXELS).numpy().tobytes())
        for xs, ys in batches
        for x, y in zip(xs, ys, strict=True)
    )


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_all_implementations_give_the_same_samples(tmp_path: Path) -> None:
    images = random_images(8)
    store = benchmark.write_store(tmp_path / "store", images, LABELS, 21)
    benchmark.write_png_lmdb(tmp_path / "png", store.all_images(), store.labels)
    expected = rows_of(
        [(torch.from_numpy(images).unsqueeze(1) / 255, torch.from_numpy(store.labels))]
    )
    dataset = StoreDataset(store, pixels=benchmark.PIXELS)
    for workers in (0, 2):
        assert rows_of(benchmark.by_png(tmp_path / "png", 4, workers)) == expected
        assert rows_of(benchmark.loaded(dataset, 4, workers)) == expected
    for resident in (False, True):
        made = benchmark.batches_of(store, 3, window_bytes=10 * 64, resident=resident)
        assert type(made.images).__name__.startswith("Resident" if resident else "Streamed")
        assert rows_of(benchmark.steps_of(made, 7)) == expected


def test_a_store_repeats_the_images(tmp_path: Path) -> None:
    images = random_images(8)
    store = benchmark.write_store(tmp_path / "store", images, LABELS, 50)
    np.testing.assert_array_equal(store.all_images(), images[np.arange(50) % 21])
    assert [store.charset.labels[y] for y in store.labels] == [LABELS[n % 21] for n in range(50)]


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
@pytest.mark.usefixtures("quick")
def test_measure_gives_two_rows_per_batch_size_and_leaves_no_files(tmp_path: Path) -> None:
    rows = benchmark.measure(
        random_images(16),
        LABELS,
        tmp_path,
        size=8,
        store_bytes=64 * 400,
        items=30,
        batches=[4],
        window_bytes=64 * 100,
        pace=1e6,
        runs=1,
    )
    assert [row["fast"] for row in rows] == [benchmark.RESIDENT, benchmark.STREAMED]
    assert all(len(row["ways"]) == 6 for row in rows)
    streamed = rows[1]["settings"]
    assert streamed["records"] == 400
    assert streamed["paced"]["samples_s"] > 0
    assert isinstance(streamed["cold"], bool)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_cannot_be_evicted_is_not_called_cold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "file"
    file.write_bytes(bytes(100_000))
    assert benchmark.read_rate(file) > 0
    monkeypatch.delattr("os.posix_fadvise")
    assert not benchmark.evict(file)


def test_images_come_from_a_store_or_are_simulated(toy_store: Store) -> None:
    images, labels = benchmark.read_store(toy_store.path)
    np.testing.assert_array_equal(images, toy_store.all_images())
    assert labels[:3] == ["一", "丨", "十"]
    images, labels = benchmark.simulated(characters=3, writers=2)
    assert images.shape == (6, 64, 64)
    assert labels[:3] == labels[3:]
