import numpy as np
import pytest

from hwgen.errors import InputError
from hwgen.imaging.framing import Framing


def resized(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """Antialiased bilinear resizing from its definition: a triangle as wide as one new pixel."""

    def weights(old: int, new: int) -> np.ndarray:
        scale = max(1.0, old / new)
        centres = (np.arange(new)[:, None] + 0.5) * old / new
        table = np.maximum(0, 1 - np.abs(np.arange(old) + 0.5 - centres) / scale)
        return table / table.sum(1, keepdims=True)

    return weights(image.shape[0], height) @ image.astype(float) @ weights(image.shape[1], width).T


def ink(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(height * 1000 + width).integers(0, 256, (height, width), np.uint8)


@pytest.mark.parametrize("shape", [(80, 60), (60, 80), (20, 30), (7, 7), (300, 11), (90, 91)])
def test_default_framing_is_the_independent_resize_centred_on_paper(shape: tuple[int, int]) -> None:
    image = ink(*shape)
    framed = Framing(64).apply(image)
    scale = 56 / max(shape)
    height, width = max(1, round(shape[0] * scale)), max(1, round(shape[1] * scale))
    top, left = (64 - height) // 2, (64 - width) // 2
    expected = np.full((64, 64), 255.0)
    expected[top : top + height, left : left + width] = resized(image, height, width)
    assert framed.dtype == np.uint8
    np.testing.assert_allclose(framed, expected, atol=1.6)


@pytest.mark.parametrize("shape", [(80, 60), (20, 30), (28, 28)])
def test_stretch_is_the_independent_resize_of_the_whole_frame(shape: tuple[int, int]) -> None:
    image = ink(*shape)
    framed = Framing(28, stretch=True).apply(image)
    np.testing.assert_allclose(framed, resized(image, 28, 28), atol=1.6)


@pytest.mark.parametrize("stretch", [False, True])
@pytest.mark.parametrize("shape", [(1, 1), (1, 400), (400, 1), (2, 3)])
def test_extreme_shapes_keep_their_ink(shape: tuple[int, int], stretch: bool) -> None:
    framed = Framing(32, stretch=stretch).apply(np.zeros(shape, np.uint8))
    assert framed.shape == (32, 32)
    assert framed.min() == 0


def test_white_stays_white() -> None:
    assert (Framing(64).apply(np.full((50, 90), 255, np.uint8)) == 255).all()


def test_the_margin_is_paper_and_the_longer_side_fills_the_rest() -> None:
    framed = Framing(40, margin=5).apply(np.zeros((10, 20), np.uint8))
    rows, columns = np.nonzero(framed < 255)
    assert (columns.min(), columns.max()) == (5, 34)
    assert (rows.min(), rows.max()) == (12, 26)


def test_the_default_margin_is_a_sixteenth_and_none_when_stretched() -> None:
    assert Framing(64).margin == 4
    assert Framing(64, stretch=True).margin == 0
    assert Framing(64, margin=0).margin == 0


def test_the_json_view_decides_the_pixels() -> None:
    view = {"size": 64, "stretch": False, "margin": 4, "filter": "bilinear, antialiased"}
    assert Framing(64).to_json() == view


@pytest.mark.parametrize(
    "options",
    [{"size": 8, "margin": 4}, {"size": 0}, {"margin": -3}, {"stretch": True, "margin": 2}],
)
def test_impossible_frames_are_refused(options: dict[str, int]) -> None:
    with pytest.raises(InputError):
        Framing(**options)


def test_a_batch_is_framed_as_its_images_are() -> None:
    images = [ink(*shape) for shape in [(80, 60), (1, 90), (30, 30)]]
    images += [ink(40, 60)[::2, ::3], np.asfortranarray(ink(33, 44))]
    for framing in (Framing(64), Framing(28, stretch=True)):
        framed = framing.apply_batch(images)
        assert framed.shape == (5, framing.size, framing.size)
        for image, expected in zip(images, framed, strict=True):
            np.testing.assert_array_equal(framing.apply(np.ascontiguousarray(image)), expected)
        assert framing.apply_batch([]).shape == (0, framing.size, framing.size)


def photo(height: int, width: int) -> np.ndarray:
    return np.stack([ink(height, width), ink(width, height).T, 255 - ink(height, width)], axis=2)


@pytest.mark.parametrize("shape", [(80, 60), (20, 30), (7, 7), (5, 90)])
def test_colours_are_framed_each_as_a_grey_image(shape: tuple[int, int]) -> None:
    for framing in (Framing(32), Framing(28, stretch=True), Framing(24, crop=True)):
        framed = framing.apply_batch([photo(*shape), photo(*shape[::-1])])
        assert framed.shape == (2, framing.size, framing.size, 3)
        for channel in range(3):
            expected = framing.apply(np.ascontiguousarray(photo(*shape)[:, :, channel]))
            np.testing.assert_array_equal(framed[0, :, :, channel], expected)


@pytest.mark.parametrize("shape", [(80, 60), (60, 81), (20, 20), (1, 7)])
def test_crop_is_the_independent_resize_of_the_centre_square(shape: tuple[int, int]) -> None:
    image, side = ink(*shape), min(shape)
    top, left = (shape[0] - side) // 2, (shape[1] - side) // 2
    square = image[top : top + side, left : left + side]
    framed = Framing(24, crop=True).apply(image)
    np.testing.assert_allclose(framed, resized(square, 24, 24), atol=1.6)


def test_crop_has_no_margin_and_says_so_in_its_json() -> None:
    assert Framing(64, crop=True).margin == 0
    assert Framing(64, crop=True).to_json()["crop"] is True
    with pytest.raises(InputError, match="crop and a margin exclude"):
        Framing(64, margin=1, crop=True)
    with pytest.raises(InputError, match="stretch and crop exclude"):
        Framing(64, stretch=True, crop=True)
