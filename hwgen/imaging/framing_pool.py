"""Rendering Records or Trajectories with several processes, in order.

Faster than concurrent.futures.ProcessPoolExecutor, which pickles images through pipes: framing
20,000 scans of 40 to 120 pixels to 64x64 took 1.0 s with two workers here and 2.7 s there (best of
four, two shared cores). Rates of prepare-gnt: benchmarks/results/throughput-2026-11-23-2cpu.

Images are exchanged through memory that all processes map; pipes carry orders ("frame so many
images in this slot") and one byte as answer. Slots are used in turn and each belongs to one worker,
which keeps the order, and no pipe can fill up.

A worker is a new interpreter, see hwgen.io.child_processes: it imports neither `__main__` nor
torch, inherits no thread and no open LMDB, and exits at the end of its input, even if the caller is
killed.
"""

from __future__ import annotations

import gc
import os
import struct
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import ExitStack, suppress
from typing import IO, Any, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from hwgen.io import child_processes
from hwgen.io.machine import usable_cpus
from hwgen.record import Image

_MAX_WORKERS = 8  # one process reads and writes for all of them
_SLOTS_PER_WORKER = 2  # one in work while the other is filled or fetched
_BATCH_RECORDS = 512
_BATCH_BYTES = 4 << 20
_ORDER = struct.Struct("<II")  # slot, number of images
_DONE = b"."
_PURPOSE = "renders images"


class Item(Protocol):
    """What an image is rendered from: a Record, a Trajectory."""

    @property
    def raw(self) -> Image:
        """uint8 [h, w], the input of the renderer."""


class Renderer(Protocol):
    """Renders images of one size: a Framing, an Ink. Can be pickled."""

    @property
    def size(self) -> int:
        """Width and height of the images, pixels."""

    def apply_batch(self, raws: Sequence[Image], out: Image | None = None) -> Image:
        """Render n raws to uint8 [n, size, size], into `out` if given."""


_Item = TypeVar("_Item", bound=Item)


def available_workers() -> int:
    """Number of processes that framing can use on this machine."""
    if os.name != "posix":
        return 1  # memory is shared by file descriptor
    return min(_MAX_WORKERS, usable_cpus())


def batches(records: Iterable[_Item], size: int) -> Iterator[list[_Item]]:
    """Group records, in order, into batches for `frame` at `size` pixels."""
    batch: list[_Item] = []
    held = 0
    for record in records:
        batch.append(record)
        held += record.raw.size
        if held >= _BATCH_BYTES or len(batch) == _most_records(size):
            yield batch
            batch, held = [], 0
    if batch:
        yield batch


def frame(
    batches: Iterable[Sequence[_Item]], renderer: Renderer, *, workers: int, max_raw: int
) -> Generator[tuple[Sequence[_Item], Image], None, None]:
    """Render batches; the result does not depend on `workers`.

    Close the generator if it is not exhausted, to end the processes.

    Args:
        batches: from `batches`.
        renderer: renders each raw.
        workers: number of processes; 1 renders in this one, as does any number on Windows, where
            memory cannot be shared by file descriptor.
        max_raw: maximum size of a raw, bytes.

    Yields:
        (batch, uint8 [len(batch), size, size]); the array is valid until the next step.

    Raises:
        HwgenError: a worker died.
    """
    if workers == 1 or os.name != "posix":
        for batch in batches:
            yield batch, renderer.apply_batch([item.raw for item in batch])
        return
    pending: deque[Sequence[_Item]] = deque()
    with ExitStack() as stack:
        pool = _Pool(renderer, workers, max_raw, stack)
        for batch in batches:
            if len(pending) == pool.slots:
                first = pending.popleft()
                yield first, pool.fetch(len(first))
            pool.submit([item.raw for item in batch])
            pending.append(batch)
        for batch in pending:
            yield batch, pool.fetch(len(batch))


