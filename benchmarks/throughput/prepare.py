"""`hwgen prepare-gnt`: 20 to 37 times as fast as PyCasia; 1.25 M records in 45 to 65 s.

    python -m benchmarks.throughput.prepare --gnt HWDB1.0trn_gnt.zip --out \
        benchmarks/results/throughput-DATE-HARDWARE

hwgen reads, checks, frames and stores the records, run as a command, including its start and the
final sync to disk. PyCasia (lucaskjaero/PyCasia) reads them and saves image files, unsynced and
without scaling; it runs on the first two files. Records are repeated in a seeded order, 2,500 per
file (5.3 GB in all), in a temporary folder that needs up to 11 GB. About five minutes. Also
measured: peak memory, growth of the time with the number of records, and size of the store.
"""

from __future__ import annotations

import io
import itertools
import json
import os
import shutil
import struct
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image as PilImage

from benchmarks.options import make_parser
from benchmarks.throughput.timing import Times, copy_rate, in_turn, result, save
from hwgen.imaging.framing import Framing
from hwgen.imaging.framing_pool import available_workers
from hwgen.record import BadRecord, Image, Record
from hwgen.sources.casia_files import GNT, find_files
from hwgen.sources.gnt import encode_record, read_gnt
from hwgen.store import Store

FRAMINGS = (Framing(64), Framing(28, stretch=True))
PYCASIA = "PyCasia"
WRITTEN_BYTES = 256 << 20

# The command; it then prints the peak memory (KiB on Linux) of itself and of its largest child.
_COMMAND = """
import json, resource, sys
from hwgen_cli.__main__ import main
try:
    main()
finally:
    who = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    print(json.dumps([resource.getrusage(w).ru_maxrss for w in who]), file=sys.stderr)
"""


@dataclass(frozen=True)
class Run:
    """One run of the command.

    Attributes:
        payload: bytes of pixels in the store.
        store: bytes of the store's files.
        peak: peak memory of the process that reads and writes, KiB.
        worker_peak: that of the largest worker, KiB; 0 without workers.
    """

    payload: int
    store: int
    peak: int
    worker_peak: int


