import base64
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PilImage

from hwgen.report.images import read_image, sheet


def decode(uri: str) -> np.ndarray:
    head, data = uri.split(",")
    assert head == "data:image/png;base64"
    return np.asarray(PilImage.open(io.BytesIO(base64.b64decode(data))))


def test_a_sheet_in_reading_order_on_paper() -> None:
    images = np.stack([np.full((4, 4), v, np.uint8) for v in (10, 20, 30)])
    out = decode(sheet(images, columns=2))
    assert out.shape == (9, 9)
    assert (out[0, 0], out[0, 5], out[5, 0]) == (10, 20, 30)
    assert (out[4] == 255).all()
    assert (out[5:, 5:] == 255).all()


def test_a_colour_sheet() -> None:
    images = np.zeros((2, 4, 4, 3), np.uint8)
    assert decode(sheet(images, columns=2)).shape == (4, 9, 3)


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA"])
def test_images_of_any_kind_are_read(tmp_path: Path, mode: str) -> None:
    file = tmp_path / "grid.png"
    PilImage.new(mode, (6, 4)).save(file)
    uri = read_image(file)
    assert uri is not None
    assert decode(uri).shape[:2] == (4, 6)


def test_a_large_image_is_averaged_down(tmp_path: Path) -> None:
    PilImage.new("L", (3200, 1600)).save(tmp_path / "grid.png")
    uri = read_image(tmp_path / "grid.png")
    assert uri is not None
    assert decode(uri).shape == (800, 1600)


@pytest.mark.parametrize("content", [None, b"", b"GIF89a", b"\x89PNG\r\n\x1a\n"])
def test_files_that_are_not_images_give_none(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "grid.png"
    if content is not None:
        file.write_bytes(content)
    assert read_image(file) is None
