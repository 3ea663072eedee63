import itertools
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as PilImage

from hwgen.data import to_uint8
from hwgen.errors import CharsetError, InputError
from hwgen.generators.base import REMOVED_PRESETS, get_kind, load_generator
from hwgen.generators.dataset import GeneratedDataset
from hwgen.generators.gan.presets import Recipe
from hwgen.generators.gan.sampling import Sampler, between, hand_noise, noise
from hwgen.runs import Run

IDS = np.array([0, 2, 1, 2, 2, 0, 1])
NUMBERS = np.array([0, 5, 1, 0, 5, 3, 1])


def apart(a: np.ndarray, b: np.ndarray) -> int:
    return int(np.abs(a.astype(int) - b.astype(int)).max())


@pytest.mark.parametrize("batch", [1, 2, 3, 100])
def test_the_batch_size_does_not_change_a_sample(sampler: Sampler, batch: int) -> None:
    assert apart(sampler.sample(IDS, NUMBERS), sampler.sample(IDS, NUMBERS, batch=batch)) <= 1


def test_a_sample_is_decided_by_seed_class_and_index_alone(sampler: Sampler) -> None:
    images = sampler.sample(IDS, NUMBERS)
    assert images.shape == (7, 8, 8)
    assert images.dtype == np.uint8
    assert apart(images[1], images[4]) <= 1
    alone = sampler.sample([2], [5])
    assert apart(alone[0], images[1]) <= 1
    distinct = [images[i] for i in (0, 1, 2, 3, 5)]
    assert all(apart(a, b) > 1 for a, b in itertools.combinations(distinct, 2))
    assert apart(sampler.sample(IDS, NUMBERS, seed=1), images) > 1
    assert sampler.sample([], []).shape == (0, 8, 8)


@pytest.mark.parametrize("kind", ["normal", "uniform"])
def test_a_longer_draw_of_noise_begins_with_the_shorter(toy_recipe: Recipe, kind: str) -> None:
    spec = replace(toy_recipe.generator, z=kind)
    long = noise(spec, 3, 1, 500)
    assert long.shape == (500, 6)
    assert long.dtype == np.float32
    np.testing.assert_array_equal(noise(spec, 3, 1, 7), long[:7])
    for other in (noise(spec, 4, 1, 500), noise(spec, 3, 2, 500)):
        assert abs(np.corrcoef(other.ravel(), long.ravel())[0, 1]) < 0.1
    sd = 1 if kind == "normal" else 3**-0.5
    assert long.std() == pytest.approx(sd, rel=0.05)
    assert (np.abs(long).max() <= 1) == (kind == "uniform")


def test_pictures_are_the_generators_in_evaluation_mode(sampler: Sampler) -> None:
    sampler.generator.train()
    images = sampler.sample([1, 1], [0, 1])
    assert sampler.generator.training  # left as it was found
    z = torch.from_numpy(noise(sampler.recipe.generator, 0, 1, 2))
    with torch.no_grad():
        x = sampler.generator.eval()(z, torch.tensor([1, 1]))
    np.testing.assert_array_equal(images, to_uint8(x, sampler.recipe.pixels)[:, 0].numpy())


def test_text_is_drawn_character_by_character(sampler: Sampler) -> None:
    images = sampler.sample_text("十一十")
    assert apart(images, sampler.sample([2, 0, 2], [0, 0, 1])) <= 1
    with pytest.raises(CharsetError, match=r"2 of 3 characters.*天地"):
        sampler.sample_text("天一地")


def test_text_and_ids_need_no_indices(sampler: Sampler) -> None:
    images = sampler.sample("十一十", seed=3)
    np.testing.assert_array_equal(images, sampler.sample_text("十一十", seed=3))
    np.testing.assert_array_equal(images, sampler.sample([2, 0, 2], seed=3))
    with pytest.raises(CharsetError, match=r"天.*use a refiner"):
        sampler.sample("天")
    assert sampler.classes == ["一", "丨", "十"]
    assert "3 classes, 8x8 grey" in repr(sampler)


