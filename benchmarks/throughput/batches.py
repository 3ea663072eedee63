"""Random training batches: a store delivers them 18 to 144 times as fast as an LMDB of PNG files.

    python -m benchmarks.throughput.batches --out benchmarks/results/throughput-DATE-HARDWARE

About five minutes on two CPU cores. The baseline is common practice: one LMDB get and one PNG
decode per item, in a torch DataLoader. hwgen reads a store that is resident in memory, and streams
one that is much larger than its window and not in the page cache. A consumer at the pace of a GPU
shows how long a training waits for its batches.

Without --store the images are simulated handwriting. They are repeated to fill --gib of store at
each size, which is read as one epoch in small windows; each run starts with the file evicted from
the page cache. Needs three times --gib of temporary disk space, and as much memory, since the
resident case holds the same store.
"""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast
from unittest import mock

import lmdb
import numpy as np
import numpy.typing as npt
import torch
from PIL import Image as PilImage
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from benchmarks.options import make_parser
from benchmarks.throughput.timing import copy_rate, in_turn, result, save
from hwgen.charset import gb2312_level1
from hwgen.data import Batches, StoreDataset, average_down, image_sets, to_images, to_tensor
from hwgen.data.order import Shuffled
from hwgen.imaging.framing import Framing
from hwgen.pixel_range import PixelRange
from hwgen.record import Image
from hwgen.sources.simulation.handwriting import simulate_writer
from hwgen.sources.strokes.data import common_first
from hwgen.sources.strokes.hanzi import Hanzi
from hwgen.store import Store, StoreWriter

CPU = torch.device("cpu")
PIXELS = PixelRange(paper=1.0, ink=0.0)
BASELINE = "LMDB of PNGs, DataLoader, 2 workers"
STREAMED, RESIDENT = "hwgen streamed, cold file", "hwgen resident"
PACE = {28: 100_000, 64: 20_000}
"""Samples/s taken by the paced consumer: about one window in three seconds."""

Batch = tuple[Tensor, Tensor]


class PngLmdb(Dataset[tuple[Tensor, int]]):
    """The baseline: one value per record, 4 bytes of label followed by a PNG file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._env: lmdb.Environment | None = None
        with lmdb.open(str(path), readonly=True, lock=False) as env:
            self._count = env.stat()["entries"]

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        if self._env is None:
            self._env = lmdb.open(str(self.path), readonly=True, lock=False, readahead=False)
        with self._env.begin() as txn:
            value = txn.get(f"{index:09d}".encode())
        assert value is not None
        image = np.array(PilImage.open(io.BytesIO(value[4:])))
        x = torch.from_numpy(image).unsqueeze(0).float() / 255
        return x, int.from_bytes(value[:4], "little")

    def close(self) -> None:
        if self._env is not None:
            self._env.close()
            self._env = None


def write_png_lmdb(path: Path, images: Image, labels: npt.NDArray[np.int64]) -> None:
    with lmdb.open(str(path), map_size=4096 * (len(images) + 64) + 2 * images.nbytes) as env:
        for start in range(0, len(images), 1000):
            with env.begin(write=True) as txn:
                for n in range(start, min(start + 1000, len(images))):
                    png = io.BytesIO()
                    PilImage.fromarray(images[n]).save(png, "PNG")
                    value = int(labels[n]).to_bytes(4, "little") + png.getvalue()
                    txn.put(f"{n:09d}".encode(), value, append=True)


def write_store(path: Path, images: Image, labels: Sequence[str], count: int) -> Store:
    """A store of `count` records that repeats the images in order."""
    with StoreWriter(path, size=images.shape[1], recipe={"kind": "benchmark"}) as writer:
        for start in range(0, count, len(images)):
            n = min(len(images), count - start)
            writer.add_batch(
                images[:n],
                labels=labels[:n],
                writers=[""] * n,
                sources=[""] * n,
                positions=range(start, start + n),
            )
        return writer.finish(origin={"kind": "benchmark"})


def loaded(dataset: Dataset[Any], batch: int, workers: int) -> Iterable[Batch]:
    """One epoch from a DataLoader."""
    return DataLoader(dataset, batch_size=batch, shuffle=True, num_workers=workers)


def by_png(path: Path, batch: int, workers: int) -> Iterator[Batch]:
    """One epoch of the baseline."""
    # Closed at the end, because forked workers must not inherit an open LMDB.
    with contextlib.closing(PngLmdb(path)) as dataset:
        yield from loaded(dataset, batch, workers)


def steps_of(batches: Batches, steps: int) -> Iterator[Batch]:
    """The first `steps` batches."""
    return (batches.batch(step) for step in range(steps))


def batches_of(store: Store, batch: int, *, window_bytes: int, resident: bool) -> Batches:
    """Hwgen's batches with a chosen mode and window size."""
    fraction = float("inf") if resident else 0.0
    with mock.patch.multiple(image_sets, RESIDENT_FRACTION=fraction, WINDOW_BYTES=window_bytes):
        return Batches([store], size=store.size, pixels=PIXELS, batch=batch, seed=0, device=CPU)


