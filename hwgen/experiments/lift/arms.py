"""The arms of a lift: the ways to train a recogniser on the same real samples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Arm:
    """One way to train.

    Attributes:
        augmented: with classical augmentation.
        synthetic: with synthetic samples in the batches.
        pretrained: from the weights of a recogniser of other characters.
    """

    augmented: bool
    synthetic: bool
    pretrained: bool = False


ARMS: Mapping[str, Arm] = {
    "none": Arm(augmented=False, synthetic=False),
    "classical": Arm(augmented=True, synthetic=False),
    "synthetic": Arm(augmented=False, synthetic=True),
    "classical+synthetic": Arm(augmented=True, synthetic=True),
    "pretrained": Arm(augmented=True, synthetic=False, pretrained=True),
    "pretrained+synthetic": Arm(augmented=True, synthetic=True, pretrained=True),
}
"""All arms. The first four use nothing but the real samples of the trial."""
