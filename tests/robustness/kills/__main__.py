"""In: how many kills. Out: whether a killed command, run again, ends as an uninterrupted one.

    python -m tests.robustness.kills --out benchmarks/results/kills-DATE-HARDWARE
    python -m tests.robustness.kills --out /tmp/kills --only train --only lift --kills 10

Claim: kill -9 at any moment, run the same command again, kill it again, and so on: what bears its
final name is whole, what was saved is not lost, no lock is in the way, and in the end everything
is as after one uninterrupted run, with nothing left over. Needs Linux (fork, pidfd).

Each job is killed at random moments of its uninterrupted run's time, and then before its file
operations. The same command goes on with the jobs that are missing in `--out`.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

import hwgen
from hwgen.io.json_files import write_json
from tests.robustness.kills.harness import SERIES, Tally, kill, set_up
from tests.robustness.kills.inputs import make_inputs
from tests.robustness.kills.jobs import JOBS
from tests.robustness.kills.table import table

FILE = "kills.json"
QUICK = 10


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help=f"folder for {FILE}")
    parser.add_argument("--kills", type=int, default=100, help="of a job, at random moments")
    parser.add_argument("--seed", type=int, default=0, help="of all moments")
    parser.add_argument("--only", choices=JOBS, action="append", help="default: all jobs")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK} kills each")
    parser.add_argument(
        "--gnt", type=Path, help="a zip of real files for prepare-gnt; default: drawn"
    )
    parser.add_argument(
        "--pot", type=Path, help="a folder of real files for prepare-pot; default: drawn"
    )
    options = parser.parse_args(arguments)
    kills = QUICK if options.quick else options.kills
    torch.set_num_threads(1)
    os.environ["COLUMNS"] = "200"
    result = _begun(options.out, kills, options.seed)
    with tempfile.TemporaryDirectory() as scratch:
        names = [name for name in options.only or JOBS if name not in result["jobs"]]
        wanted = [word for name in names for word in JOBS[name].argv]
        make_inputs(Path(scratch) / "inputs", wanted, gnt=options.gnt, pot=options.pot)
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
            write_json(options.out / FILE, result)
            for series, tally in tallies.items():
                print(
                    f"{name}, {series}: {tally.kills} kills, left {dict(tally.left)}, "
                    f"{tally.equal} of {tally.ends} ends equal, "
                    f"{len(tally.findings)} findings, one run {tally.seconds:.2f} s",
                    flush=True,
                )
                for finding in tally.findings:
                    print(f"  {finding}", flush=True)
    print(table(result))


def _begun(out: Path, kills: int, seed: int) -> dict[str, Any]:
    """What an earlier call of the same settings left, or nothing yet."""
    settings = {"kills": kills, "seed": seed}
    if (out / FILE).is_file():
        result: dict[str, Any] = json.loads((out / FILE).read_text("utf-8"))
        if result["settings"] != settings:
            raise SystemExit(f"{out / FILE} has {result['settings']}; give another --out")
        return result
    return {
        "question": (__doc__ or "").splitlines()[0],
        "settings": settings,
        "versions": {
            "hwgen": hwgen.__version__,
            "python": platform.python_version(),
            "torch": torch.__version__,
        },
        "jobs": {},
    }


if __name__ == "__main__":
    main()
