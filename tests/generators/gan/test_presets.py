import dataclasses
import json
from dataclasses import replace
from typing import Any

import pytest
import torch

from hwgen.errors import InputError
from hwgen.generators.gan.networks import build
from hwgen.generators.gan.presets import (
    LOSSES,
    PRESETS,
    Recipe,
    change,
    completed,
    preset,
    recipe_from_json,
    recipe_to_json,
)
from hwgen.schema import differences, flatten, from_json

PAPER = preset("paper-hwdb")


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_survives_json(name: str) -> None:
    recipe = preset(name)
    assert recipe.preset == name
    assert recipe_from_json(json.loads(json.dumps(recipe_to_json(recipe)))) == recipe


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_makes_pictures_of_its_size_and_range(name: str) -> None:
    recipe = preset(name)
    g, d = build(recipe, classes=3)
    y = torch.tensor([0, 2])
    with torch.no_grad():
        x = g(torch.randn(2, recipe.generator.z_dim), y)
        out = d(x, y)
    assert x.shape == (2, recipe.channels, recipe.size, recipe.size)
    low, high = sorted((recipe.pixels.paper, recipe.pixels.ink))
    assert low <= x.min() < x.max() <= high
    assert out.shape == (2,)
    assert out.dtype == torch.float32


def test_paper_preset_is_the_authors_setting() -> None:
    assert PAPER.optimizer == dataclasses.replace(
        PAPER.optimizer, kind="adam", lr_g=2e-4, lr_d=2e-4, beta1=0.5, beta2=0.999
    )
    assert (PAPER.batch, PAPER.steps) == (64, 1_000_000)
    assert (PAPER.loss.a, PAPER.loss.b, PAPER.loss.c) == (0, 1, 1)
    assert (PAPER.generator.z, PAPER.generator.z_dim) == ("uniform", 1024)
    assert (PAPER.pixels.paper, PAPER.pixels.ink) == (1.0, 0.0)
    assert (PAPER.ema, PAPER.r1_gamma, PAPER.translate) == (0, 0, 0)
    assert (PAPER.generator.label_sd, PAPER.discriminator.label_sd) == (0.02, 0.02)
    g, d = build(PAPER, 400)
    for network in (g, d):
        assert network.label_map is not None
        assert network.label_map.weight.std().item() == pytest.approx(0.02, rel=0.05)


def test_what_a_recipe_does_not_say_is_left_out() -> None:
    plain = recipe_to_json(PAPER)
    added = {"balanced": False, "transition": [0, 0], "label_pull": 0}
    added["warp"] = {"scale": 0, "shear": 0, "rotate": 0, "fade": 0}
    earlier = {name: value for name, value in plain.items() if name not in added}
    assert len(earlier) == len(plain) - 4
    added_to_g = {"label": "input", "hidden": 0, "head": "stage", "start_norm": "number"}
    earlier_g = {k: v for k, v in plain["generator"].items() if k not in added_to_g}
    assert len(earlier_g) == len(plain["generator"]) - 4
    earlier["generator"] = earlier_g
    earlier_d = dict(plain["discriminator"])
    assert earlier_d.pop("label_on_image") is False
    earlier["discriminator"] = earlier_d
    assert recipe_from_json(earlier) == PAPER
    assert completed(earlier) == plain
    assert plain == {
        **earlier,
        **added,
        "generator": {**earlier_g, **added_to_g},
        "discriminator": {**earlier_d, "label_on_image": False},
    }


def test_named_losses_have_the_equations_targets() -> None:
    targets = {name: (loss.a, loss.b, loss.c) for name, loss in LOSSES.items()}
    assert targets["lsgan-eq9"] == (0, 1, 1)
    assert targets["lsgan-eq8"] == (-1, 1, 0)
    assert LOSSES["gan"].kind == "gan"


def test_recipes_are_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        PAPER.batch = 1  # type: ignore[misc]
    with pytest.raises(dataclasses.FrozenInstanceError):
        PAPER.loss.a = 1  # type: ignore[misc]


def test_change_reaches_nested_fields_and_leaves_the_preset() -> None:
    changed = change(
        PAPER,
        {
            "loss.a": "-1",
            "conditional": "false",
            "generator.output": "tanh",
            "pixels.ink": "-1",
            "generator.start": "[64, 7]",
            "preset": "mine",
            "optimizer.lr_g": "1e-3",
        },
    )
    assert changed.loss.a == -1.0
    assert isinstance(changed.loss.a, float)
    assert changed.conditional is False
    assert changed.generator.output == "tanh"
    assert changed.generator.start == (64, 7)
    assert changed.preset == "mine"
    assert changed.optimizer.lr_g == 1e-3
    assert preset("paper-hwdb").loss.a == 0
    assert change(PAPER, {}) == PAPER


