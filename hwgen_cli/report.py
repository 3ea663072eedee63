"""In: runs, benchmarks, evaluations and stores. Out: one HTML page about them."""

from __future__ import annotations

from pathlib import Path

import typer
from rich.console import Console


def report(
    inputs: list[Path] = typer.Argument(
        ...,
        metavar="RUN...",
        help="Training runs, benchmarks, evaluations and stores, in any order.",
    ),
    out: Path = typer.Option(Path("report.html"), "--out", help="The page to write."),
    no_real: bool = typer.Option(
        False, "--no-real", help="Leave real pictures out, so that the page may be passed on."
    ),
) -> None:
    """Write one self-contained HTML page: recipe, curves, grids, samples, recogniser figures."""
    from hwgen.report.page import write_report

    written = write_report(inputs, out, real=not no_real)
    size = written.stat().st_size
    shown = f"{written} ({size / 1e6:.1f} MB)"
    Console().print(shown, highlight=False, markup=False, soft_wrap=True)
