"""OCR engines that were not trained on the evaluated data, as readers of single characters."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from hwgen.errors import InputError
from hwgen.record import Image
from hwgen.requirements import install_extra
from hwgen.suggestions import suggest

BATCH = 32
"""Images per call of an engine."""


class OcrEngine(Protocol):
    """An independent reader of single characters."""

    name: str

    def __call__(self, images: Image) -> list[str]:
        """The text in each image, uint8 [n, h, w] or [n, h, w, 3]; "" where none is found."""


class RapidOcr:
    """PP-OCR's text recogniser in RapidOCR, without detection; its wheel includes the weights.

    The network expects lines 48 pixels high. A single character is read best in a line of twice
    its height: a square is read less well, and the usual 320 pixels take four times as long.

    Raises:
        InputError: rapidocr is not installed.
    """

    name = "rapidocr"

    def __init__(self) -> None:
        try:
            from rapidocr import RapidOCR
        except ImportError as error:
            raise InputError(
                f"the OCR engine rapidocr is not installed ({error})",
                remedy=f"Install it with: {install_extra('rapidocr')}",
            ) from None
        settings = {
            "Global.log_level": "error",
            "Rec.rec_batch_num": BATCH,
            "Rec.rec_img_shape": [3, 48, 96],
        }
        self._engine = RapidOCR(params=settings)

    def __call__(self, images: Image) -> list[str]:
        """See OcrEngine."""
        colour = np.repeat(images[..., None], 3, axis=3) if images.ndim == 3 else images
        result = self._engine.recognize_txt(list(colour)).txts
        return [text.strip() for text in result]


OCR_ENGINES = {RapidOcr.name: RapidOcr}


def load_ocr_engine(name: str) -> OcrEngine:
    """The OCR engine of this name.

    Raises:
        InputError: the name is unknown, or the engine is not installed.
    """
    if name not in OCR_ENGINES:
        raise InputError(f"unknown OCR engine {name!r}", remedy=suggest(name, OCR_ENGINES))
    return OCR_ENGINES[name]()
