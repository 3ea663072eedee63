r"""Peak memory of each command, from GNT files to the report.

    python -m benchmarks.throughput.memory HWDB1.0trn_gnt.zip HWDB1.0tst_gnt.zip \
        --out benchmarks/results/throughput-DATE-HARDWARE

Resident memory of the largest process of each command, as the system accounts it when the command
ends; pages of a store that were read through its memory map are included.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.options import make_parser
from hwgen.io.json_files import write_json


def measure(
    gnt: Path, test_gnt: Path, scratch: Path, *, images: int = 6400, steps: int = 200
) -> list[dict[str, Any]]:
    """One row per command: {"command", "peak_mib", "seconds"}.

    Args:
        gnt: a GNT file or zip to train on.
        test_gnt: another to test on.
        scratch: an empty folder for the output of the commands.
        images: number of images to train generators on; memory peaks within the first batches.
        steps: of each recogniser.
    """
    train, test = scratch / "train", scratch / "test"
    run, paper = scratch / "run", scratch / "paper"
    synthetic, out = scratch / "synthetic", scratch / "benchmark"
    refiner, refined, text = scratch / "refiner", scratch / "refined", scratch / "text.txt"
    few = ("--images", images, "--snapshot-every", images)
    text.write_text("永和九年，岁在癸丑。\n", encoding="utf-8")
    commands: dict[str, Sequence[object]] = {
        "prepare-gnt": (gnt, "--out", train),
        "prepare-gnt, test": (test_gnt, "--out", test, "--charset", train),
        "inspect": (train,),
        "train glyph-32": (train, "--out", run, *few),
        "train paper-hwdb": (train, "--preset", "paper-hwdb", "--out", paper, *few),
        "train refiner-32": (train, "--preset", "refiner-32", "--out", refiner, *few),
        "synthesize": (run, "--out", synthetic, "--per-class", 50),
        "synthesize, refiner-32": (refiner, "--out", refined, "--per-class", 50),
        "simulate": ("--out", scratch / "simulated", "--classes", 3755, "--num-writers", 2),
        "lines": (
            *("--from", refiner, "--corpus", text, "--format", "paddle"),
            *("--out", scratch / "lines", "--count", 200),
        ),
        "export": (refined, "--format", "ocr-lmdb", "--out", scratch / "lmdb"),
        "evaluate": (
            *(refined, "--real", train, "--real-test", test, "--steps", steps),
            *("--out", scratch / "evaluation"),
        ),
        "benchmark": (
            *("--train", train, "--test", test, "--synthetic", synthetic, "--out", out),
            *("--steps", steps, "--seeds", 1),
        ),
        "lift": (
            *("--train", train, "--test", test, "--real-per-class", 5, "--trials", 1),
            *("--steps", steps, "--generator", "simulated", "--out", scratch / "lift"),
        ),
        "report": (run, out, train, synthetic, "--out", scratch / "report.html"),
    }
    return [peak(name, arguments) for name, arguments in commands.items()]


def peak(name: str, arguments: Sequence[object]) -> dict[str, Any]:
    """Run a command of hwgen's; its row, see `measure`. The first word of `name` is the command."""
    words = [name.replace(",", "").split()[0], *map(str, arguments)]
    began = time.perf_counter()
    child = subprocess.Popen(
        [sys.executable, "-m", "hwgen_cli", *words],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    assert child.stderr is not None
    errors = child.stderr.read().decode()
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise RuntimeError(f"hwgen {name} ended with {child.returncode}: {errors[-500:]}")
    return {
        "command": f"hwgen {name}",
        "peak_mib": round(usage.ru_maxrss / 1024),
        "seconds": round(time.perf_counter() - began, 1),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    parser = make_parser(__doc__)
    parser.add_argument("gnt", type=Path)
    parser.add_argument("test_gnt", type=Path)
    parser.add_argument("--images", type=int, default=6400)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--scratch", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(dir=options.scratch) as scratch:
        rows = measure(
            options.gnt,
            options.test_gnt,
            Path(scratch),
            images=options.images,
            steps=options.steps,
        )
    # Imports torch. Done earlier, it would raise the peak of every command, which starts with that
    # of the process that forks it.
    from benchmarks.provenance import provenance

    options.out.mkdir(parents=True, exist_ok=True)
    write_json(options.out / "memory.json", {**provenance(__file__, arguments), "rows": rows})
    for row in rows:
        print(f"{row['command']}: {row['peak_mib']:,} MiB, {row['seconds']} s")


if __name__ == "__main__":
    main()
