"""G of a refiner as training sees it: noise and labels to images, by way of simulated images."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hwgen.data import to_float
from hwgen.generators.adversarial.build import build_discriminator, initialise_discriminator
from hwgen.generators.adversarial.discriminator import AnyDiscriminator
from hwgen.generators.adversarial.interface import AdversarialGenerator
from hwgen.generators.refiner.domains import Rows
from hwgen.generators.refiner.network import RefinerNet
from hwgen.generators.refiner.recipe import RefinerRecipe
from hwgen.recogniser.feature_maps import FeatureMaps


class RefinerGenerator(AdversarialGenerator):
    """A RefinerNet that starts from the simulated images of the label's class.

    Args:
        recipe: see RefinerRecipe.
        simulated: uint8 [rows, hands, S, S], 255 is paper; shared with copies, not saved.
        rows: the row and the domain of each class; None where the classes of one domain are the
            rows.
    """

    def __init__(self, recipe: RefinerRecipe, simulated: Tensor, rows: Rows | None = None) -> None:
        super().__init__()
        self.recipe, self.simulated, self.rows = recipe, simulated, rows
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
        row, domain = y, None
        if self.rows is not None:
            row, domain = self.rows.images[y], self.rows.domains[y]
        x = to_float(self.simulated[row, hand][:, None], self.recipe.pixels)
        images: Tensor = self.net(x, z[:, :-1], domain)
        return images

    def sample_noise(self, count: int, generator: torch.Generator) -> Tensor:
        """See AdversarialGenerator."""
        device = generator.device
        z = torch.randn((count, self.recipe.generator.z_dim), generator=generator, device=device)
        return torch.cat([z, torch.rand((count, 1), generator=generator, device=device)], dim=1)

    def __deepcopy__(self, memo: dict[int, Any]) -> RefinerGenerator:
        memo[id(self.simulated)] = self.simulated
        memo[id(self.rows)] = self.rows
        copied = RefinerGenerator.__new__(RefinerGenerator)
        memo[id(self)] = copied
        copied.__dict__ = copy.deepcopy(self.__dict__, memo)
        return copied

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> RefinerGenerator:
        super()._apply(fn, recurse)
        device = next(self.parameters()).device
        self.simulated = self.simulated.to(device)
        self.rows = None if self.rows is None else self.rows.to(device)
        return self


class DomainLabelMap(nn.Module):
    """Φ of classes of several domains: a row for each class, plus one for its domain.

    Args:
        classes: Φ of the classes.
        domain: of each class, int64 [classes].
        domains: number of them.
        sd: standard deviation of their rows at the start.
    """

    def __init__(self, classes: nn.Module, domain: Tensor, domains: int, sd: float) -> None:
        super().__init__()
        (width,) = {p.shape[-1] for p in classes.parameters()}
        self.classes = classes
        self.weight = nn.Parameter(torch.randn(domains, width) * sd)
        self.domain: Tensor
        self.register_buffer("domain", domain, persistent=False)

    def forward(self, y: Tensor) -> Tensor:
        """Y int64 [N] -> [N, width]."""
        phi: Tensor = self.classes(y)
        return phi + F.embedding(self.domain[y], self.weight)


def fold_label_map(tensors: dict[str, Tensor], prefix: str, number: int, domains: int) -> None:
    """Turn weights of a DomainLabelMap into those of its `classes` for one domain, in place.

    The domain's row becomes part of the bias. Weights of other shapes, or of another network, are
    left as they are.

    Args:
        tensors: by name.
        prefix: of the map's.
        number: of the domain, from 0.
        domains: number of them.
    """
    rows, bias = (tensors.get(f"{prefix}{name}") for name in ("weight", "classes.bias"))
    if rows is None or bias is None or rows.shape != (domains, *bias.shape):
        return
    tensors[f"{prefix}classes.bias"] = bias + tensors.pop(f"{prefix}weight")[number]
    inside = f"{prefix}classes."
    for name in [name for name in tensors if name.startswith(inside)]:
        tensors[prefix + name.removeprefix(inside)] = tensors.pop(name)


def build(
    recipe: RefinerRecipe,
    classes: int,
    simulated: Tensor,
    rows: Rows | None = None,
    maps: FeatureMaps | None = None,
) -> tuple[RefinerGenerator, AnyDiscriminator]:
    """G and D of a recipe, initialised from torch's global seed, on the CPU."""
    g = RefinerGenerator(recipe, simulated, rows)
    d = build_discriminator(recipe, classes, maps)
    initialise_discriminator(d, recipe)
    if rows is not None:
        assert d.label_map is not None
        spec = recipe.discriminator
        d.label_map = DomainLabelMap(
            d.label_map, rows.domains, recipe.generator.domains, spec.label_sd
        )
    return g, d


def build_without_images(
    recipe: RefinerRecipe, classes: int, maps: FeatureMaps | None = None
) -> tuple[RefinerGenerator, AnyDiscriminator]:
    """G and D as `build`, to count parameters."""
    none = torch.zeros(classes, dtype=torch.int64)
    rows = Rows(none, none) if recipe.generator.domains > 1 else None
    images = torch.empty(0, recipe.hands, recipe.size, recipe.size)
    return build(recipe, classes, images, rows, maps)