@pytest.mark.parametrize(
    ("field", "value", "text"),
    [
        ("loss.aa", "1", "Did you mean .*loss.a"),
        ("lr", "1", "unknown recipe field 'lr'"),
        ("generator.stages.channels", "1", "unknown recipe field"),
        ("loss.a.b", "1", "unknown recipe field"),
        ("qqqq", "1", "Known: preset"),
        ("batch", "many", "recipe.batch should be int, found 'many'"),
        ("batch", "1.5", "should be int"),
        ("batch", "true", "should be int"),
        ("conditional", "1", "should be bool"),
        ("preset", "1", "should be str"),
        ("loss.kind", "wgan", "'wgan' is not one of lsgan, gan"),
        ("loss", "gan", "should be an object"),
        ("generator.start", "4", "should be a list"),
        ("generator.start", "[4]", "should have 2 entries"),
        ("generator.stages", '[{"channels": 1}]', "lacks .*kernel"),
        ("generator.stages", '[{"channels": 1, "sides": 2}]', "unknown fields .*sides"),
    ],
)
def test_changes_that_do_not_fit_are_named(field: str, value: str, text: str) -> None:
    with pytest.raises(InputError, match=text):
        change(PAPER, {field: value})


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"size": "32"}, "makes 28x28"),
        ({"channels": "3"}, "1 channels, the recipe has 28 and 3"),
        ({"batch": "0"}, "batch must be at least 1"),
        ({"images": "63"}, "at least one batch"),
        ({"every": "63"}, "at least one batch"),
        ({"batch": "1"}, "batch norm needs"),
        ({"generator.stages": "[]"}, "stages must not be empty unless generator.head is linear"),
        (
            {"discriminator.label_on_image": "true", "discriminator.label": "projection"},
            "label_on_image needs discriminator.label = concat",
        ),
        ({"generator.z_dim": "0"}, "z_dim"),
        ({"discriminator.hidden": "-1"}, "hidden"),
        ({"discriminator.stages": '[{"channels": 4, "kernel": 3, "stride": 0}]'}, "stride must"),
        (
            {"generator.stages": '[{"channels": 1, "kernel": 2, "stride": 4}]'},
            "kernel must be at least its stride",
        ),
        ({"pixels.ink": "1"}, "pixels must be 0 and 1 with a sigmoid"),
        ({"r1_every": "0"}, "r1_every"),
        ({"translate": "-1"}, "translate"),
        ({"ema": "1"}, "ema must be"),
        ({"optimizer.beta2": "1"}, "betas"),
        ({"optimizer.lr_d": "0"}, "learning rates"),
        ({"warp.scale": "1"}, "warp.scale"),
        ({"warp.fade": "-0.1"}, "warp.scale, shear and fade"),
        ({"warp.rotate": "46"}, "rotate at most 45"),
        ({"transition": "[0.5, 0.4]"}, "transition must rise"),
        ({"transition": "[0.5, 1.1]"}, "transition must rise"),
        ({"conditional": "false", "transition": "[0, 0.5]"}, "need labels"),
        ({"conditional": "false", "label_pull": "1"}, "need labels"),
        ({"label_pull": "-1"}, "label_pull must"),
        ({"label_pull": "5000"}, "learning rates below 1"),
    ],
)
def test_impossible_recipes_are_refused(changes: dict[str, str], text: str) -> None:
    with pytest.raises(InputError, match=text):
        change(PAPER, changes)


def test_a_name_nearby_is_suggested() -> None:
    with pytest.raises(InputError, match="Did you mean glyph-32"):
        preset("glyph32")
    with pytest.raises(InputError, match=r"Known: .*paper-hwdb"):
        preset("zzzzzz")


def test_unknown_and_missing_fields_in_json_are_refused() -> None:
    plain = recipe_to_json(PAPER)
    with pytest.raises(InputError, match=r"unknown fields .'depth'"):
        recipe_from_json({**plain, "depth": 3})
    del plain["size"]
    with pytest.raises(InputError, match="size"):
        recipe_from_json(plain)


@dataclasses.dataclass(frozen=True)
class Part:
    name: str
    share: float | None


@dataclasses.dataclass(frozen=True)
class Whole:
    parts: tuple[Part, ...]
    best: Part | None
    count: int = 3


def test_what_else_a_file_holds_may_be_passed_over_and_nothing_may_be_none() -> None:
    plain = {"parts": [{"name": "a", "share": 1, "x": 0}, {"name": "b", "share": None}], "y": []}
    found = from_json(Whole, {**plain, "best": None}, "it", ignore_unknown=True)
    assert found == Whole((Part("a", 1.0), Part("b", None)), None)
    with pytest.raises(InputError, match="it has unknown fields"):
        from_json(Whole, {**plain, "best": None}, "it")
    for wrong, message in (
        ({**plain, "best": 3}, "it.best should be an object, found 3"),
        ({**plain, "best": {"share": 1}}, r"it.best lacks the fields \['name'\]"),
        (plain, r"it lacks the fields \['best'\]"),
        ({"parts": [0], "best": None}, r"it.parts\[0\] should be an object"),
    ):
        with pytest.raises(InputError, match=message):
            from_json(Whole, wrong, "it", ignore_unknown=True)


@pytest.mark.parametrize(
    ("new", "lines"),
    [
        (PAPER, []),
        (replace(PAPER, batch=32), ["batch: 64 -> 32"]),
        (
            replace(PAPER, batch=32, loss=replace(PAPER.loss, a=-1.0)),
            ["batch: 64 -> 32", "loss.a: 0.0 -> -1.0"],
        ),
    ],
)
def test_differences_are_listed_by_field(new: Recipe, lines: list[str]) -> None:
    assert differences(recipe_to_json(PAPER), recipe_to_json(new)) == lines


def test_differences_name_absent_fields() -> None:
    old: dict[str, Any] = {"a": {"b": 1}, "c": 2}
    assert differences(old, {"c": 2, "d": None}) == ["a.b: 1 -> absent", "d: absent -> None"]
    assert flatten(old) == {"a.b": 1, "c": 2}


def test_steps_are_counted_in_whole_batches() -> None:
    recipe = replace(PAPER, images=1000, batch=64, every=130)
    assert (recipe.steps, recipe.steps_between_snapshots) == (15, 2)
