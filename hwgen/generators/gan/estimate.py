"""Parameters and memory of a GAN, before its training starts."""

from __future__ import annotations

from hwgen.generators.adversarial import estimate
from hwgen.generators.adversarial.estimate import Plan
from hwgen.generators.gan.networks import build
from hwgen.generators.gan.presets import Recipe
from hwgen.store import Store


def count_parameters(recipe: Recipe, classes: int) -> tuple[int, int]:
    """Parameters of G and of D, without allocating them."""
    return estimate.count_parameters(build, recipe, classes)


def plan(recipe: Recipe, store: Store) -> Plan:
    """See Plan."""
    return estimate.plan(build, recipe, store)
