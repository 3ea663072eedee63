"""A preset's name, and changes to it, as a Recipe: everything that decides a training run."""

from hwgen.presets.fields import (
    changed,
    differences,
    flatten,
    from_json,
)
from hwgen.presets.recipe import (
    LOSSES,
    MOST_SIDE,
    MOST_STAGES,
    MOST_WIDTH,
    DiscriminatorSpec,
    GeneratorSpec,
    Loss,
    Optimizer,
    PixelRange,
    Recipe,
    Stage,
    Warp,
    change,
    completed,
    recipe_from_json,
    recipe_to_json,
)
from hwgen.presets.table import (
    ABOUT,
    PRESETS,
    loss_named,
    preset,
)

__all__ = [
    "ABOUT",
    "LOSSES",
    "MOST_SIDE",
    "MOST_STAGES",
    "MOST_WIDTH",
    "PRESETS",
    "DiscriminatorSpec",
    "GeneratorSpec",
    "Loss",
    "Optimizer",
    "PixelRange",
    "Recipe",
    "Stage",
    "Warp",
    "change",
    "changed",
    "completed",
    "differences",
    "flatten",
    "from_json",
    "loss_named",
    "preset",
    "recipe_from_json",
    "recipe_to_json",
]
