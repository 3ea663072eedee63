import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from hwgen.errors import InputError
from hwgen.evaluation.ocr_engines import load_ocr_engine


class StandIn:
    """The part of rapidocr.RapidOCR that hwgen uses."""

    def __init__(self, params: dict[str, Any]) -> None:
        assert params["Rec.rec_img_shape"] == [3, 48, 96]

    def recognize_txt(self, images: list[np.ndarray]) -> SimpleNamespace:
        assert all(image.shape == (16, 16, 3) and image.dtype == np.uint8 for image in images)
        assert all((image == image[..., :1]).all() for image in images)
        return SimpleNamespace(txts=tuple(f" {image[0, 0, 0]} " for image in images))


@pytest.fixture
def _installed(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("rapidocr")
    module.RapidOCR = StandIn  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "rapidocr", module)


@pytest.mark.usefixtures("_installed")
@pytest.mark.parametrize("shape", [(3, 16, 16), (3, 16, 16, 3)])
def test_grey_and_colour_images_are_read(shape: tuple[int, ...]) -> None:
    reader = load_ocr_engine("rapidocr")
    images = np.zeros(shape, np.uint8)
    images[1], images[2] = 7, 9
    assert reader(images) == ["0", "7", "9"]
    assert reader.name == "rapidocr"


def test_a_missing_package_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rapidocr", None)
    with pytest.raises(InputError, match=r"pip install .*rapidocr"):
        load_ocr_engine("rapidocr")


def test_an_unknown_engine_is_refused() -> None:
    with pytest.raises(InputError, match="Known: rapidocr"):
        load_ocr_engine("tea leaves")
