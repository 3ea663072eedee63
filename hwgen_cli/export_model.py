"""`hwgen export-model`: a trained generator as a folder that can be passed on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hwgen_cli.options import Json, Overwrite, Snapshot, out_option
from hwgen_cli.output import print_json, print_lines

RunArgument = Annotated[
    Path, typer.Argument(metavar="RUN", help="Run directory written by hwgen train.")
]
Onnx = Annotated[bool, typer.Option("--onnx", help="Also write the generator of a GAN as ONNX.")]
Results = Annotated[
    list[Path] | None,
    typer.Option(
        "--results",
        metavar="DIR",
        help="Output directory of hwgen evaluate or hwgen lift; the model card shows its results.",
    ),
]
Licence = Annotated[
    str,
    typer.Option(
        "--licence",
        metavar="TEXT",
        show_default="none: the terms of the training data decide",
        help="Licence of the model in its card: an identifier such as cc-by-4.0, or any line.",
    ),
]


def export_model(
    run: RunArgument,
    out: Annotated[Path, out_option("DIR")],
    snapshot: Snapshot = "last",
    onnx: Onnx = False,
    results: Results = None,
    licence: Licence = "",
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """Export the generator of a run: its weights, classes, samples and a model card.

    The folder is all that hwgen synthesize needs. It contains no real image.

    Example: hwgen export-model runs/first --out first-model --onnx
    """
    from hwgen.exports.models import export_model as write_model
    from hwgen.runs import Run
    from hwgen.runs.models import read_model

    write_model(
        Run(run),
        out,
        snapshot=snapshot,
        onnx=onnx,
        results=results or [],
        licence=licence,
        overwrite=overwrite,
    )
    model = read_model(out)
    files = {path.name: path.stat().st_size for path in sorted(out.iterdir())}
    if json:
        print_json({**model.to_json(), "files": files})
        return
    print_lines(
        *(f"{out / name}: {size:,} bytes" for name, size in files.items()),
        f"{model.provenance}, {model.images:,} images",
        f"classes: {len(model.charset):,}, fingerprint {model.charset.fingerprint}",
        "read README.md before you pass the model on: the terms of the training data apply",
    )
