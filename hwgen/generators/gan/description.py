"""A GAN's recipe in words, for reports."""

from __future__ import annotations

from hwgen.generators.adversarial import description
from hwgen.generators.descriptions import Facts
from hwgen.generators.gan.presets import PRESETS, Recipe


def facts(recipe: Recipe, classes: int) -> Facts:
    """Number of parameters."""
    # Imported here because it imports torch, which a page without a run does not need.
    from hwgen.generators.gan.estimate import count_parameters

    g, d = count_parameters(recipe, classes)
    return [("Parameters", f"generator {g:,}, discriminator {d:,}")]


def recipe_in_words(recipe: Recipe) -> Facts:
    """The recipe's settings.

    Args:
        recipe: of the run.
    """
    g = recipe.generator
    of_generator = [
        ("Noise z", f"{g.z_dim} numbers, {g.z}"),
        ("Label", _condition(recipe)),
        ("Generator", f"{len(g.stages)} stages, {g.upsampling} upsampling, norm {g.norm}"),
    ]
    return description.recipe_in_words(recipe, PRESETS, of_generator)


def _condition(recipe: Recipe) -> str:
    g, d = recipe.generator, recipe.discriminator
    if not recipe.conditional:
        return "none: trained without labels"
    if d.label == "projection":
        return f"Φ, {g.label_dim} wide, into G; projection in D"
    into = "every layer of G" if g.label == "concat" else "G"
    but = "" if d.label_on_image else " but the first"
    return f"Φ, {g.label_dim} wide into {into}, {d.label_dim} wide into every layer of D{but}"
