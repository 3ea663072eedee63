"""D of a recipe, and its initial weights."""

from __future__ import annotations

from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

from hwgen.generators.adversarial.d_recogniser import untrained_maps
from hwgen.generators.adversarial.discriminator import SLOPE, AnyDiscriminator, Discriminator
from hwgen.generators.adversarial.feature_discriminator import FeatureDiscriminator
from hwgen.generators.adversarial.layers import LabelMap, initialise
from hwgen.generators.adversarial.recipe import AdversarialRecipe
from hwgen.recogniser.feature_maps import FeatureMaps


def build_discriminator(
    recipe: AdversarialRecipe, classes: int, maps: FeatureMaps | None = None
) -> AnyDiscriminator:
    """D of a recipe, on the CPU; `initialise_discriminator` gives it its initial weights.

    Args:
        recipe: of the run.
        classes: number of classes.
        maps: what D sees, if the recipe has `recogniser_steps`; None for a D that is only counted.
    """
    spec = recipe.discriminator
    if spec.recogniser_steps:
        return FeatureDiscriminator(spec, maps or untrained_maps(recipe, classes), classes)
    return Discriminator(spec, recipe.channels, recipe.size, classes if recipe.conditional else 0)


def initialise_discriminator(d: AnyDiscriminator, recipe: AdversarialRecipe) -> None:
    """Initialise the weights of D from torch's global seed, and add its spectral norm."""
    initialise(d, recipe.init, slope=SLOPE)
    if isinstance(d, FeatureDiscriminator):
        d.initialise_classes()
    if recipe.discriminator.norm == "spectral":
        for part in d.modules():
            if isinstance(part, nn.Conv2d | nn.Linear | LabelMap):
                spectral_norm(part)
