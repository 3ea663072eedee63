"""Markdown table of kills.json, one row per job.

python -m tests.robustness.kills.table benchmarks/results/kills-DATE-HARDWARE/kills.json
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from tests.robustness.kills.harness import SERIES
from tests.robustness.kills.jobs import JOBS

_HEAD = (
    "| job | kills at moments | before file operations | nothing on disk | partial | complete "
    "| ends compared | equal | findings | in tenths of a run | one run |\n"
    "|---|---:|---:|---:|---:|---:|---:|---:|---:|---|---:|"
)


def table(result: dict[str, Any]) -> str:
    """Markdown; "in tenths of a run" counts kills at moments by the time in the run."""
    jobs = {name: result["jobs"][name] for name in JOBS if name in result["jobs"]}
    rows = [_row(name, [job[series] for series in SERIES]) for name, job in jobs.items()]
    everything = [job[series] for job in jobs.values() for series in SERIES]
    return "\n".join([_HEAD, *rows, _row("all", everything)])


def _row(name: str, tallies: list[dict[str, Any]]) -> str:
    moments, operations = tallies[::2], tallies[1::2]

    def total(key: str) -> int:
        return sum(tally[key] for tally in tallies)

    left = [sum(t["left"].get(k, 0) for t in tallies) for k in ("nothing", "unfinished", "whole")]
    tenths = [sum(column) for column in zip(*(t["fractions"] for t in moments), strict=True)]
    alone = len(tallies) == len(SERIES)
    cells = [
        name,
        sum(t["kills"] for t in moments),
        sum(t["kills"] for t in operations),
        *left,
        total("ends"),
        total("equal"),
        sum(len(t["findings"]) for t in tallies),
        " ".join(map(str, tenths)),
        f"{moments[0]['seconds']:.1f} s" if alone else "",
    ]
    return "| " + " | ".join(map(str, cells)) + " |"


if __name__ == "__main__":
    print(table(json.loads(Path(sys.argv[1]).read_text("utf-8"))))
