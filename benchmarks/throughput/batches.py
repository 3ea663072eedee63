"""In: pictures. Out: the speed of random batches from a store, beside an LMDB of PNGs.

Claim: a store gives random float batches of 28x28 pictures from memory at 1 M samples/s or more on
two cores, and from a file that is far larger than what is held of it and not in the page cache at
100,000/s or more; a training that takes what a GPU takes does not wait for them. The baseline is
what is usual: one LMDB get and one PNG decode an item, in a torch DataLoader.

    python -m benchmarks.throughput.batches --out benchmarks/results/throughput-DATE-HARDWARE

Without --store the pictures are simulated handwriting. They are repeated to fill --gib of store
at each size, which is read as one epoch of small windows; each run begins with the file thrown out
of the page cache. Needs three times --gib of disk for a while, and that much memory: the resident
way holds the same store. About five minutes.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
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

from benchmarks.throughput.timing import copy_rate, in_turn, result, save
from hwgen.data import Batches, StoreDataset, average_down, image_sets, to_images, to_tensor
from hwgen.data.order import Shuffled
from hwgen.imaging.framing import Framing
from hwgen.record import Image, PixelRange
from hwgen.sources.simulation.handwriting import simulate_writer
from hwgen.sources.strokes.data import common_first
from hwgen.sources.strokes.kanjivg import KanjiVG
from hwgen.store import Store, StoreWriter

CPU = torch.device("cpu")
PIXELS = PixelRange(paper=1.0, ink=0.0)
BASELINE = "LMDB of PNGs, DataLoader, 2 workers"
STREAMED, RESIDENT = "hwgen streamed, cold file", "hwgen resident"
GOALS = {
    (28, RESIDENT): ">= 1,000,000 samples/s",
    (28, STREAMED): ">= 100,000 samples/s",
    (64, STREAMED): ">= 100,000 samples/s",
}
PACE = {28: 100_000, 64: 20_000}
"""Samples/s that the patient consumer takes: a window each three seconds or so."""

Batch = tuple[Tensor, Tensor]


class PngLmdb(Dataset[tuple[Tensor, int]]):
    """The usual way: one value a record, PNG bytes after a label of 4 bytes."""

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
    """A store of `count` records that repeats the pictures in order."""
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
    """One epoch by a DataLoader."""
    return DataLoader(dataset, batch_size=batch, shuffle=True, num_workers=workers)


def by_png(path: Path, batch: int, workers: int) -> Iterator[Batch]:
    """One epoch the usual way."""
    # Closed, since workers are forked and must not inherit an open LMDB.
    with contextlib.closing(PngLmdb(path)) as dataset:
        yield from loaded(dataset, batch, workers)


def drawn(batches: Batches, steps: int, batch: int) -> Iterator[Batch]:
    return (batches.batch(step) for step in range(steps))


def batches_of(store: Store, batch: int, *, window_bytes: int, resident: bool) -> Batches:
    """Hwgen's own batches, the mode and the size of a window set by hand."""
    share = float("inf") if resident else 0.0
    with mock.patch.multiple(image_sets, RESIDENT_SHARE=share, WINDOW_BYTES=window_bytes):
        return Batches(store, size=store.size, pixels=PIXELS, batch=batch, seed=0, device=CPU)


@contextlib.contextmanager
def threads(number: int) -> Iterator[None]:
    """Torch's own threads for a while."""
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    yield
    torch.set_num_threads(before)


def consume(batches: Iterable[Batch]) -> None:
    for _ in batches:
        pass


