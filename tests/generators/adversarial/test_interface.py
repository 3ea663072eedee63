"""A kind of generator that only this test knows, whose G starts from images, is trained."""

import copy
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from hwgen.charset import Charset
from hwgen.compute.tensor_files import load_tensors
from hwgen.data import to_images, to_uint8
from hwgen.errors import DivergedError, InputError
from hwgen.generators.adversarial.build import build_discriminator, initialise_discriminator
from hwgen.generators.adversarial.discriminator import AnyDiscriminator
from hwgen.generators.adversarial.estimate import count_parameters, plan
from hwgen.generators.adversarial.interface import (
    GRID_COLUMNS,
    AdversarialGenerator,
    AdversarialKind,
    real_grid,
)
from hwgen.generators.adversarial.layers import initialise, parameter_count
from hwgen.generators.adversarial.recipe import (
    AdversarialRecipe,
    DiscriminatorSpec,
    Optimizer,
    Stage,
    change_by_name,
    recipe_from_json,
    recipe_to_json,
)
from hwgen.generators.adversarial.steps import make_state, schedule, train_step
from hwgen.generators.adversarial.training import train
from hwgen.generators.samplers import Ids
from hwgen.pixel_range import PixelRange
from hwgen.progress import Control
from hwgen.recogniser.feature_maps import FeatureMaps
from hwgen.record import Image
from hwgen.runs import Run
from hwgen.store import Store
from tests.trainings import assert_same_files, stop_after, timeless

CPU = torch.device("cpu")
UNSEEN = 3
"""A class that has an image to start from and no record in the store."""


@dataclass(frozen=True, kw_only=True)
class InkRecipe(AdversarialRecipe):
    z_dim: int = 2

    def _rules(self) -> list[tuple[str, bool]]:
        return [*super()._rules(), ("z_dim must be at least 1", self.z_dim >= 1)]


RECIPE = InkRecipe(
    preset="ink",
    size=8,
    channels=1,
    pixels=PixelRange(paper=-1.0, ink=1.0),
    discriminator=DiscriminatorSpec(
        stages=(Stage(4, 4, 2), Stage(6, 3, 1)), hidden=8, label="projection", norm="none"
    ),
    optimizer=Optimizer(lr_g=1e-3, lr_d=2e-3),
    batch=4,
    images=80,
    every=40,
    r1_gamma=0.3,
    r1_every=2,
    ema=0.9,
    label_pull=1.0,
)


class InkGenerator(AdversarialGenerator):
    """The image of the class, with ink that depends on z."""

    def __init__(self, recipe: InkRecipe, images: Tensor) -> None:
        super().__init__()
        self.recipe, self.images = recipe, images  # uint8 [classes, S, S]
        self.conv = nn.Conv2d(1 + recipe.z_dim, 1, 3, padding=1)

    def __deepcopy__(self, memo: dict[int, Any]) -> "InkGenerator":
        memo[id(self.images)] = self.images
        twin = InkGenerator.__new__(InkGenerator)
        memo[id(self)] = twin
        twin.__dict__ = copy.deepcopy(self.__dict__, memo)
        return twin

    def forward(
        self, z: Tensor, y: Tensor | None = None, label_weight: float | Tensor = 1.0
    ) -> Tensor:
        x = 1 - self.images[y][:, None].float() / 127.5
        everywhere = z[:, :, None, None].expand(-1, -1, *x.shape[2:])
        return torch.tanh(x + self.conv(torch.cat([x, everywhere], dim=1)).float())

    def sample_noise(self, count: int, generator: torch.Generator) -> Tensor:
        shape = (count, self.recipe.z_dim)
        return torch.randn(shape, generator=generator, device=generator.device)


class InkSampler:
    """Samples of all classes that have an image, also of those that the run has not."""

    def __init__(
        self, generator: InkGenerator, recipe: InkRecipe, charset: Charset, device: torch.device
    ) -> None:
        assert list(charset) == ["一", "丨", "十"]
        self.generator, self.recipe = generator.to(device), recipe

    @torch.no_grad()
    def sample(self, class_ids: Any, indices: Any, *, seed: int = 0) -> Image:
        z = np.stack(
            [
                np.random.default_rng((seed, class_id, index)).standard_normal(self.recipe.z_dim)
                for class_id, index in zip(class_ids, indices, strict=True)
            ]
        )
        x = self.generator(torch.from_numpy(z).float(), torch.as_tensor(class_ids))
        return to_images(to_uint8(x, self.recipe.pixels))


def kind_from(images: Tensor) -> AdversarialKind:
    def build(
        recipe: InkRecipe, classes: int, maps: FeatureMaps | None = None
    ) -> tuple[InkGenerator, AnyDiscriminator]:
        g, d = InkGenerator(recipe, images), build_discriminator(recipe, classes, maps)
        initialise(g, recipe.init, slope=0.0)
        initialise_discriminator(d, recipe)
        return g, d

    def unseen(store: Store, most: int) -> Ids:
        assert len(store.charset) == UNSEEN
        return np.array([UNSEEN])

    def references(store: Store, recipe: InkRecipe) -> dict[str, Image]:
        simulated = np.repeat(images.numpy()[:UNSEEN], GRID_COLUMNS, axis=0)
        return {**real_grid(store, recipe), "simulated": simulated}

    def completed(recipe: Mapping[str, Any]) -> dict[str, Any]:
        return recipe_to_json(recipe_from_json(InkRecipe, recipe))

    return AdversarialKind(
        name="ink",
        presets={"ink": replace(RECIPE, optimizer=Optimizer(lr_g=7e-6, lr_d=8e-6))},
        completed=completed,
        build=build,
        sampler=InkSampler,
        scored_classes=unseen,
        references=references,
    )


