"""`hwgen export-curves`: training curves and sample grids of a run, for TensorBoard."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hwgen_cli.options import Json, Overwrite, out_option
from hwgen_cli.output import print_json, print_lines

RunArgument = Annotated[
    Path, typer.Argument(metavar="RUN", help="Run directory written by hwgen train.")
]


def export_curves(
    run: RunArgument,
    out: Annotated[Path, out_option("DIR")],
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """Export the training curves and sample grids of a run for TensorBoard.

    The files contain no real image. This command needs the extra "tensorboard".

    Example: hwgen export-curves runs/first --out curves
    """
    from hwgen.exports.models import export_curves as write_curves
    from hwgen.runs import Run

    count = write_curves(Run(run), out, overwrite=overwrite)
    files = {path.name: path.stat().st_size for path in sorted(out.iterdir())}
    if json:
        print_json({"kind": "tensorboard", "path": str(out), "count": count, "files": files})
        return
    print_lines(
        *(f"{out / name}: {size:,} bytes" for name, size in files.items()),
        f"{count:,} numbers and images",
        f"to view them: tensorboard --logdir {out}",
    )
