"""A preset's name, and changes to it, as a Recipe: everything that decides a training run."""

from hwgen.generators.gan.presets.recipe import (
    LOSSES,
    DiscriminatorSpec,
    GeneratorSpec,
    Loss,
    Optimizer,
    Recipe,
    Stage,
    Warp,
    change,
    completed,
    recipe_from_json,
    recipe_to_json,
)
from hwgen.generators.gan.presets.table import ABOUT, PRESETS, loss_name, loss_named, preset

__all__ = [
    "ABOUT",
    "LOSSES",
    "PRESETS",
    "DiscriminatorSpec",
    "GeneratorSpec",
    "Loss",
    "Optimizer",
    "Recipe",
    "Stage",
    "Warp",
    "change",
    "completed",
    "loss_name",
    "loss_named",
    "preset",
    "recipe_from_json",
    "recipe_to_json",
]
