"""Contact sheets: one image that shows many, row by row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image as PilImage
from PIL.PngImagePlugin import PngInfo

from hwgen.errors import InputError
from hwgen.imaging.channels import to_channels
from hwgen.imaging.image_lists import Images, image_list
from hwgen.io.files import atomic_write
from hwgen.io.outputs import MARK, check_output_file
from hwgen.record import PAPER, Image

GAP = 2
"""Width of the background between two images, pixels."""

_PNG = PngInfo()
_PNG.add_text("Software", MARK)

FORMATS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    ".png": ("PNG", {"optimize": True, "pnginfo": _PNG}),
    **dict.fromkeys((".jpg", ".jpeg"), ("JPEG", {"quality": 95, "comment": MARK.encode()})),
}
"""Format and its options by suffix. Files are marked as hwgen's, see hwgen.io.outputs."""

MIN_CELL = 64
"""Size to which smaller images are enlarged for the eye, pixels."""

BACKGROUND = 160
"""Grey value of the background."""


def evenly_spaced(total: int, wanted: int) -> npt.NDArray[np.int64]:
    """At most `wanted` indices below `total`, evenly spaced from 0 on."""
    count = min(total, wanted)
    return np.arange(count) * total // max(1, count)


def contact_sheet(images: Image, columns: int, labels: Image | None = None) -> PilImage.Image:
    """Images in rows on a grey background.

    Args:
        images: uint8 [n, h, w] or [n, h, w, 3], n >= 1.
        columns: number of images per row.
        labels: uint8 [rows, h, w2], images to the left of the rows, see
            hwgen.sources.strokes.drawn_labels; None for none.

    Raises:
        InputError: no images.
    """
    if not len(images):
        raise InputError("there are no images to show")
    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    height, width = images.shape[1:3]
    step_y, step_x = height + GAP, width + GAP
    edge = 0 if labels is None else labels.shape[2] + GAP
    shape = (rows * step_y + GAP, edge + columns * step_x + GAP, *images.shape[3:])
    sheet = np.full(shape, BACKGROUND, np.uint8)
    for place, image in enumerate(images):
        top = place // columns * step_y + GAP
        left = edge + place % columns * step_x + GAP
        sheet[top : top + height, left : left + width] = image
    for row, label in enumerate([] if labels is None else labels):
        top = row * step_y + GAP
        sheet[top : top + height, GAP:edge] = to_channels(label, 1 if images.ndim == 3 else 3)
    return PilImage.fromarray(sheet)


def save_sheet(path: Path, images: Image, columns: int, labels: Image | None = None) -> None:
    """Write a contact sheet, atomically; creates its folder if missing.

    Args:
        path: the file, whose suffix is one of FORMATS.
        images: see `contact_sheet`.
        columns: number of images per row.
        labels: see `contact_sheet`.
    """
    _save(path, contact_sheet(images, columns, labels))


def enlarged(images: Image) -> Image:
    """Images of at least MIN_CELL pixels, uint8 [n, h, w(, 3)]; larger ones stay as they are."""
    factor = -(-MIN_CELL // images.shape[1])
    if factor == 1:
        return images
    size = (factor * images.shape[2], factor * images.shape[1])
    bicubic = PilImage.Resampling.BICUBIC
    return np.stack([np.asarray(PilImage.fromarray(one).resize(size, bicubic)) for one in images])


def save_grid(images: Images, path: Path | str, columns: int = 8) -> None:
    """Write images of any sizes to one PNG or JPEG file, row by row; creates its folder if missing.

    Smaller images are centred on paper, and grey ones become colour where others are.

    Args:
        images: arrays of uint8, 255 = paper, Pillow images, Records, or any number of these.
        path: the file; replaced if hwgen wrote it.
        columns: number of images per row.

    Raises:
        InputError: these are not images, there are none, or the file cannot be written.
    """
    given, file = image_list(images), Path(path)
    if columns < 1:
        raise InputError(f"expected at least 1 column, found {columns}")
    check_grid(file)
    save_sheet(file, _of_one_size(given), columns)


def check_grid(path: Path) -> None:
    """Refuse a path where `save_grid` cannot write.

    Raises:
        InputError: says what is wrong.
    """
    check_output_file(path, tuple(FORMATS), remedy="Give another path")


def _of_one_size(images: Sequence[Image]) -> Image:
    """uint8 [n, h, w] or [n, h, w, 3] of the largest height and width."""
    height = max((image.shape[0] for image in images), default=1)
    width = max((image.shape[1] for image in images), default=1)
    channels = 3 if any(image.ndim == 3 for image in images) else 1
    out = np.full((len(images), height, width, 3)[: 3 + (channels == 3)], PAPER, np.uint8)
    for cell, image in zip(out, images, strict=True):
        top, left = (height - image.shape[0]) // 2, (width - image.shape[1]) // 2
        part = cell[top : top + image.shape[0], left : left + image.shape[1]]
        part[:] = to_channels(image, channels)
    return out


def copy_sheet(sheet: Path, path: Path) -> None:
    """Write a copy of a contact sheet, in the format of the new path's suffix.

    Raises:
        InputError: the sheet is not a readable PNG file.
    """
    try:
        with PilImage.open(sheet, formats=["PNG"]) as image:
            image.load()
    except (OSError, ValueError, SyntaxError, PilImage.DecompressionBombError) as error:
        raise InputError(
            f"is not a readable PNG ({error})", where=str(sheet), remedy="Remove it"
        ) from None
    _save(path, image)


def check_sheet(path: Path | None) -> None:
    """Refuse a path, given as --sheet, where no contact sheet can be written.

    Raises:
        InputError: says what is wrong.
    """
    if path is not None:
        check_output_file(path, tuple(FORMATS), remedy="Give another --sheet")


def _save(path: Path, image: PilImage.Image) -> None:
    format, options = FORMATS[path.suffix.lower()]
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as temporary:
        image.save(temporary, format=format, **options)
