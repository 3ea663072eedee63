from dataclasses import replace

import pytest

from hwgen.errors import InputError
from hwgen.generators.adversarial.recipe import change_by_name, recipe_to_json
from hwgen.generators.refiner.recipe import ABOUT, PRESETS, RefinerRecipe, recipe_from_json
from hwgen.pixel_range import PixelRange


@pytest.mark.parametrize("name", PRESETS)
def test_presets_survive_json_and_are_described(name: str) -> None:
    assert recipe_from_json(recipe_to_json(PRESETS[name])) == PRESETS[name]
    assert PRESETS[name].size == int(name.split("-")[1])
    assert ABOUT[name]


def test_the_loss_is_least_squares_with_labels_by_projection() -> None:
    recipe = PRESETS["refiner-32"]
    assert (recipe.loss.kind, recipe.loss.a, recipe.loss.b, recipe.loss.c) == ("lsgan", 0, 1, 1)
    assert recipe.discriminator.label == "projection"


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"generator.widths": "[8]"}, "generator.widths must be 2 to"),
        ({"generator.widths": "[8, 8]"}, r"size must be 4 \* 2\^2"),
        ({"generator.flow": "1.5"}, "flow must be from 0 to 1"),
        ({"generator.z_dim": "0"}, "z_dim must be from 1"),
        ({"hands": "0"}, "hands must be from 1"),
        ({"held_out": "1"}, "held_out must be at least 0 and below 1"),
        ({"margin": "16"}, "margin must be"),
        ({"margin": "2", "stretch": "true"}, "margin must be"),
        ({"conditional": "false"}, "a refiner needs conditional"),
        ({"hand": "3"}, "Did you mean hands"),
    ],
)
def test_impossible_recipes_are_refused(changes: dict[str, str], error: str) -> None:
    with pytest.raises(InputError, match=error):
        change_by_name(PRESETS["refiner-32"], changes)


def test_white_ink_on_black_is_refused(recipe: RefinerRecipe) -> None:
    with pytest.raises(InputError, match="pixels from 1"):
        replace(recipe, pixels=PixelRange(paper=-1.0, ink=1.0))


def test_simulated_images_are_framed_as_the_recipe_says(recipe: RefinerRecipe) -> None:
    assert recipe.framing.margin == 1
    assert replace(recipe, margin=3).framing.margin == 3
    stretched = replace(recipe, stretch=True).framing
    assert (stretched.margin, stretched.stretch) == (0, True)
