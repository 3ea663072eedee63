"""The table of a folder of throughput results, in Markdown.

python -m benchmarks.throughput.table benchmarks/results/throughput-DATE-HARDWARE
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ORDER = (
    "prepare",
    "render",
    "batches",
    "gan_step",
    "growth",
    "synthesize",
    "augment",
    "recogniser",
)
"""Files, in the order of the main job."""

IN_DOCS = (
    r"prepare-gnt .*",
    r"draw ink, .*",
    r"random batches of 64, .*",
    r"training step, .*",
    r"growth .*",
    r"synthesize, .*",
    r"augment, .*, 32x32, batch 64, threads 2",
    r"recogniser .*",
)
"""Jobs that docs/performance.md shows; the others are variants of them."""


def table(folder: Path, jobs: Sequence[str] = (".*",)) -> str:
    """Rows of the results in a folder, and the memory of each command.

    Args:
        folder: of a measurement.
        jobs: patterns of the jobs to show; the default shows all.
    """
    lines = ["| job | plain or peer's way | hwgen | ratio |", "|---|---|---|---|"]
    for name in ORDER:
        file = folder / f"{name}.json"
        if file.is_file():
            rows = json.loads(file.read_text(encoding="utf-8"))
            lines += [_line(r) for r in rows if any(re.fullmatch(job, r["job"]) for job in jobs)]
    memory = folder / "memory.json"
    if memory.is_file():
        lines += ["", "| command | peak memory |", "|---|---|"]
        rows = json.loads(memory.read_text(encoding="utf-8"))["rows"]
        lines += [f"| {row['command']} | {row['peak_mib']:,} MiB |" for row in rows]
    return "\n".join(lines) + "\n"


def _line(row: Mapping[str, Any]) -> str:
    slow, fast = row["ways"][row["baseline"]], row["ways"][row["fast"]]
    unit = row["unit"]
    return (
        f"| {row['job']} | {row['baseline']}: {_rate(slow['rate'])} {unit}/s "
        f"| {row['fast']}: {_rate(fast['rate'])} {unit}/s | {_rate(row['ratio'])} |"
    )


def _rate(value: float) -> str:
    """Three digits, without an exponent."""
    rounded = float(f"{value:.3g}")
    return f"{rounded:,.0f}" if rounded >= 100 else f"{rounded:g}"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--docs", action="store_true", help="only what docs/performance.md shows")
    options = parser.parse_args(arguments)
    print(table(options.folder, IN_DOCS if options.docs else (".*",)), end="")


if __name__ == "__main__":
    main()
