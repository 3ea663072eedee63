"""Fuzzing: every damaged file ends in records and listed losses, or in an HwgenError.

    python -m tests.robustness.fuzz --out benchmarks/results/fuzz-DATE-HARDWARE
    python -m tests.robustness.fuzz --target gnt --index 1234

Any other exception, a crash, or reading beyond the target's limits of time and memory is a finding.
Rerun the command to resume; `--seconds` limits one call. Needs Linux (/proc, fork).
"""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.options import make_parser
from benchmarks.provenance import provenance
from hwgen.io.json_files import write_json
from tests.robustness.fuzz.harness import Tally, read_one, run
from tests.robustness.fuzz.targets import COUNTS, TARGETS


def main(arguments: Sequence[str] | None = None) -> None:
    parser = make_parser(__doc__)
    parser.add_argument(
        "--target",
        choices=TARGETS,
        action="append",
        metavar="NAME",
        help=f"one of {', '.join(TARGETS)}; may be repeated; default: all",
    )
    parser.add_argument("--count", type=int, help="inputs per target; default: see targets.py")
    parser.add_argument(
        "--seconds", type=float, default=float("inf"), help="time limit of this call"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="folder for result.json")
    parser.add_argument("--index", type=int, help="read only this input, with its traceback")
    options = parser.parse_args(arguments)
    names = options.target or list(TARGETS)
    result = _resumed(options.out, options.seed)
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
            origin = provenance(__file__, arguments)
            write_json(options.out / "result.json", {**result, **origin})


def _resumed(out: Path | None, seed: int) -> dict[str, Any]:
    """The result of an earlier call with the same seed, or an empty one.

    Raises:
        SystemExit: the earlier call had another seed.
    """
    file = None if out is None else out / "result.json"
    if file is not None and file.is_file():
        result: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        if result["seed"] != seed:
            raise SystemExit(f"{file} has seed {result['seed']}; choose another --out")
        return result
    return {"seed": seed, "targets": {}}


def _memory_disk() -> str | None:
    """A folder in memory; None, where there is none, takes the default."""
    return "/dev/shm" if Path("/dev/shm").is_dir() else None


if __name__ == "__main__":
    main()
