from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image as PilImage

from hwgen.errors import InputError
from hwgen.imaging.image_lists import image_list
from hwgen.record import Record

GREY = np.arange(4 * 6, dtype=np.uint8).reshape(4, 6)
COLOUR = np.stack([GREY] * 3, axis=2)
RECORD = Record(GREY, "一", "", "", 0)


@pytest.mark.parametrize(
    ("images", "shapes"),
    [
        (GREY, [(4, 6)]),
        (COLOUR, [(4, 6, 3)]),
        (np.stack([GREY] * 2), [(4, 6)] * 2),
        (np.stack([COLOUR] * 2), [(4, 6, 3)] * 2),
        (np.empty((0, 4, 6), np.uint8), []),
        (RECORD, [(4, 6)]),
        (PilImage.fromarray(COLOUR), [(4, 6, 3)]),
        ([GREY, PilImage.fromarray(GREY), COLOUR, RECORD], [(4, 6), (4, 6), (4, 6, 3), (4, 6)]),
        ((one for one in [GREY]), [(4, 6)]),
        ([], []),
    ],
)
def test_one_or_many_images_of_any_kind(images: Any, shapes: list[tuple[int, ...]]) -> None:
    found = image_list(images)
    assert [image.shape for image in found] == shapes
    assert all(image.dtype == np.uint8 for image in found)
    if found:
        np.testing.assert_array_equal(found[0].reshape(4, 6, -1)[:, :, 0], GREY)


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "LA", "I;16"])
def test_pillow_images_of_any_mode(mode: str) -> None:
    if mode == "I;16":
        image = PilImage.fromarray(np.full((4, 6), 255 << 8, np.uint16))
    else:
        image = PilImage.new("L", (6, 4), 255).convert(mode)
    (found,) = image_list(image)
    assert found.shape[:2] == (4, 6)
    assert (found == 255).all()


def test_transparent_is_paper() -> None:
    image = PilImage.new("RGBA", (2, 2), (0, 0, 0, 0))
    image.putpixel((0, 0), (0, 0, 0, 255))
    assert image_list(image)[0][:, :, 0].tolist() == [[0, 255], [255, 255]]


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (GREY / 255, r"expected images of uint8, found float64. Convert them.*255 is paper"),
        ([GREY > 3], "found bool"),
        ("a.png", r"found str. Open files with PIL.Image.open"),
        ([Path("a.png")], r"found \w+Path. Open files with PIL.Image.open"),
        (torch.zeros(1, 4, 4), r"found Tensor. Convert tensors"),
        ([torch.zeros(4, 4)], r"found Tensor. Convert tensors"),
        (3, r"found int. Give arrays"),
        ([[1, 2]], r"found list. Give arrays"),
        (np.zeros(3, np.uint8), r"found \[3\]. Move the channels to the end"),
        (np.zeros((2, 1, 4, 4), np.uint8), r"found \[2, 1, 4, 4\]"),
        ([np.zeros((3, 4, 5), np.uint8)], r"found \[3, 4, 5\]"),
        (np.zeros((0, 4), np.uint8), r"no pixels: its shape is \[0, 4\]"),
        ([np.zeros((4, 0, 3), np.uint8)], "no pixels"),
    ],
)
def test_what_is_no_image_is_refused(images: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        image_list(images)
