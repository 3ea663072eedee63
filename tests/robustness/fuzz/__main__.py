"""In: a seed and numbers of inputs. Out: whether every damaged file ends as promised.

    python -m tests.robustness.fuzz --out benchmarks/results/fuzz-DATE-HARDWARE
    python -m tests.robustness.fuzz --target gnt --index 1234

Claim: whatever is in a file, reading it ends in its records with the bad ones listed or in an
HwgenError; within the target's bounds of time and memory, and never in another exception or a
crash. The same command goes on where it was stopped, and `--seconds` limits one call. Needs Linux
(/proc, fork).
"""

from __future__ import annotations

import argparse
import json
import platform
import tempfile
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

import hwgen
from hwgen.io.json_files import write_json
from tests.robustness.fuzz.harness import Tally, read_one, run
from tests.robustness.fuzz.targets import COUNTS, TARGETS


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--target", choices=TARGETS, action="append", help="default: all")
    parser.add_argument("--count", type=int, help="inputs a target; default: see targets.py")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="for this call")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="folder for result.json")
    parser.add_argument("--index", type=int, help="read this input alone, with its traceback")
    options = parser.parse_args()
    names = options.target or list(TARGETS)
    result = _begun(options.out, options.seed)
    left = options.seconds
    for name in names:
        with tempfile.TemporaryDirectory(dir=_memory_disk()) as scratch:
            target = TARGETS[name](Path(scratch))
            if options.index is not None:
                print(read_one(target, options.seed, options.index))
                continue
            tally = Tally(**result["targets"].get(name, {}))
            tally.outcomes = Counter(tally.outcomes)
            before = tally.seconds
            count = COUNTS[name] if options.count is None else options.count
            run(target, tally, seed=options.seed, count=count, seconds=left)
            left -= tally.seconds - before
        result["targets"][name] = {
            **asdict(tally),
            "outcomes": dict(tally.outcomes),
        }
        print(
            f"{name}: {tally.inputs:,} inputs, {tally.seconds:.0f} s, {tally.peak_mib} MiB, "
            f"{dict(tally.outcomes)}"
        )
        kinds = Counter(f"{f['what'][:100]} at {f['where']}" for f in tally.findings)
        for kind, times in kinds.most_common(20):
            print(f"  {times} x {kind}")
        if options.out is not None:
            options.out.mkdir(parents=True, exist_ok=True)
            write_json(options.out / "result.json", result)


def _begun(out: Path | None, seed: int) -> dict[str, Any]:
    """What an earlier call of the same seed left, or nothing yet."""
    file = None if out is None else out / "result.json"
    if file is not None and file.is_file():
        result: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        if result["seed"] != seed:
            raise SystemExit(f"{file} has seed {result['seed']}; give another --out")
        return result
    return {
        "question": (__doc__ or "").splitlines()[0],
        "seed": seed,
        "hwgen": hwgen.__version__,
        "python": platform.python_version(),
        "targets": {},
    }


def _memory_disk() -> str | None:
    """Where files cost least; None takes the usual place."""
    return "/dev/shm" if Path("/dev/shm").is_dir() else None


if __name__ == "__main__":
    main()
