"""In: Records or Trajectories, batch by batch. Out: the same in order, made images by processes.

Images travel through memory that all processes map; through pipes go orders alone, "frame so
many images in that slot", answered with one byte. Slots are taken in turn and each belongs to
one worker, so that the order keeps itself and no pipe can ever fill.

A worker is a plain new interpreter rather than multiprocessing's: it imports neither `__main__`
nor torch, inherits no thread and no open LMDB, stands outside the terminal's process group, so
that Ctrl-C reaches the caller alone, and ends with its input, even when the caller was killed.
"""

from __future__ import annotations

import base64
import gc
import os
import pickle
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

from hwgen.errors import HwgenError
from hwgen.record import Image

_MOST_WORKERS = 8  # one process reads and writes for all: more would wait for it
_SLOTS_A_WORKER = 2  # one at work, one to be filled or fetched meanwhile
_BATCH_RECORDS = 512
_BATCH_BYTES = 4 << 20
_ORDER = struct.Struct("<II")  # slot, number of images
_DONE = b"."


class Item(Protocol):
    """What an image can be made from: a Record, a Trajectory."""

    @property
    def raw(self) -> Image:
        """uint8 [h, w]: all that the renderer needs."""


class Renderer(Protocol):
    """What makes images of one size: a Framing, an Ink. It can be pickled."""

    @property
    def size(self) -> int:
        """Side of the images, pixels."""

    def apply_batch(self, raws: Sequence[Image], out: Image | None = None) -> Image:
        """Images uint8 [n, size, size] of n raws, into `out` if given."""


_Item = TypeVar("_Item", bound=Item)


def available_workers() -> int:
    """Processes that framing can make use of here."""
    if os.name != "posix":
        return 1  # memory is handed on as a file descriptor
    if hasattr(os, "sched_getaffinity"):
        return min(_MOST_WORKERS, len(os.sched_getaffinity(0)))
    return min(_MOST_WORKERS, os.cpu_count() or 1)


def batches(records: Iterable[_Item], size: int) -> Iterator[list[_Item]]:
    """Records in their order, as many at once as `frame` takes for frames of `size` pixels."""
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
    """Make images of batches; what comes out does not depend on `workers`.

    Close the generator if it is not run to its end: that ends the processes.

    Args:
        batches: from `batches`.
        renderer: how raws become images.
        workers: processes; 1 renders in this one, as does any number on Windows, where memory
            cannot be handed on as a file descriptor.
        max_raw: bytes; no raw has more.

    Yields:
        (batch, uint8 [len(batch), size, size]); the array is valid until the next step.

    Raises:
        HwgenError: a worker ended by itself.
    """
    if workers == 1 or os.name != "posix":
        for batch in batches:
            yield batch, renderer.apply_batch([item.raw for item in batch])
        return
    under_way: deque[Sequence[_Item]] = deque()
    with ExitStack() as stack:
        pool = _Pool(renderer, workers, max_raw, stack)
        for batch in batches:
            if len(under_way) == pool.slots:
                first = under_way.popleft()
                yield first, pool.fetch(len(first))
            pool.hand_over([item.raw for item in batch])
            under_way.append(batch)
        for batch in under_way:
            yield batch, pool.fetch(len(batch))


class _Pool:
    """Workers, and the slots that they share with this process; first in, first out.

    Args:
        renderer: see `frame`.
        workers: see `frame`.
        max_raw: see `frame`.
        stack: ends the workers when it closes.
    """

    def __init__(self, renderer: Renderer, workers: int, max_raw: int, stack: ExitStack) -> None:
        self.slots = workers * _SLOTS_A_WORKER
        with _shared_file() as memory:
            shape = (self.slots, renderer.size, max_raw)
            self._slots = _map_slots(memory, *shape)
            setting = base64.b64encode(pickle.dumps((memory.fileno(), shape, renderer))).decode()
            self._workers = [_start(setting, memory.fileno(), stack) for _ in range(workers)]
        self._handed_over = self._fetched = 0

    def hand_over(self, images: Sequence[Image]) -> None:
        """Have images made of these raws; a slot must be free."""
        number, worker = self._turn(self._handed_over)
        slot = self._slots[number]
        slot["shapes"][: len(images)] = [image.shape for image in images]
        pixels, start = slot["pixels"], 0
        for image in images:
            pixels[start : start + image.size] = image.reshape(-1)
            start += image.size
        try:
            os.write(_fd(worker.stdin), _ORDER.pack(number, len(images)))
        except BrokenPipeError:
            raise _ended(worker) from None
        self._handed_over += 1

    def fetch(self, count: int) -> Image:
        """The frames of the oldest batch, `count` images; valid until the next `hand_over`."""
        number, worker = self._turn(self._fetched)
        if os.read(_fd(worker.stdout), len(_DONE)) != _DONE:
            raise _ended(worker)
        self._fetched += 1
        frames: Image = self._slots[number]["frames"][:count]
        return frames

    def _turn(self, batch: int) -> tuple[int, subprocess.Popen[bytes]]:
        """Slot and worker of a batch."""
        slot = batch % self.slots
        return slot, self._workers[slot % len(self._workers)]


def work() -> None:
    """A worker's whole life: frames what it is told to until its input ends."""
    descriptor, shape, renderer = pickle.loads(base64.b64decode(sys.argv[1]))  # from `_Pool`
    with os.fdopen(descriptor, "r+b") as memory:
        slots = _map_slots(memory, *shape)
    gc.disable()  # nothing here refers to itself, and looking for it takes a tenth of the time
    reading, writing = sys.stdin.fileno(), sys.stdout.fileno()
    with suppress(BrokenPipeError):  # whoever gave the order is gone
        while order := os.read(reading, _ORDER.size):
            number, count = _ORDER.unpack(order)
            slot = slots[number]
            pixels, start, images = slot["pixels"], 0, []
            for height, width in slot["shapes"][:count].tolist():
                end = start + height * width
                images.append(pixels[start:end].reshape(height, width))
                start = end
            renderer.apply_batch(images, slot["frames"][:count])
            os.write(writing, _DONE)


def _start(setting: str, memory: int, stack: ExitStack) -> subprocess.Popen[bytes]:
    worker = subprocess.Popen(
        [sys.executable, "-c", f"from {__name__} import work; work()", setting],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        pass_fds=(memory,),
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        start_new_session=True,
    )
    stack.enter_context(worker)
    stack.callback(worker.kill)  # it holds nothing that must be saved
    return worker


def _ended(worker: subprocess.Popen[bytes]) -> HwgenError:
    return HwgenError(
        f"a process that renders images died (exit code {worker.wait()})",
        remedy="It may have run out of memory; use --workers 1",
    )


def _fd(pipe: IO[bytes] | None) -> int:
    assert pipe is not None
    return pipe.fileno()


def _shared_file() -> IO[bytes]:
    """A nameless file to be mapped: nothing of it is left behind, whatever happens."""
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("hwgen-framing"), "w+b")  # nor is it ever written to disk
    return tempfile.TemporaryFile()


def _map_slots(memory: IO[bytes], slots: int, size: int, max_raw: int) -> npt.NDArray[Any]:
    """Slots with room for any batch; only what is used of them takes memory."""
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
    """Images in a batch, at most."""
    return max(1, min(_BATCH_RECORDS, _BATCH_BYTES // size**2))
