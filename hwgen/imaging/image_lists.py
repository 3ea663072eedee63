"""Images as users give them: arrays, Pillow images, Records, or any number of these."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from PIL import Image as PilImage

from hwgen.errors import InputError
from hwgen.imaging.channels import opaque
from hwgen.record import Image, Record

Images = Image | PilImage.Image | Record | Iterable[Image | PilImage.Image | Record]
"""One image or many: uint8 [h, w], [h, w, 3], [n, h, w] or [n, h, w, 3], 255 = paper; Pillow
images of any mode; Records; lists of these, or a Store."""

_TO_UINT8 = "Convert them to uint8, where 255 is paper: (255 * x).round().astype(numpy.uint8)"


def image_list(images: Images) -> list[Image]:
    """Each of the images as an array.

    Returns:
        uint8 [h, w] or [h, w, 3], of any sizes.

    Raises:
        InputError: these are not images.
    """
    if isinstance(images, np.ndarray):
        return list(images) if _are_many(images) else [_one(images)]
    if isinstance(images, PilImage.Image | Record):
        return [_one(images)]
    if isinstance(images, str | bytes) or not isinstance(images, Iterable) or _is_tensor(images):
        raise _not_images(images)
    return [_one(image) for image in images]


def _one(image: Any) -> Image:
    if isinstance(image, Record):
        return image.image
    if isinstance(image, PilImage.Image):
        image = opaque(image)
        return np.asarray(image.convert("L" if image.mode in ("1", "L") else "RGB"))
    if not isinstance(image, np.ndarray):
        raise _not_images(image)
    _check(image)
    if image.ndim != 2 and not (image.ndim == 3 and image.shape[2] == 3):
        raise _wrong_shape(image)
    return image


def _are_many(images: Image) -> bool:
    _check(images)
    if images.ndim == 3:
        return images.shape[2] != 3
    if images.ndim == 4 and images.shape[3] == 3:
        return True
    if images.ndim != 2:
        raise _wrong_shape(images)
    return False


def _check(image: Image) -> None:
    if image.dtype != np.uint8:
        raise InputError(f"expected images of uint8, found {image.dtype}", remedy=_TO_UINT8)
    if image.ndim > 1 and 0 in image.shape[-3 if image.shape[-1] == 3 else -2 :]:
        raise InputError(f"an image has no pixels: its shape is {list(image.shape)}")


def _wrong_shape(image: Image) -> InputError:
    return InputError(
        f"expected images of shape [h, w], [h, w, 3], [n, h, w] or [n, h, w, 3], found "
        f"{list(image.shape)}",
        remedy="Move the channels to the end with numpy.moveaxis, and leave out a single channel",
    )


def _is_tensor(value: object) -> bool:
    return type(value).__module__.partition(".")[0] == "torch"  # which is not imported here


def _not_images(value: object) -> InputError:
    remedy = "Give arrays of uint8, PIL images, or a list of these"
    if isinstance(value, str | bytes) or hasattr(value, "__fspath__"):
        remedy = "Open files with PIL.Image.open, and stores with hwgen.Store"
    elif _is_tensor(value):
        remedy = "Convert tensors to arrays of uint8 [n, h, w], 255 = paper: x.cpu().numpy()"
    return InputError(f"expected images, found {type(value).__name__}", remedy=remedy)
