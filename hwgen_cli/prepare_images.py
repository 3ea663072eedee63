"""In: the options of `hwgen prepare-images`. Out: a store; what was kept and lost on the screen."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hwgen_cli.preparing import (
    CharsetOption,
    DropEmptyOption,
    JsonOption,
    LimitOption,
    OutOption,
    OverwriteOption,
    SizeOption,
    StrictOption,
    carry_out,
    charset_of,
)

if TYPE_CHECKING:
    from hwgen.prepare import PrepareReport
    from hwgen.progress import Control


class Fit(str, Enum):
    """How a picture that is not square becomes so."""

    stretch = "stretch"
    crop = "crop"
    pad = "pad"


def prepare_images(
    inputs: Annotated[
        list[Path],
        typer.Argument(
            metavar="INPUT...",
            help="A folder of pictures, a zip of one or ZIP!FOLDER in it, idx files as MNIST's, "
            "CIFAR-10's batches, LMDB folders of LSUN or for OCR, Hugging Face's parquet files, "
            "PaddleOCR's label.txt or the folder that holds it.",
        ),
    ],
    out: OutOption,
    size: SizeOption = 64,
    fit: Annotated[
        Fit,
        typer.Option(
            help="Resize the whole picture, aspect not kept; or its centre square; or keep the "
            "aspect, on paper."
        ),
    ] = Fit.stretch,
    margin: Annotated[
        int | None,
        typer.Option(min=0, help="With pad: paper on each side, pixels.", show_default="size / 16"),
    ] = None,
    colour: Annotated[
        bool | None,
        typer.Option("--colour/--grey", help="What the store holds.", show_default="grey for idx"),
    ] = None,
    invert: Annotated[
        bool | None,
        typer.Option(
            "--invert/--no-invert",
            help="Exchange light and dark: ink is dark in a store.",
            show_default="for idx",
        ),
    ] = None,
    charset: CharsetOption = "found",
    drop_empty: DropEmptyOption = False,
    limit: LimitOption = None,
    strict: StrictOption = False,
    overwrite: OverwriteOption = False,
    workers: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Threads that decode and scale. The store is the same.",
            show_default="cores",
        ),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Make a store from pictures: photographs of scenes, MNIST, your own folders.

    A picture's class is the folder that holds it; the digit in MNIST; the category
    in LSUN; the whole label in an LMDB or a list for OCR. A picture that cannot be
    read is reported and passed over. MNIST's ink, light on dark, becomes dark on
    light as in every store. For characters in picture files take --fit pad --grey.

    Example, then a test set with the same classes:

      hwgen prepare-images photos/train -o train --size 112

      hwgen prepare-images photos/test -o test --size 112 --charset train
    """
    from hwgen.imaging.framing import Framing
    from hwgen.prepare import PrepareOptions
    from hwgen.prepare import prepare_images as prepare

    margin = -1 if margin is None else margin
    framing = Framing(size, fit is Fit.stretch, margin, crop=fit is Fit.crop)

    options = PrepareOptions(
        charset=charset_of(charset),
        drop_empty=drop_empty,
        limit=limit,
        strict=strict,
        overwrite=overwrite,
        workers=workers,
    )

    def run(control: Control) -> PrepareReport:
        return prepare(
            inputs,
            out,
            framing=framing,
            channels=None if colour is None else 3 if colour else 1,
            invert=invert,
            options=options,
            control=control,
        )

    carry_out(run, out, json=json)
