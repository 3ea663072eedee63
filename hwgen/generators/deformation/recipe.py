"""In: nothing. Out: all settings of a learnt deformation model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from hwgen.errors import InputError
from hwgen.record import PixelRange
from hwgen.schema import MAX_SIZE, MAX_WIDTH, from_json


@dataclass(frozen=True)
class DeformationRecipe:
    """Everything that decides a deformation model, but for the data and the seed.

    Attributes:
        size: side of the pictures that it learns from, pixels; a larger store is averaged down.
            What it has learnt deforms pictures of any size.
        z_dim: width of the noise that chooses a deformation.
        width: channels of the narrowest convolutions.
        grid: control points a side of a displacement field.
        kl: weight of the Kullback-Leibler term. Less keeps more detail of a deformation in z, and
            leaves z farther from the noise that is drawn later.
        smoothness: weight of the squared differences between neighbouring control points.
        batch: pairs a step.
        steps: optimiser steps.
        lr: Adam's highest rate; linear for 200 steps, then half a cosine to 0.
    """

    size: int = 32
    z_dim: int = 24
    width: int = 16
    grid: int = 8
    kl: float = 0.3
    smoothness: float = 5.0
    batch: int = 64
    steps: int = 2_000
    lr: float = 2e-3

    def __post_init__(self) -> None:
        if self.size % 8 or self.size < 16 or self.grid != self.size // 4:
            raise InputError(
                f"deformations of {self.grid} control points a side cannot be learnt from pictures "
                f"of {self.size} pixels",
                remedy="The size must be a multiple of 8, at least 16, and the grid a quarter",
            )
        if self.size > MAX_SIZE or max(self.z_dim, self.width) > MAX_WIDTH:
            raise InputError(
                f"a deformation recipe's size is at most {MAX_SIZE:,}, its z_dim and width "
                f"{MAX_WIDTH:,}"
            )
        if min(self.z_dim, self.width, self.batch, self.steps) < 1 or self.width % 2:
            raise InputError(
                "z_dim, width, batch and steps of a deformation recipe must be at least 1, and the "
                "width even"
            )


INK = PixelRange(paper=0.0, ink=1.0)
"""The range that the networks see."""

KIND = "deformation"
"""Run.kind of runs with such recipes."""

PRESETS: Mapping[str, DeformationRecipe] = {"deformation-32": DeformationRecipe()}
"""Named recipes."""

ABOUT: Mapping[str, str] = {
    "deformation-32": "Learns how writers bend characters, and bends real samples, of any size.",
}
"""What each is for."""


def recipe_to_json(recipe: DeformationRecipe) -> dict[str, Any]:
    """A recipe as plain JSON values."""
    return asdict(recipe)


def recipe_from_json(value: Mapping[str, Any]) -> DeformationRecipe:
    """The recipe that `recipe_to_json` wrote.

    Raises:
        InputError: a field is unknown or of the wrong type.
    """
    recipe: DeformationRecipe = from_json(DeformationRecipe, value, "deformation recipe")
    return recipe
