"""Markdown table of a folder of throughput results.

python -m benchmarks.throughput.table benchmarks/results/throughput-DATE-HARDWARE
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.options import make_parser

ORDER = (
    "prepare",
    "render",
    "batches",
    "gan_step",
    "growth",
    "synthesize",
    "refiner",
    "augment",
    "recogniser",
)
"""Files, from raw data to the recogniser."""

IN_DOCS = (
    r"prepare-gnt .*",
    r"render ink, .*",
    r"random batches of 64, .*",
    r"training step, .*",
    r"growth .*",
    r"synthesize, .*",
    r"augment, .*, 32x32, batch 64, threads 2",
    r"recogniser .*",
)
"""Jobs that docs/performance.md shows; the others are variants of them."""


def _copied(row: Mapping[str, Any]) -> float:
    """Samples per second if copying memory were all: bytes are read and floats written."""
    settings = row["settings"]
    return float(row["limits"]["copy_bytes_s"] / 5 * settings["records"] / settings["bytes"])


def _read(row: Mapping[str, Any]) -> float:
    settings = row["settings"]
    return float(row["limits"]["file_read_bytes_s"] * settings["records"] / settings["bytes"])


LIMITS: Mapping[str, tuple[str, Callable[[Mapping[str, Any]], float]]] = {
    r"prepare-gnt .*": ("resizing", lambda row: row["limits"]["resize, all cores, if they scale"]),
    r"random batches .* resident": ("copying", _copied),
    r"random batches .* cold file": ("reading the file", _read),
    r"training step, .*": ("arithmetic", lambda row: 1 / row["limits"]["arithmetic_floor_s"]),
    r"synthesize, .*": (
        "arithmetic",
        lambda row: row["ways"][row["fast"]]["work"] / row["limits"]["arithmetic_floor_s"],
    ),
    r"augment, .*": ("copying", lambda row: row["limits"]["copy, images/s"]),
    r"recogniser .*": (
        "arithmetic",
        lambda row: row["settings"]["batch"] / row["limits"]["by the definition's FLOPs, s"],
    ),
}
"""What bounds a job and its rate if that were all, from the row's "limits"; by patterns of jobs."""


def table(folder: Path, jobs: Sequence[str] = (".*",)) -> str:
    """Rows of the results in a folder, then the memory of each command.

    Args:
        folder: with the JSON files of a measurement.
        jobs: patterns of the jobs to show; the default shows all.
    """
    lines = [
        "| job | baseline | hwgen | ratio | limit of the hardware |",
        "|---|---|---|---|---|",
    ]
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
        full = folder / "evaluate.json"
        for row in json.loads(full.read_text(encoding="utf-8"))["rows"] if full.is_file() else []:
            sizes = row["images"]
            what = f"{sizes['synthetic']:,} synthetic and {sizes['real'] + sizes['real_test']:,}"
            took = f"{what} real samples: {row['seconds']:.0f} s"
            lines.append(f"| {row['command']}, {took} | {row['peak_mib']:,} MiB |")
    return "\n".join(lines) + "\n"


def _line(row: Mapping[str, Any]) -> str:
    slow, fast = row["ways"][row["baseline"]], row["ways"][row["fast"]]
    unit = row["unit"]
    return (
        f"| {row['job']} | {row['baseline']}: {_rate(slow['rate'])} {unit}/s "
        f"| {row['fast']}: {_rate(fast['rate'])} {unit}/s | {_rate(row['ratio'])} "
        f"| {_limit(row)} |"
    )


def _limit(row: Mapping[str, Any]) -> str:
    for job, (what, rate) in LIMITS.items():
        if re.fullmatch(job, row["job"]):
            return f"{what}: {_rate(rate(row))} {row['unit']}/s"
    return "not measured"


def _rate(value: float) -> str:
    """Three significant digits without an exponent."""
    rounded = float(f"{value:.3g}")
    return f"{rounded:,.0f}" if rounded >= 100 else f"{rounded:g}"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = make_parser(__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument(
        "--docs", action="store_true", help="only the rows that docs/performance.md shows"
    )
    options = parser.parse_args(arguments)
    print(table(options.folder, IN_DOCS if options.docs else (".*",)), end="")


if __name__ == "__main__":
    main()
