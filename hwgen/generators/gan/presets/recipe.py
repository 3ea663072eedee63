"""Recipe of a GAN: an adversarial recipe whose generator starts from noise and a label.

One family of networks covers all presets: G doubles the size of a small map, D halves it again;
28 = 7 x 2^2, 32 = 4 x 2^3, 64 = 4 x 2^4, 112 = 7 x 2^4.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from hwgen.errors import InputError
from hwgen.generators.adversarial import recipe as adversarial
from hwgen.generators.adversarial.recipe import (
    AdversarialRecipe,
    Stage,
    network_rules,
    recipe_to_json,
)


@dataclass(frozen=True)
class GeneratorSpec:
    """Generator: (z, Φ(y)) -> (linear) -> linear -> start map -> stages -> (linear) -> image.

    Attributes:
        z_dim: width of the noise z.
        z: "uniform" in (-1, 1) as the authors, or "normal".
        label_dim: width of Φ(y); Φ is G's own.
        label_sd: standard deviation of Φ's initial weights. If it is large, G ignores z and does
            not learn to use it later.
        label: "input": Φ(y) is concatenated to z only; "concat": to the input of every layer.
        hidden: width of a linear layer before the first map; 0 for none.
        start: channels and size of the first map.
        stages: up-convolutions; none with head "linear" makes G a multilayer perceptron.
        head: last layer, without a norm: "stage", the last stage; "linear", an additional linear
            layer on the whole last map.
        upsampling: "deconv" (transposed convolution) or "nearest" (then a convolution).
        norm: "batch", "conditional" (batch norm whose gain and bias are linear in (z, Φ(y))),
            or "none".
        start_norm: features of the first map for batch norm: "number", each number, as in the
            authors' networks for characters; "channel", as in those for scenes.
        output: "sigmoid" for a range of [0, 1], "tanh" for [-1, 1].
    """

    start: tuple[int, int]
    stages: tuple[Stage, ...]
    z_dim: int = 1024
    z: Literal["uniform", "normal"] = "uniform"
    label_dim: int = 256
    label_sd: float = 0.02
    label: Literal["input", "concat"] = "input"
    hidden: int = 0
    head: Literal["stage", "linear"] = "stage"
    upsampling: Literal["deconv", "nearest"] = "deconv"
    norm: Literal["batch", "conditional", "none"] = "batch"
    start_norm: Literal["number", "channel"] = "number"
    output: Literal["sigmoid", "tanh"] = "tanh"


@dataclass(frozen=True, kw_only=True)
class Recipe(AdversarialRecipe):
    """All settings of a run of a GAN, apart from the data and the seed; see AdversarialRecipe.

    Attributes:
        generator: G.
    """

    generator: GeneratorSpec

    def __post_init__(self) -> None:
        super().__post_init__()
        side = self.generator.start[1]
        for stage in self.generator.stages:
            side *= stage.stride
        if self.generator.head == "linear":
            return
        channels = self.generator.stages[-1].channels
        if (channels, side) != (self.channels, self.size):
            raise InputError(
                f"the generator of {self.preset} makes {side}x{side} images with "
                f"{channels} channels, the recipe has {self.size} and {self.channels}"
            )

    def _rules(self) -> list[tuple[str, bool]]:
        g = self.generator
        channels, size = g.start
        return [
            (
                "generator.stages must not be empty unless generator.head is linear",
                bool(g.stages) or g.head == "linear",
            ),
            *network_rules(g.stages, size=size, widths=(channels, g.z_dim, g.label_dim, g.hidden)),
            *super()._rules(),
            (
                "a deconv's kernel must be at least its stride",
                g.upsampling == "nearest" or all(s.kernel >= s.stride for s in g.stages),
            ),
            (
                "generator.start, z_dim and label_dim must be at least 1",
                min(channels, size, g.z_dim, g.label_dim) >= 1,
            ),
            (
                "pixels must be 0 and 1 with a sigmoid, -1 and 1 with tanh",
                {self.pixels.paper, self.pixels.ink}
                == ({0.0, 1.0} if g.output == "sigmoid" else {-1.0, 1.0}),
            ),
            ("batch norm needs a batch of at least 2", self.batch > 1 or g.norm != "batch"),
        ]


def recipe_from_json(value: Mapping[str, Any]) -> Recipe:
    """The recipe that `recipe_to_json` wrote.

    Raises:
        InputError: a field is missing, unknown, or of the wrong type.
    """
    return adversarial.recipe_from_json(Recipe, value)


def completed(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """A recipe's JSON with the defaults of fields that an older version did not have.

    Raises:
        InputError: it is not a valid recipe.
    """
    return recipe_to_json(recipe_from_json(recipe))
