"""Parameters and memory of a training, before it starts."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from hwgen.generators.adversarial.interface import Build
from hwgen.generators.adversarial.layers import parameter_count
from hwgen.generators.adversarial.recipe import AdversarialRecipe
from hwgen.store import Store


@dataclass(frozen=True)
class Plan:
    """Parameters, epochs and memory of a training; float32 weights, without activations.

    Attributes:
        parameters_g: of the generator.
        parameters_d: of the discriminator.
        epochs: passes over the store.
        state_bytes: weights, gradients, the optimisers' state, the moving average.
        images_bytes: the store's images as uint8 at the recipe's size.
        checkpoint_bytes: of checkpoint.safetensors.
        snapshot_bytes: of each file in weights/.
    """

    parameters_g: int
    parameters_d: int
    epochs: float
    state_bytes: int
    images_bytes: int
    checkpoint_bytes: int
    snapshot_bytes: int

    def in_words(
        self, recipe: AdversarialRecipe, *, pretrained: bool = False
    ) -> list[tuple[str, str]]:
        """Names and figures, to print; a run that starts from another one has its recogniser."""
        first = 0 if pretrained else recipe.discriminator.recogniser_steps
        return [
            ("parameters of G", f"{self.parameters_g:,}"),
            ("parameters of D", f"{self.parameters_d:,}"),
            *([("steps of D's recogniser, first", f"{first:,}")] if first else []),
            ("steps", f"{recipe.steps:,}"),
            ("epochs", f"{self.epochs:.1f}"),
            ("memory: weights, optimiser, average", f"{self.state_bytes / 2**20:,.0f} MiB"),
            ("memory: images", f"{self.images_bytes / 2**20:,.0f} MiB"),
            ("disk: checkpoint", f"{self.checkpoint_bytes / 2**20:,.0f} MiB"),
            ("disk: each snapshot", f"{self.snapshot_bytes / 2**20:,.0f} MiB"),
        ]


def count_parameters(build: Build, recipe: AdversarialRecipe, classes: int) -> tuple[int, int]:
    """Parameters of G and of D, without allocating them."""
    with torch.device("meta"):
        g, d = build(recipe, classes, None)
    return parameter_count(g), parameter_count(d)


def state_bytes(recipe: AdversarialRecipe, g: int, d: int) -> int:
    """Bytes of weights, gradients and optimisers for numbers of parameters of G and D."""
    moments = 2 if recipe.optimizer.kind == "adam" else 1
    return 4 * ((2 + moments) * (g + d) + (g if recipe.ema else 0))


def plan(build: Build, recipe: AdversarialRecipe, *stores: Store) -> Plan:
    """See Plan; of the stores that are trained on."""
    g, d = count_parameters(build, recipe, sum(len(store.charset) for store in stores))
    count = sum(map(len, stores))
    return Plan(
        parameters_g=g,
        parameters_d=d,
        epochs=recipe.steps * recipe.batch / max(1, count),
        state_bytes=state_bytes(recipe, g, d),
        images_bytes=count * recipe.channels * recipe.size**2,
        # Everything but the gradients.
        checkpoint_bytes=state_bytes(recipe, g, d) - 4 * (g + d),
        snapshot_bytes=4 * g,
    )
