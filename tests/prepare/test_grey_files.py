from pathlib import Path

import numpy as np
import pytest

from hwgen.prepare.grey_files import are_grey
from hwgen.sources.images.find import find_images
from tests.image_files import encoded, photo, put, write_digits, zipped


def grey(seed: int, height: int = 12, width: int = 20) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width), np.uint8)


def coloured(seed: int) -> np.ndarray:
    """A grey image in three channels, with the small differences of a scanner."""
    noise = np.random.default_rng(seed).integers(-8, 9, (12, 20, 3))
    return np.clip(grey(seed)[:, :, None] + noise, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF"])
def test_grey_files_and_grey_files_in_colour_are_grey(tmp_path: Path, kind: str) -> None:
    for label in "一丁":
        put(tmp_path / "c" / label / "0", encoded(grey(0), kind))
        put(tmp_path / "c" / label / "1", encoded(coloured(1)))
    assert are_grey(find_images([tmp_path / "c"]))
    assert are_grey(find_images([zipped(tmp_path / "c", tmp_path / "c.zip")]))


def test_one_file_in_colour_makes_all_of_them_coloured(tmp_path: Path) -> None:
    put(tmp_path / "c" / "一" / "0.png", encoded(grey(0)))
    put(tmp_path / "c" / "丁" / "0.png", encoded(photo(0)))
    assert not are_grey(find_images([tmp_path / "c"]))


def test_a_thin_stroke_of_colour_is_colour(tmp_path: Path) -> None:
    image = np.full((32, 32, 3), 255, np.uint8)
    image[4, 4:24, 1:] = 0
    put(tmp_path / "c" / "一" / "0.png", encoded(image))
    assert not are_grey(find_images([tmp_path / "c"]))


def test_damaged_files_are_passed_over(tmp_path: Path) -> None:
    put(tmp_path / "c" / "一" / "0.png", b"text")
    assert not are_grey(find_images([tmp_path / "c"]))
    put(tmp_path / "c" / "丁" / "0.png", encoded(grey(0)))
    assert are_grey(find_images([tmp_path / "c"]))


def test_arrays_are_no_files(tmp_path: Path) -> None:
    assert not are_grey(find_images([write_digits(tmp_path)]))
