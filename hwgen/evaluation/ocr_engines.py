"""In: pictures. Out: the texts that an OCR engine, which knows none of our data, reads in them."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from hwgen.errors import InputError
from hwgen.names import suggest
from hwgen.record import Image

BATCH = 32
"""Pictures that an engine reads at once."""


class OcrEngine(Protocol):
    """An independent reader of single characters."""

    name: str

    def __call__(self, images: Image) -> list[str]:
        """The text in each picture, uint8 [n, h, w] or [n, h, w, 3]; "" where none is found."""


class RapidOcr:
    """PP-OCR's recogniser by RapidOCR, whose package carries the weights; no detection.

    The network wants lines 48 pixels high. A single character is given to it as a line of twice
    its width: alone or on the usual 320 pixels it is read less well or at a fourth of the speed.
    """

    name = "rapidocr"

    def __init__(self) -> None:
        try:
            from rapidocr import RapidOCR
        except ImportError as error:
            raise InputError(
                f"the reader rapidocr is not installed ({error})",
                remedy="Install it with: pip install 'hwgen[rapidocr]'",
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
        found = self._engine.recognize_txt(list(colour)).txts
        return [text.strip() for text in found]


OCR_ENGINES = {RapidOcr.name: RapidOcr}


def load_ocr_engine(name: str) -> OcrEngine:
    """The reader of this name.

    Raises:
        InputError: it is unknown or not installed.
    """
    if name not in OCR_ENGINES:
        raise InputError(f"no reader {name!r}", remedy=suggest(name, OCR_ENGINES))
    return OCR_ENGINES[name]()