@contextlib.contextmanager
def threads(number: int) -> Iterator[None]:
    """Set torch's number of threads temporarily."""
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    yield
    torch.set_num_threads(before)


def consume(batches: Iterable[Batch]) -> None:
    for _ in batches:
        pass


def evict(file: Path) -> bool:
    """Evict a file from the page cache; False if it may still be there.

    No process may have it mapped. The host of a virtual machine may still cache it.
    """
    if not hasattr(os, "posix_fadvise") or not hasattr(os, "RWF_NOWAIT"):
        return False
    descriptor = os.open(file, os.O_RDONLY)
    try:
        os.fsync(descriptor)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        for offset in np.linspace(0, file.stat().st_size - 1, 50).astype(int).tolist():
            with contextlib.suppress(BlockingIOError):
                os.preadv(descriptor, [bytearray(1)], offset, os.RWF_NOWAIT)
                return False  # read without waiting, so it was cached
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True


def read_rate(file: Path) -> float:
    """Bytes per second of a sequential read of a whole file from its disk."""
    evict(file)
    buffer, total, began = bytearray(8 << 20), 0, time.perf_counter()
    with file.open("rb", buffering=0) as stream:
        while count := stream.readinto(buffer):
            total += count
    return total / (time.perf_counter() - began)


def paced_waits(batches: Batches, batch: int, rate: float, samples: int) -> dict[str, float]:
    """How long a training that takes `rate` samples per second waits for its batches."""
    began = time.perf_counter()
    batches.batch(0)
    first = time.perf_counter() - began
    waited, longest = 0.0, 0.0
    began = due = time.perf_counter()
    for step in range(1, samples // batch):
        asked = time.perf_counter()
        batches.batch(step)
        waited += (took := time.perf_counter() - asked)
        longest = max(longest, took)
        due += batch / rate
        time.sleep(max(0.0, due - time.perf_counter()))
    elapsed = time.perf_counter() - began
    return {
        "samples_s_asked": rate,
        "samples_s": round((samples // batch - 1) * batch / elapsed),
        "share_of_time_in_batch": round(waited / elapsed, 4),
        "longest_batch_ms": round(1000 * longest, 2),
        "first_batch_s": round(first, 3),
    }


def anonymous_bytes() -> int:
    """Memory of this process that is not backed by a file; 0 if the system does not report it."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("RssAnon"):
                return int(line.split()[1]) * 1024
    return 0


class Streaming:
    """Streaming of a store from a cold file, with what was observed.

    Args:
        store: closed before each run, so that its file can be evicted.
        window_bytes: bytes of images that are shuffled together.

    Attributes:
        cold: whether the file was evicted, for each run.
        held: memory that each run took, bytes.
    """

    def __init__(self, store: Store, window_bytes: int) -> None:
        self._store, self._window_bytes = store, window_bytes
        self.cold: list[bool] = []
        self.held: list[int] = []

    def batches(self, batch: int) -> Batches:
        """Batches from the evicted file."""
        self._store.close()
        self.cold.append(evict(self._store.path / "data.mdb"))
        return batches_of(self._store, batch, window_bytes=self._window_bytes, resident=False)

    def epoch(self, batch: int) -> None:
        """Read all batches of one epoch."""
        before = anonymous_bytes()
        # One core is left to the reading thread: otherwise every torch operation would wait for the
        # thread that competes with it.
        with threads(max(1, torch.get_num_threads() - 1)):
            consume(steps_of(self.batches(batch), len(self._store) // batch))
        self.held.append(anonymous_bytes() - before)

    def facts(self, resident: Batches, paced: Mapping[str, float]) -> dict[str, Any]:
        """Settings and observations; `resident` has the same order of windows."""
        return {
            "cold": all(self.cold),
            "torch_threads": max(1, torch.get_num_threads() - 1),
            "window_bytes": self._window_bytes,
            "windows": cast(Shuffled, resident._order).windows,
            "memory_held_bytes": max(self.held),
            "paced": dict(paced),
        }


def measure(
    images: Image,
    labels: Sequence[str],
    scratch: Path,
    *,
    size: int,
    store_bytes: int,
    items: int,
    batches: Sequence[int] = (64, 256),
    window_bytes: int = 256 << 20,
    pace: float | None = None,
    runs: int = 3,
) -> list[dict[str, Any]]:
    """Two rows per batch size: resident and streamed, beside the baseline.

    Args:
        images: uint8 [n, H, H] of at least `size`.
        labels: n texts.
        scratch: a folder for the store and the LMDB, which are removed afterwards.
        size: of the images in the store, pixels.
        store_bytes: bytes of images in the store that is streamed or resident.
        items: records in the LMDB of PNGs, and in the store that a DataLoader reads.
        batches: batch sizes.
        window_bytes: bytes of images that are shuffled together when streaming.
        pace: samples/s of the paced consumer; None takes PACE.
        runs: counted runs of each implementation.
    """
    images = to_images(average_down(to_tensor(images, CPU), size))
    repeats = np.arange(items) % len(images)
    small = write_store(
        scratch / f"items-{size}", images[repeats], [labels[n] for n in repeats.tolist()], items
    )
    write_png_lmdb(scratch / f"png-{size}", small.all_images(), small.labels)
    count = store_bytes // (size * size)
    large = write_store(scratch / f"store-{size}", images, labels, count)
    streaming = Streaming(large, window_bytes)
    limits = {
        "copy_bytes_s": copy_rate(CPU),
        "file_read_bytes_s": read_rate(large.path / "data.mdb"),
    }
    paced = paced_waits(
        streaming.batches(batches[0]),
        batches[0],
        pace or PACE[size],
        min(count, 3 * window_bytes // (size * size)),
    )
    png, by_item = scratch / f"png-{size}", StoreDataset(small, pixels=PIXELS)

    def ways_of(batch: int, resident: Batches) -> dict[str, Callable[[], object]]:
        return {
            "LMDB of PNGs, DataLoader": lambda: consume(by_png(png, batch, 0)),
            BASELINE: lambda: consume(by_png(png, batch, 2)),
            "StoreDataset, DataLoader": lambda: consume(loaded(by_item, batch, 0)),
            "StoreDataset, DataLoader, 2 workers": lambda: consume(loaded(by_item, batch, 2)),
            STREAMED: lambda: streaming.epoch(batch),
            RESIDENT: lambda: consume(steps_of(resident, count // batch)),
        }

    rows = []
    for batch in batches:
        resident = batches_of(large, batch, window_bytes=window_bytes, resident=True)
        ways = ways_of(batch, resident)
        work = {name: float(items) for name in ways}
        work[STREAMED] = work[RESIDENT] = float(count // batch * batch)
        times = in_turn(ways, work, runs=runs)
        for fast in (RESIDENT, STREAMED):
            own = streaming.facts(resident, paced) if fast == STREAMED else {}
            row = result(
                f"random batches of {batch}, {size}x{size}, {fast}",
                "samples",
                times,
                baseline=BASELINE,
                fast=fast,
                settings={"items": items, "records": count, "bytes": count * size * size, **own},
                limits=limits,
            )
            rows.append(row)
    large.close()
    small.close()
    for name in (f"items-{size}", f"png-{size}", f"store-{size}"):
        shutil.rmtree(scratch / name)
    return rows


def simulated(characters: int = 200, writers: int = 20, size: int = 64) -> tuple[Image, list[str]]:
    """Images and labels of simulated handwriting, framed."""
    chosen = common_first(gb2312_level1())[:characters]
    strokes = Hanzi().load(chosen)
    labels, images = zip(
        *(pair for n in range(writers) for pair in simulate_writer(0, n, chosen, strokes)),
        strict=True,
    )
    return Framing(size).apply_batch(images), list(labels)


def read_store(path: Path) -> tuple[Image, list[str]]:
    store = Store(path)
    return store.all_images(), [store.charset.labels[y] for y in store.labels]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--store", type=Path, help="images of at least 64 pixels to use")
    parser.add_argument("--sizes", type=int, nargs="+", default=[28, 64])
    parser.add_argument("--batches", type=int, nargs="+", default=[64, 256])
    parser.add_argument("--gib", type=float, default=4.0, help="size of the images in each store")
    parser.add_argument("--items", type=int, default=30_000, help="records for the DataLoaders")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--scratch", type=Path, help="temporary folder on the disk to measure")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args(arguments)
    images, labels = read_store(options.store) if options.store else simulated()
    rows = []
    with tempfile.TemporaryDirectory(dir=options.scratch) as scratch:
        for size in options.sizes:
            rows += measure(
                images,
                labels,
                Path(scratch),
                size=size,
                store_bytes=int(options.gib * 2**30),
                items=options.items,
                batches=options.batches,
                runs=options.runs,
            )
    save(rows, options.out, "batches", __file__, arguments)


if __name__ == "__main__":
    main()
