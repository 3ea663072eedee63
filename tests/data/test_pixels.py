import numpy as np
import pytest
import torch

from hwgen.data import average_down, to_float, to_images, to_tensor, to_uint8
from hwgen.errors import InputError
from hwgen.pixel_range import PixelRange

CPU = torch.device("cpu")
RANGES = [PixelRange(1.0, 0.0), PixelRange(-1.0, 1.0), PixelRange(0.0, 1.0), PixelRange(1.0, -1.0)]


@pytest.mark.parametrize("pixels", RANGES, ids=str)
def test_all_grey_values_return_from_floats(pixels: PixelRange) -> None:
    grey = torch.arange(256, dtype=torch.uint8)
    x = to_float(grey, pixels)
    assert x.dtype == torch.float32
    torch.testing.assert_close(x[255].item(), pixels.paper)
    torch.testing.assert_close(x[0].item(), pixels.ink)
    assert (x.diff() > 0).all() == (pixels.paper > pixels.ink)
    assert torch.equal(to_uint8(x, pixels), grey)
    assert grey[255] == 255  # the input is left alone


def test_floats_beyond_the_range_are_clipped_and_others_rounded() -> None:
    x = torch.tensor([-0.2, 1.3, 0.4999 / 255, 1.501 / 255])
    assert to_uint8(x, PixelRange(1.0, 0.0)).tolist() == [0, 255, 0, 2]


@pytest.mark.parametrize("factor", [2, 4])
def test_averaging_by_a_whole_factor_is_the_block_mean(factor: int) -> None:
    images = np.random.default_rng(0).integers(0, 256, (3, 1, 16, 16), np.uint8)
    side = 16 // factor
    mean = images.reshape(3, 1, side, factor, side, factor).astype(float).mean(axis=(3, 5))
    small = average_down(torch.from_numpy(images), side).numpy()
    assert small.dtype == np.uint8
    np.testing.assert_array_equal(small, np.rint(mean))


def test_averaging_by_a_broken_factor_takes_every_pixel_that_is_touched() -> None:
    images = np.random.default_rng(1).integers(0, 256, (2, 3, 64, 64), np.uint8)
    small = average_down(torch.from_numpy(images), 28).numpy()
    edges = [(i * 64 // 28, -(-(i + 1) * 64 // 28)) for i in range(28)]
    for row, (top, bottom) in enumerate(edges):
        for column, (left, right) in enumerate(edges):
            mean = images[:, :, top:bottom, left:right].mean(axis=(2, 3))
            assert np.abs(small[:, :, row, column] - mean).max() <= 0.5001


def test_equal_size_is_left_alone_and_smaller_refused() -> None:
    images = torch.zeros(1, 1, 8, 8, dtype=torch.uint8)
    assert average_down(images, 8) is images
    with pytest.raises(InputError, match=r"8 pixels wide, expected at least 9.*--size 9"):
        average_down(images, 9)


@pytest.mark.parametrize("shape", [(2, 5, 5), (2, 5, 5, 3)])
def test_tensors_and_images_are_inverse(shape: tuple[int, ...]) -> None:
    images = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    tensor = to_tensor(images, CPU)
    assert tensor.shape == (2, 1 if len(shape) == 3 else 3, 5, 5)
    np.testing.assert_array_equal(to_images(tensor), images)
    if len(shape) == 4:
        np.testing.assert_array_equal(tensor[1, 2].numpy(), images[1, :, :, 2])