class _Pool:
    """Workers, and the slots that they share with this process, as a queue.

    Args:
        renderer: see `frame`.
        workers: see `frame`.
        max_raw: see `frame`.
        stack: ends the workers when it is closed.
    """

    def __init__(self, renderer: Renderer, workers: int, max_raw: int, stack: ExitStack) -> None:
        self.slots = workers * _SLOTS_PER_WORKER
        with _shared_file() as memory:
            shape = (self.slots, renderer.size, max_raw)
            self._slots = _map_slots(memory, *shape)
            setting = (memory.fileno(), shape, renderer)
            self._workers = [_start(setting, memory.fileno(), stack) for _ in range(workers)]
        self._submitted = self._fetched = 0

    def submit(self, images: Sequence[Image]) -> None:
        """Submit a batch of raws; a slot must be free."""
        number, worker = self._turn(self._submitted)
        slot = self._slots[number]
        slot["shapes"][: len(images)] = [image.shape for image in images]
        pixels, start = slot["pixels"], 0
        for image in images:
            pixels[start : start + image.size] = image.reshape(-1)
            start += image.size
        try:
            os.write(_fd(worker.stdin), _ORDER.pack(number, len(images)))
        except BrokenPipeError:
            raise child_processes.died(worker, _PURPOSE) from None
        self._submitted += 1

    def fetch(self, count: int) -> Image:
        """The frames of the oldest batch, `count` images; valid until the next `submit`."""
        number, worker = self._turn(self._fetched)
        if os.read(_fd(worker.stdout), len(_DONE)) != _DONE:
            raise child_processes.died(worker, _PURPOSE)
        self._fetched += 1
        frames: Image = self._slots[number]["frames"][:count]
        return frames

    def _turn(self, batch: int) -> tuple[int, subprocess.Popen[bytes]]:
        """Slot and worker of a batch."""
        slot = batch % self.slots
        return slot, self._workers[slot % len(self._workers)]


def work() -> None:
    """Main function of a worker: render slots until the end of its input."""
    descriptor, shape, renderer = child_processes.read_setting()
    with os.fdopen(descriptor, "r+b") as memory:
        slots = _map_slots(memory, *shape)
    gc.disable()  # there are no reference cycles, and collecting takes a tenth of the time
    orders, writing = sys.stdin.buffer, sys.stdout.fileno()
    with suppress(BrokenPipeError):  # the caller is gone
        while order := orders.read(_ORDER.size):
            number, count = _ORDER.unpack(order)
            slot = slots[number]
            pixels, start, images = slot["pixels"], 0, []
            for height, width in slot["shapes"][:count].tolist():
                end = start + height * width
                images.append(pixels[start:end].reshape(height, width))
                start = end
            renderer.apply_batch(images, slot["frames"][:count])
            os.write(writing, _DONE)


def _start(setting: object, memory: int, stack: ExitStack) -> subprocess.Popen[bytes]:
    worker = child_processes.start(work, setting, pass_fds=(memory,))
    stack.enter_context(worker)
    stack.callback(worker.kill)  # it has nothing to save
    return worker


def _fd(pipe: IO[bytes] | None) -> int:
    assert pipe is not None
    return pipe.fileno()


def _shared_file() -> IO[bytes]:
    """An anonymous file to be mapped, which leaves nothing behind."""
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("hwgen-framing"), "w+b")  # not on disk
    return tempfile.TemporaryFile()


def _map_slots(memory: IO[bytes], slots: int, size: int, max_raw: int) -> npt.NDArray[Any]:
    """Slots with space for any batch; only pages in use take memory."""
    most = _most_records(size)
    slot = np.dtype(
        [
            ("shapes", "<u4", (most, 2)),
            ("pixels", "u1", (_BATCH_BYTES + max_raw,)),
            ("frames", "u1", (most, size, size)),
        ]
    )
    memory.truncate(slots * slot.itemsize)
    return np.asarray(np.memmap(memory, slot, "r+", shape=(slots,)))


def _most_records(size: int) -> int:
    """Maximum number of images in a batch."""
    return max(1, min(_BATCH_RECORDS, _BATCH_BYTES // size**2))
