import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from hwgen.errors import InputError
from hwgen.experiments.lift.experiment import run_experiment
from hwgen.experiments.lift.generators import Generator, PretrainedGenerator, TrainedGenerator
from hwgen.generators.base import get_kind
from hwgen.generators.deformation.recipe import DeformationRecipe
from hwgen.generators.deformation.training import train_deformation
from hwgen.generators.gan.presets import Recipe
from hwgen.recogniser.network import RecogniserRecipe
from hwgen.store import Store
from tests.experiments.lift.toy import small

CPU = torch.device("cpu")
MakeStore = Callable[..., Store]
TOY_DEFORMATION = DeformationRecipe(size=16, z_dim=2, width=4, grid=4, batch=8, steps=3)


def test_the_seed_of_a_trial_trains_and_samples_its_generator(
    make_store: MakeStore, tmp_path: Path
) -> None:
    kind = get_kind("deformation")
    trained = TrainedGenerator(kind, TOY_DEFORMATION, "cpu")
    real = make_store("real")
    pretrained = None
    for seed in (0, 3):
        run = tmp_path / f"run{seed}"
        made = trained(
            real,
            run,
            tmp_path / f"out{seed}",
            amount=2,
            seed=seed,
            progress=lambda *_: None,
            stop=lambda: False,
        )
        assert made is not None
        assert made.manifest.origin["seed"] == seed
        assert json.loads((run / "run.json").read_text())["seed"] == seed
        pretrained = PretrainedGenerator((run,), "cpu")
    assert pretrained is not None
    again = pretrained(
        real,
        tmp_path / "unused",
        tmp_path / "again",
        amount=2,
        seed=7,
        progress=lambda *_: None,
        stop=lambda: False,
    )
    assert again is not None
    assert again.manifest.origin["seed"] == 7


@pytest.mark.parametrize("learnt", [False, True])
def test_deformation_models_are_trained_on_the_subset_or_before(
    make_store: MakeStore, toy: RecogniserRecipe, tmp_path: Path, learnt: bool
) -> None:
    train, test = make_store("train"), make_store("test", seed=9)
    generator: Generator = TrainedGenerator(get_kind("deformation"), TOY_DEFORMATION, "cpu")
    if learnt:
        run = train_deformation(make_store("others"), tmp_path / "r", TOY_DEFORMATION, device="cpu")
        generator = PretrainedGenerator((run.path,), "cpu")
    protocol = small(toy, real_per_class=(3,), trials=1, arms=("classical", "synthetic"))
    result = run_experiment(train, test, protocol, {"": generator}, tmp_path / "out", device=CPU)
    assert result is not None
    assert (tmp_path / "out" / "generators" / "n3-draw0").exists() != learnt
    kind = "deformation learnt before" if learnt else "deformation"
    assert result.generator["kind"] == kind
    assert len(Store(tmp_path / "out" / "synthetic" / "n3-draw0-4.store")) == 12


@pytest.mark.parametrize("learnt", [False, True])
def test_subsets_that_a_generator_cannot_use_are_refused_before_any_training(
    make_store: MakeStore,
    toy: RecogniserRecipe,
    tmp_path: Path,
    learnt: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    train, test = make_store("train"), make_store("test", seed=9)
    generator: Generator = TrainedGenerator(get_kind("deformation"), TOY_DEFORMATION, "cpu")
    if learnt:
        run = train_deformation(make_store("others"), tmp_path / "r", TOY_DEFORMATION, device="cpu")
        generator = PretrainedGenerator((run.path,), "cpu")
    # The trial of 3 samples, which is possible, comes first; one sample has no pair.
    experiment = small(toy, real_per_class=(3, 1), trials=1, arms=("classical", "synthetic"))
    out = tmp_path / "out"

    def trained(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("hwgen.experiments.lift.experiment.train_recogniser", trained)
    with pytest.raises(KeyboardInterrupt if learnt else InputError):
        run_experiment(train, test, experiment, {"": generator}, out, device=CPU)
    assert not (out / "generators").exists()


def test_samples_too_near_to_real_ones_are_rejected(make_store: MakeStore, tmp_path: Path) -> None:
    draw = make_store("train")
    learnt = train_deformation(draw, tmp_path / "r", TOY_DEFORMATION, device="cpu")
    plain = PretrainedGenerator((learnt.path,), "cpu")
    generator = replace(plain, no_copies=True)
    assert generator.settings == {**plain.settings, "no_copies": True}

    def drawn(generator: Generator, out: str, stop: bool = False) -> Store | None:
        return generator(
            draw,
            tmp_path / "unused",
            tmp_path / out,
            amount=4,
            seed=0,
            progress=lambda *_: None,
            stop=lambda: stop,
        )

    everything, kept = drawn(plain, "all"), drawn(generator, "kept")
    assert everything is not None
    assert kept is not None
    assert "filter" not in everything.manifest.origin
    assert kept.manifest.origin["filter"]["no_copies"] == draw.manifest.content_sha256
    assert len(kept) < len(everything) == 12  # a toy bends hardly at all
    assert drawn(generator, "none", stop=True) is None


def test_a_gan_is_trained_on_the_subset(
    make_store: MakeStore, toy: RecogniserRecipe, toy_recipe: Recipe, tmp_path: Path
) -> None:
    train, test = make_store("train"), make_store("test", seed=9)
    recipe = replace(toy_recipe, images=8, every=8)
    protocol = small(replace(toy, size=8), real_per_class=(3,), trials=1, arms=("synthetic",))
    generator = TrainedGenerator(get_kind("gan"), recipe, "cpu")
    result = run_experiment(train, test, protocol, {"": generator}, tmp_path / "out", device=CPU)
    assert result is not None
    assert result.generator["recipe"]["images"] == 8
    assert result.rows[0].facts["pictures"] == [9, 12]
