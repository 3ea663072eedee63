"""G of a refiner as training sees it: noise and labels to images, by way of simulated images."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from hwgen.data import to_float
from hwgen.generators.adversarial.discriminator import SLOPE, Discriminator
from hwgen.generators.adversarial.interface import AdversarialGenerator
from hwgen.generators.adversarial.layers import initialise
from hwgen.generators.refiner.network import RefinerNet
from hwgen.generators.refiner.recipe import RefinerRecipe


class RefinerGenerator(AdversarialGenerator):
    """A RefinerNet that starts from the simulated images of the label's class.

    Args:
        recipe: see RefinerRecipe.
        simulated: uint8 [classes, hands, S, S], 255 is paper; shared with copies, not saved.
    """

    def __init__(self, recipe: RefinerRecipe, simulated: Tensor) -> None:
        super().__init__()
        self.recipe, self.simulated = recipe, simulated
        self.net = RefinerNet(recipe.generator, recipe.size)

    def forward(
        self, z: Tensor, y: Tensor | None = None, label_weight: float | Tensor = 1.0
    ) -> Tensor:
        """Refine a simulated image of each label.

        Args:
            z: float [N, z_dim + 1]; the last number, in [0, 1), chooses the simulated hand.
            y: int64 [N].
            label_weight: has no effect: the network sees no label.

        Returns:
            float32 [N, 1, S, S], 1 is paper, -1 full ink.
        """
        assert y is not None
        hands = self.simulated.shape[1]
        hand = (z[:, -1] * hands).long().clamp_(max=hands - 1)
        images: Tensor = self.net(
            to_float(self.simulated[y, hand][:, None], self.recipe.pixels), z[:, :-1]
        )
        return images

    def sample_noise(self, count: int, generator: torch.Generator) -> Tensor:
        """See AdversarialGenerator."""
        device = generator.device
        z = torch.randn((count, self.recipe.generator.z_dim), generator=generator, device=device)
        return torch.cat([z, torch.rand((count, 1), generator=generator, device=device)], dim=1)

    def __deepcopy__(self, memo: dict[int, Any]) -> RefinerGenerator:
        memo[id(self.simulated)] = self.simulated
        copied = RefinerGenerator.__new__(RefinerGenerator)
        memo[id(self)] = copied
        copied.__dict__ = copy.deepcopy(self.__dict__, memo)
        return copied

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> RefinerGenerator:
        super()._apply(fn, recurse)
        self.simulated = self.simulated.to(next(self.parameters()).device)
        return self


def build(
    recipe: RefinerRecipe, classes: int, simulated: Tensor
) -> tuple[RefinerGenerator, Discriminator]:
    """G and D of a recipe, initialised from torch's global seed, on the CPU."""
    g = RefinerGenerator(recipe, simulated)
    d = Discriminator(recipe.discriminator, recipe.channels, recipe.size, classes)
    initialise(d, recipe.init, slope=SLOPE)
    return g, d


def build_without_images(
    recipe: RefinerRecipe, classes: int
) -> tuple[RefinerGenerator, Discriminator]:
    """G and D as `build`, to count parameters."""
    return build(recipe, classes, torch.empty(0, recipe.hands, recipe.size, recipe.size))
