from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hwgen.errors import InputError, RecipeChangedError
from hwgen.generators.adversarial.recipe import change_by_name, recipe_to_json
from hwgen.generators.base import get_kind
from hwgen.generators.refiner.recipe import ABOUT, PRESETS, RefinerRecipe, recipe_from_json
from hwgen.pixel_range import PixelRange
from hwgen.runs import begin_or_continue
from tests.generators.refiner.test_training import store_of
from tests.generators.refiner.toy import ToyStrokes


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


def test_a_quick_try_has_a_shorter_training_of_the_recogniser() -> None:
    def steps(name: str, **changes: str) -> int:
        given = {key.replace("__", "."): value for key, value in changes.items()}
        made: RefinerRecipe = get_kind("refiner").recipe(name, given)
        return made.discriminator.recogniser_steps

    # From a tenth of the preset's images on it is as long as ever.
    assert {steps("refiner-32", images=str(n)) for n in (32_000, 64_000, 640_000)} == {5_000}
    assert get_kind("refiner").recipe("refiner-32", {}) == PRESETS["refiner-32"]
    short = [steps("refiner-32", images=str(n)) for n in (31_936, 6_400, 640, 64)]
    assert short == [4_990, 1_000, 100, 10]
    assert steps("refiner-64", images="64000") == 2_500
    assert steps("refiner-32", images="640", discriminator__recogniser_steps="5000") == 5_000


def test_a_quick_try_is_named_unless_its_steps_were_given(
    toy_features: RefinerRecipe, strokes: ToyStrokes, tmp_path: Path
) -> None:
    store = store_of(tmp_path / "store", "一丨十", size=32)
    kind = get_kind("refiner")

    def warning(changes: dict[str, str], **options: Any) -> str:
        recipe = kind.recipe("refiner-32", {"held_out": "0", **changes})
        return kind.warning(recipe, store, strokes=strokes, **options)

    assert warning({"images": "640"}) == (
        "D's recogniser is trained for 100 of 5,000 steps, because 640 images are a quick try; in "
        "full with --set discriminator.recogniser_steps=5000"
    )
    assert warning({"images": "640", "discriminator.recogniser_steps": "70"}) == ""
    without = {"discriminator.recogniser_steps": "0", "discriminator.norm": "spectral"}
    assert warning({"images": "640", **without}) == ""
    assert warning({"images": "640"}, init_from=tmp_path) == ""
    assert warning({}) == ""


def test_a_quick_try_is_not_lengthened_to_a_training_with_another_recogniser(
    strokes: ToyStrokes, tmp_path: Path
) -> None:
    store = store_of(tmp_path / "store", "一丨十", size=32)
    kind = get_kind("refiner")
    length = {"images": "640", "held_out": "0"}
    recipe = kind.recipe("refiner-32", length)
    data = {"content_sha256": store.manifest.content_sha256, "count": len(store)}
    begin_or_continue(
        tmp_path / "run",
        kind="refiner",
        recipe=kind.recipe_to_json(recipe),
        seed=0,
        charset=store.charset,
        data=data,
    )
    with pytest.raises(RecipeChangedError, match="recogniser_steps: 100 -> 5000"):
        begin_or_continue(
            tmp_path / "run",
            kind="refiner",
            recipe=kind.recipe_to_json(kind.recipe("refiner-32", {**length, "images": "320000"})),
            seed=0,
            charset=store.charset,
            data=data,
        )
