"""Recipes of GANs: all settings of a training run, and named presets."""

from hwgen.generators.adversarial.recipe import (
    LOSSES,
    DiscriminatorSpec,
    Loss,
    Optimizer,
    Stage,
    Warp,
    change,
    loss_name,
    loss_named,
    recipe_to_json,
)
from hwgen.generators.gan.presets.recipe import (
    GeneratorSpec,
    Recipe,
    completed,
    recipe_from_json,
)
from hwgen.generators.gan.presets.table import ABOUT, PRESETS, preset

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