@pytest.fixture
def kind() -> AdversarialKind:
    rng = np.random.default_rng(0)
    return kind_from(torch.from_numpy(rng.integers(0, 256, (UNSEEN + 1, 8, 8), np.uint8)))


def run_training(
    kind: AdversarialKind, store: Store, out: Path, recipe: InkRecipe = RECIPE, **options: Any
) -> Run:
    return train(kind, store, out, recipe, device="cpu", precision="fp32", **options)


def test_another_kind_is_trained_resumed_and_scored_on_classes_without_records(
    kind: AdversarialKind, toy_store: Store, tmp_path: Path
) -> None:
    scored = []

    def score(images: Image, class_ids: Ids) -> Mapping[str, float | str]:
        scored.append((images.shape, set(class_ids.tolist())))
        return {"purity": 0.9, "diversity": 1.0, "recogniser": "a"}

    straight = run_training(kind, toy_store, tmp_path / "straight", score=score)
    assert scored == [((20, 8, 8), {UNSEEN})] * 2
    assert straight.kind == "ink"
    assert straight.recipe == recipe_to_json(RECIPE)
    assert sorted(path.name for path in straight.grids.iterdir()) == [
        "000000040.png",
        "000000080.png",
        "real.png",
        "simulated.png",
    ]
    # The images that G starts from are in no file.
    assert set(load_file(straight.snapshots()[-1])) == {"g.conv.weight", "g.conv.bias"}
    tensors, _ = load_tensors(straight.checkpoint)
    assert not any("images" in name for name in tensors)

    for steps in (7, 5, 0):
        control = {"control": Control(stop=stop_after(steps))} if steps else {}
        broken = run_training(kind, toy_store, tmp_path / "broken", score=score, **control)
    assert_same_files(broken.checkpoint, straight.checkpoint)
    assert timeless(broken.read_log()) == timeless(straight.read_log())


def test_the_average_shares_what_the_kind_does_not_copy(kind: AdversarialKind) -> None:
    state = make_state(kind.build, RECIPE, 3, 0, CPU)
    assert state.ema is not state.g
    assert state.ema.images is state.g.images
    assert state.ema.conv.weight is not state.g.conv.weight


def test_a_pull_needs_no_label_map_in_g(kind: AdversarialKind) -> None:
    pulled, plain = (make_state(kind.build, RECIPE, 3, 0, CPU) for _ in range(2))
    x, y = torch.zeros(4, 1, 8, 8), torch.tensor([0, 1, 2, 0])
    for state, pull in ((pulled, 100.0), (plain, 0.0)):
        recipe = replace(RECIPE, label_pull=pull)
        generator = torch.Generator().manual_seed(0)
        at = schedule(recipe, 0)
        train_step(state, recipe, x, y, at, generator=generator, precision=torch.float32)
    rows = plain.d.label_map.weight
    expected = rows.lerp(rows.mean(dim=0).expand_as(rows), 100 * RECIPE.optimizer.lr_d)
    torch.testing.assert_close(pulled.d.label_map.weight, expected)
    assert torch.equal(pulled.g.conv.weight, plain.g.conv.weight)


def test_advice_names_the_rates_of_the_kinds_own_preset(
    kind: AdversarialKind, toy_store: Store, tmp_path: Path
) -> None:
    recipe = replace(RECIPE, optimizer=Optimizer(lr_g=1e18, lr_d=1e18), label_pull=0.0)
    with pytest.raises(DivergedError, match=r"optimizer.lr_g=7e-06 --set optimizer.lr_d=8e-06"):
        run_training(kind, toy_store, tmp_path / "run", recipe)


def test_a_kinds_recipe_has_its_own_fields_and_rules() -> None:
    changed = change_by_name(RECIPE, {"z_dim": "5", "loss": "lsgan-eq8", "loss.c": "0.5"})
    assert isinstance(changed, InkRecipe)
    assert (changed.z_dim, changed.loss.a, changed.loss.c) == (5, -1.0, 0.5)
    rates = change_by_name(RECIPE, {"lr": "0.001"}).optimizer
    assert (rates.lr_g, rates.lr_d) == (0.001, 0.001)
    older = {name: value for name, value in recipe_to_json(RECIPE).items() if name != "z_dim"}
    assert recipe_from_json(InkRecipe, older) == RECIPE
    with pytest.raises(InputError, match=r"ema must be .*; z_dim must be at least 1"):
        change_by_name(RECIPE, {"z_dim": "0", "ema": "1"})
    with pytest.raises(InputError, match="no loss 'lsgan'"):
        change_by_name(RECIPE, {"loss": "lsgan"})


def test_a_plan_is_of_the_kinds_networks(kind: AdversarialKind, toy_store: Store) -> None:
    g, d = kind.build(RECIPE, 3)
    counts = (parameter_count(g), parameter_count(d))
    assert count_parameters(kind.build, RECIPE, 3) == counts
    found = plan(kind.build, RECIPE, toy_store)
    assert (found.parameters_g, found.parameters_d) == counts
