"""Recipe of a deformation model: all settings of a training run, and named presets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from hwgen.errors import InputError
from hwgen.pixel_range import PixelRange
from hwgen.schema import MAX_SIZE, MAX_WIDTH, from_json


@dataclass(frozen=True)
class DeformationRecipe:
    """All settings of a run, apart from the data and the seed.

    Attributes:
        size: width and height of the training images, pixels; larger ones are averaged down. The
            trained model deforms images of any size.
        z_dim: width of the noise z, which selects a deformation.
        width: channels of the narrowest convolutions.
        grid: control points of a displacement field per axis.
        kl: weight of the Kullback-Leibler term. A smaller weight keeps more detail of a deformation
            in z, but its distribution differs more from the normal one that is sampled.
        smoothness: weight of the squared differences between neighbouring control points.
        batch: pairs per step.
        steps: training steps.
        lr: Adam's maximum learning rate; 200 steps of warm-up, then half a cosine to 0.
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
                f"invalid recipe: size {self.size} with grid {self.grid}",
                remedy="The size must be a multiple of 8, at least 16, and grid a quarter of it",
            )
        if self.size > MAX_SIZE or max(self.z_dim, self.width) > MAX_WIDTH:
            raise InputError(
                f"a deformation recipe's size is at most {MAX_SIZE:,}, its z_dim and width "
                f"{MAX_WIDTH:,}"
            )
        if self.lr <= 0:
            raise InputError(f"a deformation recipe's lr must be above 0, found {self.lr:g}")
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
    "deformation-32": "Learns how handwriting varies, and deforms real samples, of any size.",
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
