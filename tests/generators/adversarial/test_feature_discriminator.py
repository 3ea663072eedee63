from dataclasses import replace

import pytest
import torch

from hwgen.charset import Charset
from hwgen.errors import InputError
from hwgen.generators.adversarial.build import build_discriminator, initialise_discriminator
from hwgen.generators.adversarial.estimate import Plan
from hwgen.generators.adversarial.feature_discriminator import FeatureDiscriminator
from hwgen.generators.adversarial.recipe import DiscriminatorSpec, Stage
from hwgen.generators.refiner.recipe import PRESETS, RefinerRecipe
from hwgen.pixel_range import PixelRange
from hwgen.recogniser.feature_maps import FeatureMaps
from hwgen.recogniser.inference import Recogniser
from hwgen.recogniser.network import LIGHT, RecogniserNetwork

CHARSET = Charset(tuple("天地玄黄"))
SPEC = DiscriminatorSpec(
    stages=(Stage(6, 3, 2), Stage(8, 3, 1)),
    hidden=10,
    label="projection",
    label_sd=0.1,
    norm="none",
    recogniser_steps=3,
)


def recipe_with(spec: DiscriminatorSpec) -> RefinerRecipe:
    return replace(PRESETS["refiner-32"], discriminator=spec)


@pytest.fixture
def maps() -> FeatureMaps:
    torch.manual_seed(0)
    own = replace(LIGHT, widths=((4,), (6,), (8,), (10,)), hidden=12)
    recogniser = Recogniser(RecogniserNetwork(own, len(CHARSET)), own, CHARSET)
    images = torch.rand(20, 1, 32, 32) * 2 - 1
    return FeatureMaps(recogniser, PixelRange(paper=1.0, ink=-1.0), images, CHARSET.labels)


@pytest.fixture
def d(maps: FeatureMaps) -> FeatureDiscriminator:
    torch.manual_seed(0)
    built = build_discriminator(recipe_with(SPEC), len(CHARSET), maps)
    assert isinstance(built, FeatureDiscriminator)
    initialise_discriminator(built, recipe_with(SPEC))
    return built


def test_one_number_each_that_depends_on_the_label(d: FeatureDiscriminator) -> None:
    x, y = torch.rand(4, 1, 32, 32), torch.arange(4)
    out = d(x, y)
    assert out.shape == (4,)
    assert out.dtype == torch.float32
    assert not torch.allclose(out, d(x, y.roll(1)))
    assert torch.allclose(d(x, y, 0.0), d(x, y.roll(1), 0.0))
    assert torch.allclose(torch.cat([out, out]), d(x.repeat(2, 1, 1, 1), y.repeat(2), parts=2))


def test_labels_begin_with_the_recognisers_weights(
    d: FeatureDiscriminator, maps: FeatureMaps
) -> None:
    rows = d.label_map.weight[:, SPEC.hidden :]
    assert torch.allclose(rows, maps.class_weights * SPEC.label_sd)


def test_the_recogniser_is_neither_trained_nor_saved(d: FeatureDiscriminator) -> None:
    d.requires_grad_(False)
    d.requires_grad_(True)
    x = torch.rand(2, 1, 32, 32, requires_grad=True)
    d(x, torch.arange(2)).sum().backward()
    assert x.grad is not None
    assert x.grad.abs().sum() > 0
    assert all(parameter.grad is not None for parameter in d.parameters())
    names = {name.split(".")[0] for name in d.state_dict()}
    scales = {f"{what}{number}" for what in ("mean", "rate") for number in range(4)}
    assert names == {"halves", "join", "hidden", "out", "label_map", *scales}


def test_it_can_be_counted_without_a_recogniser(d: FeatureDiscriminator) -> None:
    with torch.device("meta"):
        counted = build_discriminator(recipe_with(SPEC), len(CHARSET))
    assert isinstance(counted, FeatureDiscriminator)
    # LIGHT has other widths than the fixture's recogniser.
    assert counted.hidden.weight.shape == d.hidden.weight.shape
    assert counted.label_map.weight.shape == (4, SPEC.hidden + LIGHT.hidden)


def test_a_dry_run_says_how_long_the_recogniser_is_trained() -> None:
    plan = Plan(1, 2, 3.0, 4, 5, 6, 7)
    assert ("steps of D's recogniser, first", "3") in plan.in_words(recipe_with(SPEC))
    pixels = DiscriminatorSpec(stages=(Stage(4, 3, 2),), label="projection", norm="none")
    assert not any("recogniser" in name for name, _ in plan.in_words(recipe_with(pixels)))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"recogniser_steps": -1}, "at least 0"),
        ({"label": "concat"}, "label = projection"),
        ({"norm": "spectral"}, "norm = none"),
        ({"hidden": 0}, "hidden"),
        ({"stages": (Stage(6, 3, 2),)}, "two stages"),
        ({"stages": (Stage(6, 3, 1), Stage(8, 3, 1))}, "strides 2 and 1"),
    ],
)
def test_what_does_not_fit_is_refused(changes: dict[str, object], words: str) -> None:
    with pytest.raises(InputError, match=words):
        recipe_with(replace(SPEC, **changes))  # type: ignore[arg-type]
