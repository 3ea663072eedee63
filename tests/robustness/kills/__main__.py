"""Kills: a command that is killed at any moment and rerun gives the result of an uninterrupted run.

    python -m tests.robustness.kills --out benchmarks/results/kills-DATE-HARDWARE
    python -m tests.robustness.kills --out /tmp/kills --only train --only lift --kills 10

After every kill, files with their final names must be complete, saved work must not be lost, and no
lock may block the next run; at the end nothing may differ from an uninterrupted run and nothing may
be left over. Each job is killed at random moments of its duration, and then before its file
operations. Rerun the command for jobs that are missing in `--out`. Needs Linux (fork, pidfd).
"""

from __future__ import annotations

import importlib.util
import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

from benchmarks.options import make_parser
from benchmarks.provenance import provenance
from hwgen.io.json_files import write_json
from hwgen.runs import checkpoints
from tests.robustness.kills.harness import SERIES, Tally, kill, set_up
from tests.robustness.kills.inputs import make_inputs
from tests.robustness.kills.jobs import JOBS
from tests.robustness.kills.table import table

FILE = "kills.json"
QUICK = 10


def main(arguments: list[str] | None = None) -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--out", type=Path, required=True, help=f"folder for {FILE}")
    parser.add_argument("--kills", type=int, default=100, help="per job, at random moments")
    parser.add_argument("--seed", type=int, default=0, help="seed of the moments")
    parser.add_argument(
        "--only",
        choices=JOBS,
        action="append",
        metavar="JOB",
        help=f"one of {', '.join(JOBS)}; may be repeated; default: all",
    )
    parser.add_argument("--quick", action="store_true", help=f"{QUICK} kills per job")
    parser.add_argument("--gnt", type=Path, help="a zip of real GNT files for prepare-gnt")
    parser.add_argument("--pot", type=Path, help="a folder of real POT files for prepare-pot")
    options = parser.parse_args(arguments)
    kills = QUICK if options.quick else options.kills
    torch.set_num_threads(1)
    checkpoints.CHECKPOINT_SECONDS = 0.0  # one per step, since a run takes about a second
    os.environ["COLUMNS"] = "200"
    result = _resumed(options.out, kills, options.seed)
    with tempfile.TemporaryDirectory() as scratch:
        names = [name for name in options.only or JOBS if name not in result["jobs"]]
        words = [word for name in names for word in JOBS[name].argv]
        make_inputs(Path(scratch) / "inputs", words, gnt=options.gnt, pot=options.pot)
        for name in names:
            job = JOBS[name]
            if job.needs and importlib.util.find_spec(job.needs) is None:
                print(f"{name}: skipped, {job.needs} is not installed")
                continue
            began = time.monotonic()
            stage = set_up(job, Path(scratch) / "job")
            tallies: dict[str, Tally] = {
                series: kill(stage, name, series, kills=kills, seed=options.seed)
                for series in SERIES
            }
            result["jobs"][name] = {
                "command": " ".join(["hwgen", *job.argv]),
                "seconds": round(time.monotonic() - began, 1),
                **{series: tally.to_json() for series, tally in tallies.items()},
            }
            options.out.mkdir(parents=True, exist_ok=True)
            write_json(options.out / FILE, {**result, **provenance(__file__, arguments)})
            for series, tally in tallies.items():
                print(
                    f"{name}, {series}: {tally.kills} kills, left {dict(tally.left)}, "
                    f"{tally.equal} of {tally.ends} results equal, "
                    f"{len(tally.findings)} findings, one run {tally.seconds:.2f} s",
                    flush=True,
                )
                for finding in tally.findings:
                    print(f"  {finding}", flush=True)
    print(table(result))


def _resumed(out: Path, kills: int, seed: int) -> dict[str, Any]:
    """The result of an earlier call with the same settings, or an empty one.

    Raises:
        SystemExit: the earlier call had other settings.
    """
    settings = {"kills": kills, "seed": seed}
    if (out / FILE).is_file():
        result: dict[str, Any] = json.loads((out / FILE).read_text("utf-8"))
        if result["settings"] != settings:
            raise SystemExit(f"{out / FILE} has {result['settings']}; choose another --out")
        return result
    return {"settings": settings, "jobs": {}}


if __name__ == "__main__":
    main()