def test_a_hand_is_one_z_for_all_classes(sampler: Sampler) -> None:
    images = sampler.sample("十一十", hand=3)
    np.testing.assert_array_equal(images[0], images[2])
    z = hand_noise(sampler.recipe.generator, 0, 3)
    np.testing.assert_array_equal(images[1:2], sampler.from_noise(z, np.array([0])))
    for other in (sampler.sample("十一十", hand=4), sampler.sample("十一十", hand=3, seed=1)):
        assert apart(other, images) > 1
    with pytest.raises(InputError, match="hand should be a number from 0"):
        sampler.sample("十", hand=-1)


def test_hands_are_interpolated_from_the_first_to_the_last(sampler: Sampler) -> None:
    frames = sampler.interpolate("十一", (3, 7), steps=5, seed=2)
    assert (frames.shape, frames.dtype) == ((5, 2, 8, 8), np.uint8)
    assert apart(frames[0], sampler.sample("十一", hand=3, seed=2)) <= 1
    assert apart(frames[-1], sampler.sample("十一", hand=7, seed=2)) <= 1
    assert len(np.unique(frames.reshape(5, -1), axis=0)) == 5
    with pytest.raises(InputError, match="at least 2 steps, found 1"):
        sampler.interpolate("十", (0, 1), steps=1)
    with pytest.raises(InputError, match="hand"):
        sampler.interpolate("十", (0, -1))


@pytest.mark.parametrize("kind", ["normal", "uniform"])
def test_z_between_two_hands_is_as_long_as_theirs(toy_recipe: Recipe, kind: str) -> None:
    spec = replace(toy_recipe.generator, z=kind, z_dim=512)
    first, last = hand_noise(spec, 0, 1), hand_noise(spec, 0, 2)
    z = between(first, last, 3, kind)
    np.testing.assert_allclose(z[[0, 2]], np.concatenate([first, last]), atol=1e-6)
    length = np.linalg.norm(z, axis=1)
    assert length[1] / length[0] == pytest.approx(1 if kind == "normal" else 0.5**0.5, abs=0.1)
    assert kind == "normal" or np.abs(z).max() <= 1
    np.testing.assert_allclose(between(first, first, 3, kind)[1:2], first, atol=1e-6)


def test_the_grid_of_an_unconditional_run_repeats_nothing(unconditional: Run) -> None:
    grid = np.asarray(PilImage.open(sorted(unconditional.grids.glob("0*.png"))[-1]))
    rows = grid[2:].reshape(-1, 10, grid.shape[1])[:, :8]
    assert len(np.unique(rows.reshape(len(rows), -1), axis=0)) == len(rows) == 10


@pytest.mark.parametrize("preset", sorted(REMOVED_PRESETS))
def test_a_run_of_a_removed_preset_is_read(run: Run, tmp_path: Path, preset: str) -> None:
    shutil.copytree(run.path, tmp_path / "old")
    file = tmp_path / "old" / "run.json"
    content = json.loads(file.read_text("utf-8"))
    content["recipe"]["preset"] = preset
    file.write_text(json.dumps(content), "utf-8")
    sampler = load_generator(tmp_path / "old", device="cpu")
    assert sampler.preset == preset
    expected = load_generator(run, device="cpu").sample("一十")
    np.testing.assert_array_equal(sampler.sample("一十"), expected)
    described = get_kind("gan").describe(Run(tmp_path / "old"))
    assert not described.unreadable
    assert {("Preset", preset), ("Changed from it", "not a preset of this version")} <= set(
        described.recipe
    )


def test_a_gan_is_an_endless_dataset(sampler: Sampler) -> None:
    x, y = next(iter(GeneratedDataset(sampler, batch=4)))
    assert x.shape == (1, 8, 8)
    assert 0 <= y < len(sampler.charset)
