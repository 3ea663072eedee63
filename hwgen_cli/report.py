"""`hwgen report`: one HTML page about runs, results and stores."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hwgen_cli.options import Json, out_option
from hwgen_cli.output import print_json, print_lines

Inputs = Annotated[
    list[Path],
    typer.Argument(
        metavar="INPUT...",
        help="Runs, stores, and output directories of hwgen benchmark, lift and evaluate, in any "
        "order.",
    ),
]
NoReal = Annotated[
    bool,
    typer.Option(
        "--no-real", help="Leave out real images, so that the page can be passed on to others."
    ),
]


def report(
    inputs: Inputs,
    out: Annotated[Path, out_option("FILE.html", "Page to write.")] = Path("report.html"),
    no_real: NoReal = False,
    json: Json = False,
) -> None:
    """Write one self-contained HTML page: recipes, curves, sample grids, samples and accuracy.

    Example: hwgen report runs/first benchmark train synthetic --out report.html
    """
    from hwgen.report.page import write_report

    written = write_report(inputs, out, real=not no_real)
    size = written.stat().st_size
    if json:
        print_json({"path": str(written), "bytes": size})
    else:
        print_lines(f"written: {written} ({size / 1e6:.1f} MB)")