def measure(
    records: Sequence[bytes],
    scratch: Path,
    *,
    framing: Framing,
    counts: Sequence[int] = (10_000, 100_000, 1_250_000),
    per_file: int = 2500,
    compared: int = 5000,
    runs: int = 2,
) -> list[dict[str, Any]]:
    """The row of one framing.

    Args:
        records: encoded GNT records, which are repeated.
        scratch: an empty folder on the disk to measure.
        framing: of the store.
        counts: numbers of records, rising, multiples of `per_file`; the last is compared.
        per_file: records per GNT file.
        compared: records for PyCasia, a multiple of `per_file`.
        runs: rounds.
    """
    files = repeat(records, scratch / "gnt", max(*counts, compared), per_file)
    numbers = itertools.count()
    done: dict[int, list[Run]] = {count: [] for count in (compared, *counts)}

    def prepare(count: int) -> None:
        out = scratch / "out" / f"{next(numbers)}"
        done[count].append(run_command(files[: count // per_file], out, framing))

    def of(count: int) -> Callable[[], None]:
        return lambda: prepare(count)

    names = {count: f"hwgen, {count:,}" for count in done}
    ways: dict[str, Callable[[], object]] = {
        "(clean up)": lambda: shutil.rmtree(scratch / "out", ignore_errors=True),
        PYCASIA: lambda: pycasia(files[: compared // per_file], scratch / "out" / "pycasia"),
        **{names[count]: of(count) for count in done},
    }
    work: dict[str, float] = {"(clean up)": 1, PYCASIA: compared}
    work |= {names[count]: count for count in done}
    times = in_turn(ways, work, runs=runs, warmup=0)
    del times["(clean up)"]
    workers = available_workers()
    return [
        {
            **result(
                f"prepare-gnt to {framing.size}x{framing.size}",
                "records",
                times,
                baseline=PYCASIA,
                fast=names[counts[-1]],
                settings={
                    "framing": framing.to_json(),
                    "gnt_bytes": sum(file.stat().st_size for file in files),
                    "records_a_file": per_file,
                    "real_records": len(records),
                    "workers": workers,
                },
                limits=limits(files, records, framing, scratch),
            ),
            "growth": [
                _growth(times[names[count]], done[count], workers, count) for count in counts
            ],
        }
    ]


def _growth(times: Times, runs: Sequence[Run], workers: int, count: int) -> dict[str, Any]:
    """Time and memory for one number of records; memory is an upper bound, from the worst run."""
    tree = max(run.peak + workers * run.worker_peak for run in runs)
    return {
        "records": count,
        "seconds": times.to_json()["median_s"],
        "microseconds_a_record": round(1e6 * times.median / count, 2),
        "store_over_payload": round(runs[-1].store / runs[-1].payload, 4),
        "peak_mib_of_main_process": round(max(run.peak for run in runs) / 1024),
        "peak_mib_of_a_worker": round(max(run.worker_peak for run in runs) / 1024),
        "peak_mib_of_all_processes": round(tree / 1024),
    }


def repeat(records: Sequence[bytes], folder: Path, count: int, per_file: int) -> list[Path]:
    """Write `count` of these records, in an order that depends only on the file's number."""
    folder.mkdir(parents=True)
    files = []
    for number in range(count // per_file):
        rng = np.random.default_rng((0, number))
        chosen = rng.integers(len(records), size=per_file)
        files.append(folder / f"{number:05d}-f.gnt")
        files[-1].write_bytes(b"".join(records[n] for n in chosen))
    os.sync()  # or the first measurement would wait for these writes
    return files


def run_command(files: Sequence[Path], out: Path, framing: Framing) -> Run:
    """`hwgen prepare-gnt` in a process of its own."""
    options = ["--out", str(out), "--size", str(framing.size), "--json"]
    options += ["--stretch"] if framing.stretch else ["--margin", str(framing.margin)]
    # A process's peak starts at its parent's memory at the fork, so a small shell starts it.
    shell = ["/bin/sh", "-c", '"$@"; exit $?', "sh"]
    ran = subprocess.run(
        [*shell, sys.executable, "-c", _COMMAND, "prepare-gnt", *map(str, files), *options],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    if ran.returncode:
        raise RuntimeError(ran.stderr)
    peak, worker_peak = json.loads(ran.stderr.splitlines()[-1])
    store = sum(file.stat().st_size for file in out.iterdir())
    return Run(len(Store(out)) * framing.size**2, store, peak, worker_peak)


def pycasia(files: Sequence[Path], out: Path) -> int:
    """One JPEG file per sample, one folder per character, as `get_raw`; the number of samples."""
    numbers: Counter[str] = Counter()
    for file in files:
        for image, label in pycasia_samples(file):
            folder = out / f"{ord(label):x}"
            folder.mkdir(parents=True, exist_ok=True)
            numbers[label] += 1
            PilImage.fromarray(image).save(folder / f"{numbers[label]}.jpg")
    return numbers.total()


def pycasia_samples(file: Path) -> Iterator[tuple[Image, str]]:
    """Read samples as `load_gnt_file` does: field by field, pixels through a tuple of ints.

    Unlike there, the tag is decoded as GB18030, so that all of HWDB can be read.
    """
    with open(file, "rb") as stream:
        while stream.read(4):
            tag = stream.read(2)
            width = struct.unpack("<H", stream.read(2))[0]
            height = struct.unpack("<H", stream.read(2))[0]
            pixels = struct.unpack(f"{height * width}B", stream.read(height * width))
            image = np.array(pixels, dtype=np.uint8).reshape(height, width)
            yield image, tag.strip(b"\0").decode("gb18030")


def limits(
    files: Sequence[Path], records: Sequence[bytes], framing: Framing, scratch: Path
) -> dict[str, float]:
    """What the hardware allows: bytes and records per second."""
    some = files[: max(1, len(files) // 4)]
    images = [record.image for record in decoded(b"".join(records[:5000]))]
    to_resize = [(PilImage.fromarray(image), framing.scaled(*image.shape)) for image in images]

    def read() -> None:
        for file in some:
            file.read_bytes()

    def evict() -> None:
        for file in some:
            with open(file, "rb") as stream:
                os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)

    def scale() -> None:
        for image, box in to_resize:
            image.resize(box, PilImage.Resampling.BILINEAR)

    def write() -> None:
        with open(scratch / "written", "wb") as stream:
            for _ in range(WRITTEN_BYTES >> 20):
                stream.write(bytes(1 << 20))
            os.fsync(stream.fileno())

    size = sum(file.stat().st_size for file in some)
    ways = {"(evict)": evict, "read cold": read, "read warm": read}
    if not hasattr(os, "posix_fadvise"):
        ways = {"read warm": read}
    ways |= {"resize, one core": scale, "write, synced": write}
    work = {"(evict)": 1.0, "read cold": size, "read warm": size}
    work |= {"resize, one core": len(to_resize), "write, synced": WRITTEN_BYTES}
    times = in_turn(ways, work, runs=3, warmup=0)
    rates = {name: t.to_json()["rate"] for name, t in times.items() if name[0] != "("}
    rates["resize, all cores, if they scale"] = float(
        f"{rates['resize, one core'] * (os.cpu_count() or 1):.4g}"
    )
    return {**rates, "copy_bytes_s": float(f"{copy_rate(torch.device('cpu')):.4g}")}


def decoded(data: bytes) -> list[Record]:
    """The records of an undamaged GNT file."""
    return [
        item
        for item in read_gnt(io.BytesIO(data), source="", writer="")
        if not isinstance(item, BadRecord)
    ]


def encoded_records(inputs: Sequence[Path]) -> list[bytes]:
    """All undamaged records of GNT files, folders and zips, encoded again one by one."""
    records = []
    for file in find_files(inputs, GNT):
        with file.open() as stream:
            for item in read_gnt(stream, source=file.name, writer=file.writer):
                if not isinstance(item, BadRecord):
                    records.append(encode_record(item.label, item.image))
    return records


def main(arguments: Sequence[str] | None = None) -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--gnt", type=Path, nargs="+", required=True, help="real records")
    parser.add_argument("--records", type=int, nargs="+", default=[10_000, 100_000, 1_250_000])
    parser.add_argument("--sizes", type=int, nargs="+", default=[64, 28], choices=[64, 28])
    parser.add_argument("--runs", type=int, default=2)
    parser.add_argument("--scratch", type=Path, help="temporary folder on the disk to measure")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args(arguments)
    records = encoded_records(options.gnt)
    rows = []
    for framing in FRAMINGS:
        if framing.size in options.sizes:
            with tempfile.TemporaryDirectory(dir=options.scratch) as scratch:
                counts = options.records
                rows += measure(
                    records, Path(scratch), framing=framing, counts=counts, runs=options.runs
                )
    save(rows, options.out, "prepare", __file__, arguments)


if __name__ == "__main__":
    main()