def evict(file: Path) -> bool:
    """Throw a file out of the page cache; whether that is known to have succeeded.

    Nobody may have it mapped. A virtual machine's host may still hold it.
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
                return False  # it came without waiting, so it was there
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True


def read_rate(file: Path) -> float:
    """Bytes a second in a plain reading of a file from its disk, from beginning to end."""
    evict(file)
    buffer, total, began = bytearray(8 << 20), 0, time.perf_counter()
    with file.open("rb", buffering=0) as stream:
        while count := stream.readinto(buffer):
            total += count
    return total / (time.perf_counter() - began)


def patience(batches: Batches, batch: int, rate: float, samples: int) -> dict[str, float]:
    """How long a training waits that takes `rate` samples a second and rests in between."""
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
        "samples_s_wanted": rate,
        "samples_s_had": round((samples // batch - 1) * batch / elapsed),
        "share_of_time_in_batch": round(waited / elapsed, 4),
        "longest_batch_ms": round(1000 * longest, 2),
        "first_batch_s": round(first, 3),
    }


def anonymous_bytes() -> int:
    """Memory of this process that no file backs; 0 where the system does not say."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("RssAnon"):
                return int(line.split()[1]) * 1024
    return 0


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
    """Two rows for each batch size: resident and streamed, against the baseline.

    Args:
        images: uint8 [n, H, H] of at least `size`.
        labels: n texts.
        scratch: a folder for the store and the LMDB, which are removed afterwards.
        size: side of the pictures in the store.
        store_bytes: of pictures in the store that is streamed or resident.
        items: records of the LMDB of PNGs, and of the store that a DataLoader reads.
        batches: pictures a batch.
        window_bytes: of pictures that the streamed way shuffles together.
        pace: samples/s of the patient consumer; None takes PACE.
        runs: counted runs of each way.
    """
    images = to_images(average_down(to_tensor(images, CPU), size))
    repeats = np.arange(items) % len(images)
    small = write_store(
        scratch / f"items-{size}", images[repeats], [labels[n] for n in repeats.tolist()], items
    )
    write_png_lmdb(scratch / f"png-{size}", small.all_images(), small.labels)
    count = store_bytes // (size * size)
    large = write_store(scratch / f"store-{size}", images, labels, count)
    file = large.path / "data.mdb"
    cold: list[bool] = []
    held: list[int] = []

    def streamed(batch: int) -> Batches:
        large.close()
        cold.append(evict(file))
        return batches_of(large, batch, window_bytes=window_bytes, resident=False)

    def stream(batch: int) -> None:
        before = anonymous_bytes()
        # The other core reads. Two threads of torch would wait for whichever shares its core with
        # the reader, at every operation.
        with threads(max(1, torch.get_num_threads() - 1)):
            made = streamed(batch)
            consume(drawn(made, count // batch, batch))
        held.append(anonymous_bytes() - before)

    limits = {"copy_bytes_s": copy_rate(CPU), "file_read_bytes_s": read_rate(file)}
    patient = patience(
        streamed(batches[0]),
        batches[0],
        pace or PACE[size],
        min(count, 3 * window_bytes // (size * size)),
    )
    png, items_of = scratch / f"png-{size}", StoreDataset(small, pixels=PIXELS)

    def png_by_png(batch: int, workers: int) -> None:
        consume(by_png(png, batch, workers))

    def item_by_item(batch: int, workers: int) -> None:
        consume(loaded(items_of, batch, workers))

    def from_memory(resident: Batches, batch: int) -> None:
        consume(drawn(resident, count // batch, batch))

    rows = []
    for batch in batches:
        resident = batches_of(large, batch, window_bytes=window_bytes, resident=True)
        ways: dict[str, Callable[[], object]] = {
            "LMDB of PNGs, DataLoader": partial(png_by_png, batch, 0),
            BASELINE: partial(png_by_png, batch, 2),
            "StoreDataset, DataLoader": partial(item_by_item, batch, 0),
            "StoreDataset, DataLoader, 2 workers": partial(item_by_item, batch, 2),
            STREAMED: partial(stream, batch),
            RESIDENT: partial(from_memory, resident, batch),
        }
        work = {name: float(items) for name in ways}
        work[STREAMED] = work[RESIDENT] = float(count // batch * batch)
        times = in_turn(ways, work, runs=runs)
        for fast in (RESIDENT, STREAMED):
            own: Mapping[str, Any] = (
                {
                    "cold": all(cold),
                    "torch_threads": max(1, torch.get_num_threads() - 1),
                    "window_bytes": window_bytes,
                    "windows": cast(Shuffled, resident._order).windows,
                    "memory_held_bytes": max(held),
                    "patient": patient,
                }
                if fast == STREAMED
                else {}
            )
            row = result(
                f"random batches of {batch}, {size}x{size}, {fast}",
                "samples",
                times,
                baseline=BASELINE,
                fast=fast,
                goal=GOALS.get((size, fast), ""),
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
    """Pictures and labels of simulated handwriting, framed."""
    wanted = common_first(KanjiVG().characters())[:characters]
    strokes = KanjiVG().load(wanted)
    labels, images = zip(
        *(pair for n in range(writers) for pair in simulate_writer(0, n, wanted, strokes)),
        strict=True,
    )
    return Framing(size).apply_batch(images), list(labels)


def of_store(path: Path) -> tuple[Image, list[str]]:
    store = Store(path)
    return store.all_images(), [store.charset.labels[y] for y in store.labels]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--store", type=Path, help="pictures of 64 pixels or more; else simulated")
    parser.add_argument("--sizes", type=int, nargs="+", default=[28, 64])
    parser.add_argument("--batches", type=int, nargs="+", default=[64, 256])
    parser.add_argument("--gib", type=float, default=4.0, help="pictures in each store")
    parser.add_argument("--items", type=int, default=30_000, help="records for the DataLoaders")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--scratch", type=Path, help="on the disk to be measured")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args(arguments)
    images, labels = of_store(options.store) if options.store else simulated()
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
    save(rows, options.out, "batches")


if __name__ == "__main__":
    main()
