import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hwgen.generators.adversarial.collapse import collapse, diverged, good_snapshots, norm
from hwgen.generators.adversarial.sample_monitor import deviation, pairs, real_deviation
from hwgen.generators.gan.presets import Recipe
from hwgen.store import Store, StoreWriter


@pytest.mark.parametrize(
    ("now", "before", "real", "done", "told"),
    [
        (40, [], 45, 0.1, ""),
        (1, [], 45, 0.1, ""),  # it may start small
        (6, [5, 6], 45, 0.3, "real ones by 45.0"),  # but not stay so
        (7, [5, 6], 45, 0.3, ""),
        (1, [], None, 0.3, ""),  # nothing to compare with
        (14, [30, 45, 20], 45, 0.1, "by 45.0 at the best snapshot"),
        (16, [30, 45, 20], 45, 0.1, ""),
        (16, [90], 45, 0.1, ""),  # noise at the start, beyond the real variety
        (14, [90], 45, 0.1, "at the best snapshot"),
        (16, [90], None, 0.1, "at the best snapshot"),
    ],
)
def test_variety_is_compared_with_the_best_before_and_the_real_one(
    now: float, before: list[float], real: float | None, done: float, told: str
) -> None:
    log: list[dict[str, Any]] = [{"images": 1, "loss_d": 0.1}]
    log += [{"images": 2, "deviation": value} for value in before]
    found = collapse({"deviation": now}, log, real=real, done=done)
    assert (told in found) if told else not found


@pytest.mark.parametrize(
    ("now", "before", "told"),
    [
        ((0.4, "a"), [(0.9, "a")], True),
        ((0.5, "a"), [(0.9, "a")], False),
        ((0.4, "b"), [(0.9, "a")], False),  # another reader
        ((0.01, "a"), [(0.15, "a")], False),  # chance
        ((0.0, "a"), [], False),
    ],
)
def test_purity_is_compared_with_the_best_of_the_same_reader(
    now: tuple[float, str], before: list[tuple[float, str]], told: bool
) -> None:
    def line(purity: float, reader: str) -> dict[str, Any]:
        return {"deviation": 40.0, "purity": purity, "recogniser": reader}

    log = [line(*one) for one in before]
    assert bool(collapse(line(*now), log, real=45.0, done=0.5)) == told


@pytest.mark.parametrize(
    ("numbers", "told"),
    [
        ({"loss_d": 0.3, "d_fake": -4.0, "size": 1400.0}, ""),
        ({"loss_d": 1.4e6}, ""),  # one step of a run that came to itself
        ({"loss_d": 4e23, "loss_g": 0.5}, "loss_d is 4.0e+23, above the limit of 1e+09"),
        ({"d_fake": -1e10}, "d_fake is -1.0e+10, above"),
        ({"loss_g": math.nan, "loss_d": 4e23}, "loss_g is no longer finite"),
        ({"loss_g": math.inf, "r1": math.nan}, "loss_g, r1 are no longer finite"),
    ],
)
def test_numbers_beyond_measure_have_diverged(numbers: dict[str, float], told: str) -> None:
    assert diverged(numbers).startswith(told)
    assert bool(diverged(numbers)) == bool(told)


def test_the_norm_is_of_all_numbers_that_are_not_counts() -> None:
    assert norm([torch.tensor([3.0]), torch.tensor([[4.0]]), torch.tensor(7)]) == 5
    assert not math.isfinite(norm([torch.tensor([1e30, 1e30])]))  # beyond measure all the same


@pytest.mark.parametrize(
    ("deviations", "real", "good"),
    [
        ([0, 3, 8, 30], 45, [3, 4]),  # young ones without variety are none
        ([0, 0, 0], 45, []),
        ([40, 8, 30], 45, [1, 3]),
        ([0, 3], None, [1, 2]),  # nothing to compare with
        ([], 45, []),
    ],
)
def test_good_snapshots_are_those_that_an_old_run_may_have(
    deviations: list[float], real: float | None, good: list[int]
) -> None:
    log: list[dict[str, Any]] = [{"images": 1, "loss_d": 0.1}]
    log += [{"images": n, "deviation": value} for n, value in enumerate(deviations, 1)]
    assert good_snapshots(log, real=real) == good


def test_deviation_is_the_mean_over_classes() -> None:
    images = np.array([[[0]], [[10]], [[5]], [[5]]], np.uint8)
    ids, indices = pairs([4, 7], 2)
    assert ids.tolist() == [4, 4, 7, 7]
    assert indices.tolist() == [0, 1, 0, 1]
    assert deviation(images, ids) == pytest.approx(np.std([0, 10], ddof=1) / 2)


def test_the_real_deviation_is_that_of_the_store(
    toy_store: Store, toy_recipe: Recipe, tmp_path: Path
) -> None:
    images = toy_store.all_images().astype(float)
    small = np.rint(images.reshape(30, 8, 2, 8, 2).mean(axis=(2, 4)))
    of_class = [small[toy_store.labels == c].std(axis=0, ddof=1).mean() for c in range(3)]
    assert real_deviation(toy_store, toy_recipe) == pytest.approx(np.mean(of_class), abs=0.3)
    unlabelled = replace(toy_recipe, conditional=False)
    everything = small.std(axis=0, ddof=1).mean()
    assert real_deviation(toy_store, unlabelled) == pytest.approx(everything, abs=0.3)
    with StoreWriter(tmp_path / "s", size=16, recipe={}) as writer:
        writer.add(toy_store.record(0))
        single = writer.finish(charset=toy_store.charset, origin={})
    assert real_deviation(single, toy_recipe) is None
