"""In: a folder of results. Out: their table in Markdown, as the README has it.

python -m benchmarks.throughput.table benchmarks/results/throughput-DATE-HARDWARE
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ORDER = ("prepare", "batches", "gan_step", "growth", "synthesize", "augment", "recogniser")
"""Files, in the order of the main job."""


def table(folder: Path) -> str:
    """All rows of all results in a folder, and the memory of each command."""
    lines = ["| job | plain or peer's way | hwgen | ratio | wanted |", "|---|---|---|---|---|"]
    for name in ORDER:
        file = folder / f"{name}.json"
        if file.is_file():
            lines += [_line(row) for row in json.loads(file.read_text(encoding="utf-8"))]
    memory = folder / "memory.json"
    if memory.is_file():
        lines += ["", "| command | peak memory |", "|---|---|"]
        rows = json.loads(memory.read_text(encoding="utf-8"))["rows"]
        lines += [f"| `{row['command']}` | {row['peak_mib']:,} MiB |" for row in rows]
    return "\n".join(lines) + "\n"


def _line(row: Mapping[str, Any]) -> str:
    slow, fast = row["ways"][row["baseline"]], row["ways"][row["fast"]]
    unit = row["unit"]
    return (
        f"| {row['job']} | {row['baseline']}: {_rate(slow['rate'])} {unit}/s "
        f"| {row['fast']}: {_rate(fast['rate'])} {unit}/s | {_rate(row['ratio'])} | {row['goal']} |"
    )


def _rate(value: float) -> str:
    """Three digits, without an exponent."""
    rounded = float(f"{value:.3g}")
    return f"{rounded:,.0f}" if rounded >= 100 else f"{rounded:g}"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    print(table(parser.parse_args(arguments).folder), end="")


if __name__ == "__main__":
    main()
