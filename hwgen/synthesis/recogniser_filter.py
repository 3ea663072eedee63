"""A filter of samples that accepts those that a recogniser reads as their label."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from hwgen.charset import Charset
from hwgen.errors import InputError
from hwgen.recogniser.class_mapping import map_classes
from hwgen.recogniser.loading import load_reader
from hwgen.recogniser.reader import ClassIds, Probabilities
from hwgen.record import Image

MIN_CONFIDENCE, MIN_MARGIN = 0.7, 0.0
"""Raise the purity of samples of 89 classes from 95 % to over 99 % by a second recogniser, at an
acceptance of 85 %; so does a margin of 0.6 alone.
"""


class RecogniserFilter:
    """Accepts samples that are read as their label with enough confidence and margin.

    Args:
        file: of a recogniser, or an ONNX classifier; its hash is in `settings`.
        charset: class order of the samples. The recogniser may know more characters; a sample that
            it reads as one of those is rejected.
        class_ids: classes of the samples; None for all.
        size: of the samples, pixels.
        channels: of the samples.
        device: where the recogniser runs.
        min_confidence: lowest probability of the label, in [0, 1].
        min_margin: lowest difference to the highest probability of another class, in [0, 1].

    Attributes:
        recogniser: loaded from the file.

    Raises:
        CharsetError: the recogniser does not know all characters; the message lists them.
        InputError: the samples are too small for the recogniser or have other channels, or a
            threshold is out of range.
        RunError: the file does not hold a recogniser.
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
                f"confidence and margin must be between 0 and 1, found {min_confidence} and "
                f"{min_margin}"
            )
        self.recogniser = load_reader(file, device)
        self.recogniser.check(size, channels)
        self._places = map_classes(self.recogniser, charset, class_ids)
        self._min_confidence, self._min_margin = min_confidence, min_margin

    @property
    def settings(self) -> Mapping[str, Any]:
        """Hash of the recogniser, facts about a classifier of the user, and the thresholds.

        The file's name is left out, so that a renamed file resumes, and finds a finished set.
        """
        facts = {name: fact for name, fact in self.recogniser.facts.items() if name != "file"}
        return {
            "recogniser": self.recogniser.sha256,
            **({"classifier": facts} if facts else {}),
            "min_confidence": self._min_confidence,
            "min_margin": self._min_margin,
        }

    def __call__(self, images: Image, class_ids: ClassIds) -> npt.NDArray[np.bool_]:
        """Whether each sample is accepted, bool [N].

        Args:
            images: uint8 [N, S, S(, 3)].
            class_ids: int64 [N], positions in `charset`.
        """
        confidence, margin = certainty(self.recogniser.read(images), self._places[class_ids])
        # A margin of 0 is a tie with another class.
        return (margin > 0) & (confidence >= self._min_confidence) & (margin >= self._min_margin)


def certainty(
    probabilities: Probabilities, labels: ClassIds
) -> tuple[Probabilities, Probabilities]:
    """Confidence and margin of the labels, float32 [N] each.

    Args:
        probabilities: float32 [N, classes].
        labels: int64 [N], positions in the recogniser's charset.

    Returns:
        The label's probability, and its difference to the highest of the other classes: negative
        where another class is read.
    """
    rows = np.arange(len(labels))
    confidence = probabilities[rows, labels]
    others = probabilities.copy()
    others[rows, labels] = 0
    return confidence, confidence - others.max(axis=1, initial=0)
