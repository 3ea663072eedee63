"""`hwgen prepare-images`: a store from image files, archives and data sets."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hwgen_cli.options import Encoding, Json, Overwrite, workers_option
from hwgen_cli.preparing import (
    FRAMING,
    CharsetOption,
    DropEmpty,
    Margin,
    MaxPerClass,
    Size,
    StoreOut,
    Strict,
    carry_out,
    charset_of,
)

if TYPE_CHECKING:
    from hwgen.prepare import PrepareReport
    from hwgen.progress import Control


class Fit(str, Enum):
    """How an image becomes square."""

    stretch = "stretch"
    crop = "crop"
    pad = "pad"


Inputs = Annotated[
    list[Path],
    typer.Argument(
        metavar="INPUT...",
        help="A folder of images, a zip of one (ZIP!FOLDER for a folder in it), idx files such as "
        "those of MNIST, batches of CIFAR-10, LMDB folders of LSUN or for OCR, parquet files of "
        "Hugging Face or Polars, or label.txt of PaddleOCR, metadata.csv or metadata.jsonl of "
        "Hugging Face, or the folder that holds one.",
    ),
]
FitOption = Annotated[
    Fit | None,
    typer.Option(
        "--fit",
        rich_help_panel=FRAMING,
        show_default="pad for grey files and with --margin, else stretch",
        help="stretch: resize the whole image to a square. crop: take the square in its centre. "
        "pad: keep its aspect ratio, on white.",
    ),
]
Colour = Annotated[
    bool | None,
    typer.Option(
        "--colour/--grey",
        rich_help_panel=FRAMING,
        show_default="grey if the images are",
        help="Make a store of colour or of grey images.",
    ),
]
Invert = Annotated[
    bool | None,
    typer.Option(
        "--invert/--no-invert",
        rich_help_panel=FRAMING,
        show_default="invert idx files only",
        help="Exchange light and dark, for input with light ink; in a store ink is dark.",
    ),
]
LAYOUT = "Where the labels are"

ClassDepth = Annotated[
    int | None,
    typer.Option(
        "--class-depth",
        min=0,
        metavar="N",
        rich_help_panel=LAYOUT,
        show_default="the only possible depth",
        help="Folders N folders below the input name the classes; 0 is the input itself. Folders "
        "below a class belong to it, and images above it are not read.",
    ),
]
ImageColumn = Annotated[
    str,
    typer.Option(
        "--image-column",
        metavar="NAME",
        rich_help_panel=LAYOUT,
        show_default="image, or the only possible one",
        help="Column of the images in parquet, or of their paths in CSV or JSON lines.",
    ),
]
LabelColumn = Annotated[
    str,
    typer.Option(
        "--label-column",
        metavar="NAME",
        rich_help_panel=LAYOUT,
        show_default="label, or the only possible one",
        help="Column of the labels in parquet, CSV or JSON lines.",
    ),
]
Workers = Annotated[
    int | None,
    workers_option("Number of threads that decode and scale images.", "all cores"),
]


def prepare_images(
    inputs: Inputs,
    out: StoreOut,
    size: Size = 64,
    fit: FitOption = None,
    margin: Margin = None,
    colour: Colour = None,
    invert: Invert = None,
    charset: CharsetOption = "found",
    drop_empty: DropEmpty = False,
    max_per_class: MaxPerClass = None,
    class_depth: ClassDepth = None,
    image_column: ImageColumn = "",
    label_column: LabelColumn = "",
    strict: Strict = False,
    encoding: Encoding = None,
    overwrite: Overwrite = False,
    workers: Workers = None,
    json: Json = False,
) -> None:
    """Make a store from images: characters, photographs of scenes, MNIST, your own folders.

    The class of an image is the name of its folder, the digit in MNIST, the category in LSUN, or
    the whole label in an LMDB or a list for OCR. Images that cannot be read are skipped and
    reported. A folder of grey images per character is ready to train on: they keep their aspect
    ratio, on white. For colour scans of characters give --grey.

    Example: a training set, and a test set with the same classes:

      hwgen prepare-images photos/train -o train --size 112

      hwgen prepare-images photos/test -o test --size 112 --charset train
    """
    from hwgen.imaging.framing import Framing
    from hwgen.prepare import PrepareOptions
    from hwgen.prepare import prepare_images as prepare
    from hwgen.sources.images.layout import Layout

    framing: Framing | int = size
    if fit is not None or margin is not None:
        margin = -1 if margin is None else margin
        framing = Framing(size, fit is Fit.stretch, margin, crop=fit is Fit.crop)
    options = PrepareOptions(
        charset=charset_of(charset),
        drop_empty=drop_empty,
        limit=max_per_class,
        strict=strict,
        encoding=encoding,
        overwrite=overwrite,
        workers=workers,
    )

    layout = Layout(class_depth=class_depth, image_column=image_column, label_column=label_column)

    def run(control: Control) -> PrepareReport:
        return prepare(
            inputs,
            out,
            framing=framing,
            channels=None if colour is None else 3 if colour else 1,
            invert=invert,
            layout=layout,
            options=options,
            control=control,
        )

    carry_out(run, out, json=json)
