"""In: samples and their labels. Out: which of them a recogniser reads as their labels, and surely.

What hwgen.synthesis.synthesize.synthesize takes as `judge`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from hwgen.charset import Charset
from hwgen.compute.tensor_files import file_hash
from hwgen.errors import InputError
from hwgen.recogniser.class_mapping import check_readable, places_of
from hwgen.recogniser.inference import ClassIds, Probabilities, Recogniser
from hwgen.record import Image

MIN_CONFIDENCE, MIN_MARGIN = 0.7, 0.0
"""They make 95 % pure samples of 89 classes more than 99 % pure, as a second recogniser reads them,
at a yield of 85 %; a margin of 0.6 alone does the same.
"""


class RecogniserFilter:
    """A recogniser that lets pass what it reads as its label with enough confidence and margin.

    Args:
        file: a recogniser's; its hash names it in `settings`.
        charset: class order of the samples; the recogniser may know more characters, and a sample
            that it reads as one of those is rejected.
        class_ids: the classes that will be judged; None is all.
        size: side of the samples.
        channels: of the samples.
        device: where the recogniser works.
        min_confidence: least probability of the label, 0 to 1.
        min_margin: least distance to the probability of the next class, 0 to 1.

    Attributes:
        recogniser: the file's.

    Raises:
        CharsetError: names the characters that the recogniser does not know.
        InputError: the samples are too small for the recogniser or have other channels, or a
            threshold is none.
        RunError: the file is not a recogniser's.
    """

    def __init__(
        self,
        file: Path,
        charset: Charset,
        class_ids: Sequence[int] | None = None,
        *,
        size: int,
        channels: int,
        device: torch.device,
        min_confidence: float = MIN_CONFIDENCE,
        min_margin: float = MIN_MARGIN,
    ) -> None:
        if not (0 <= min_confidence <= 1 and 0 <= min_margin <= 1):
            raise InputError(
                f"confidence {min_confidence} and margin {min_margin} are not between 0 and 1"
            )
        self.recogniser = Recogniser.load(file, device)
        check_readable(self.recogniser, size, channels)
        self._places = places_of(self.recogniser, charset, class_ids)
        self._min_confidence, self._min_margin = min_confidence, min_margin
        self._hash = file_hash(file)

    @property
    def settings(self) -> Mapping[str, Any]:
        """What decides: the recogniser's hash and the thresholds."""
        return {
            "recogniser": self._hash,
            "min_confidence": self._min_confidence,
            "min_margin": self._min_margin,
        }

    def __call__(self, images: Image, class_ids: ClassIds) -> npt.NDArray[np.bool_]:
        """Which pass, bool [N].

        Args:
            images: uint8 [N, S, S(, 3)].
            class_ids: int64 [N], places in `charset`.
        """
        confidence, margin = certainty(self.recogniser.read(images), self._places[class_ids])
        # Nothing is read as its label that is level with another.
        return (margin > 0) & (confidence >= self._min_confidence) & (margin >= self._min_margin)


def certainty(
    probabilities: Probabilities, labels: ClassIds
) -> tuple[Probabilities, Probabilities]:
    """Confidence and margin of the labels, float32 [N] each.

    Args:
        probabilities: float32 [N, classes].
        labels: int64 [N], places in the recogniser's charset.

    Returns:
        The label's probability, and its distance from that of the best other class: below 0 where
        that one is read.
    """
    rows = np.arange(len(labels))
    confidence = probabilities[rows, labels]
    others = probabilities.copy()
    others[rows, labels] = 0
    return confidence, confidence - others.max(axis=1, initial=0)
