import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hwgen.errors import HwgenError
from hwgen.imaging import framing_pool
from hwgen.imaging.framing import Framing
from hwgen.imaging.framing_pool import available_workers, batches, frame
from hwgen.record import Record

FRAMING = Framing(16)
MAX_PIXELS = 900


def record(n: int) -> Record:
    rng = np.random.default_rng(n)
    image = rng.integers(0, 256, tuple(rng.integers(1, 31, 2)), np.uint8)
    return Record(image, "一", "", "f", n)


def of_lengths(*lengths: int) -> list[list[Record]]:
    numbers = iter(range(sum(lengths)))
    return [[record(next(numbers)) for _ in range(length)] for length in lengths]


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[subprocess.Popen[bytes]]:
    """Every worker that is started."""
    workers: list[subprocess.Popen[bytes]] = []

    def start(*args: Any) -> subprocess.Popen[bytes]:
        workers.append(start_worker(*args))
        return workers[-1]

    start_worker = framing_pool._start
    monkeypatch.setattr(framing_pool, "_start", start)
    return workers


@pytest.mark.parametrize("workers", [1, 2, 3])
@pytest.mark.parametrize("framing", [FRAMING, Framing(12, stretch=True)])
@pytest.mark.parametrize("lengths", [(), (1,), (3, 1), (5, 1, 4, 2, 1, 1, 6, 3, 512, 1)])
def test_batches_come_back_framed_and_in_order(
    lengths: tuple[int, ...], framing: Framing, workers: int
) -> None:
    given = of_lengths(*lengths)
    taken = frame(iter(given), framing, workers=workers, max_raw=MAX_PIXELS)
    found = [(batch, images.copy()) for batch, images in taken]
    assert [batch for batch, _ in found] == given
    for batch, images in found:
        np.testing.assert_array_equal(images, [framing.apply(r.image) for r in batch])


def test_where_memory_cannot_be_handed_on_this_process_frames(
    monkeypatch: pytest.MonkeyPatch, started: list[subprocess.Popen[bytes]]
) -> None:
    monkeypatch.setattr(framing_pool.os, "name", "nt")
    given = of_lengths(3, 2)
    framed = [images for _, images in frame(given, FRAMING, workers=2, max_raw=MAX_PIXELS)]
    assert [len(images) for images in framed] == [3, 2]
    assert not started


def test_batches_are_as_large_as_a_slot_takes() -> None:
    def sizes(count: int, side: int, size: int) -> list[int]:
        records = [Record(np.zeros((side, side), np.uint8), "一", "", "f", 0)] * count
        return [len(batch) for batch in batches(records, size)]

    assert sizes(0, 8, 64) == []
    assert sizes(1100, 8, 64) == [512, 512, 76]  # so many images
    assert sizes(5, 2048, 64) == [1] * 5  # so many pixels
    assert sizes(9, 8, 1024) == [4, 4, 1]  # so many pixels of the frames
    assert sizes(2, 8, 4096) == [1, 1]


def test_a_full_batch_with_the_largest_image_fits() -> None:
    small = Record(np.zeros((1023, 4099), np.uint8), "一", "", "f", 0)
    large = Record(np.full((4096, 4096), 7, np.uint8), "一", "", "f", 1)
    (batch,) = batches([small, large], 16)
    framing = Framing(16, stretch=True)
    found = [i.copy() for _, i in frame([batch], framing, workers=2, max_raw=4096 * 4096)]
    assert [found[0][0].max(), found[0][1].min(), found[0][1].max()] == [0, 7, 7]


def test_workers_end_with_the_work(started: list[subprocess.Popen[bytes]]) -> None:
    list(frame(of_lengths(1, 1), FRAMING, workers=2, max_raw=MAX_PIXELS))
    assert len(started) == 2
    assert all(worker.poll() is not None for worker in started)


def test_workers_end_when_the_work_is_given_up(started: list[subprocess.Popen[bytes]]) -> None:
    framed = frame(of_lengths(*[1] * 9), FRAMING, workers=2, max_raw=MAX_PIXELS)
    next(framed)
    assert [worker.poll() for worker in started] == [None, None]
    framed.close()
    assert all(worker.poll() is not None for worker in started)


def test_workers_end_when_the_batches_fail(started: list[subprocess.Popen[bytes]]) -> None:
    def failing() -> Any:
        yield from of_lengths(2, 2)
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more"):
        list(frame(failing(), FRAMING, workers=2, max_raw=MAX_PIXELS))
    assert all(worker.poll() is not None for worker in started)


def test_a_killed_worker_is_an_error(started: list[subprocess.Popen[bytes]]) -> None:
    framed = frame(of_lengths(*[1] * 9), FRAMING, workers=2, max_raw=MAX_PIXELS)
    next(framed)
    started[0].send_signal(signal.SIGKILL)
    started[0].wait()
    with pytest.raises(HwgenError, match=r"died \(exit code -9\).*--workers 1"):
        list(framed)
    assert started[1].poll() is not None


def test_a_worker_that_fails_at_work_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\nhead -c 8 > /dev/null\nexit 3\n")
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    with pytest.raises(HwgenError, match="exit code 3"):
        list(frame(of_lengths(1), FRAMING, workers=2, max_raw=MAX_PIXELS))


def test_an_unnamed_file_on_disk_serves_where_there_is_no_memfd(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delattr(os, "memfd_create", raising=False)
    framed = frame(of_lengths(3), FRAMING, workers=2, max_raw=MAX_PIXELS)
    ((batch, images),) = [(batch, images.copy()) for batch, images in framed]
    np.testing.assert_array_equal(images, FRAMING.apply_batch([r.image for r in batch]))


def test_workers_are_as_many_as_the_cores_this_process_may_use(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {1, 4, 5}, raising=False)
    assert available_workers() == 3
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(200)))
    assert available_workers() == 8
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: 6)
    assert available_workers() == 6
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert available_workers() == 1
    monkeypatch.setattr(os, "name", "nt")
    assert available_workers() == 1


def test_a_worker_imports_nothing_heavy() -> None:
    code = """
import sys, hwgen.imaging.framing_pool
assert not {'lmdb', 'torch', 'typer'} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True)
