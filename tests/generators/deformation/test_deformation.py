import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from hwgen.compute.tensor_files import load_tensors, save_tensors
from hwgen.errors import DivergedError, InputError, RecipeChangedError, RunError
from hwgen.generators.base import load_generator
from hwgen.generators.deformation import training
from hwgen.generators.deformation.network import DeformationNet, deform, pair_loss
from hwgen.generators.deformation.recipe import DeformationRecipe, recipe_from_json, recipe_to_json
from hwgen.generators.deformation.sampling import DeformationSampler
from hwgen.generators.deformation.training import learning_rate, train_deformation
from hwgen.progress import Control
from hwgen.runs import Run
from hwgen.store import Store
from hwgen.store.origin import is_generated
from hwgen.synthesis.synthesize import synthesize

MakeStore = Callable[..., Store]


STOP = Control(stop=lambda: True)


def test_at_first_nothing_moves(toy: DeformationRecipe) -> None:
    x = torch.rand(3, 1, 16, 16)
    amplitudes = DeformationNet(toy)(x, torch.randn(3, 2))
    assert amplitudes.shape == (3, 2, 3 + 16)
    torch.testing.assert_close(deform(x, amplitudes), x, atol=1e-5, rtol=0)
    large = torch.rand(3, 1, 64, 64)
    torch.testing.assert_close(deform(large, amplitudes), large, atol=1e-4, rtol=0)


def test_the_loss_against_its_definition(toy: DeformationRecipe) -> None:
    net = DeformationNet(toy).eval()
    x, target = torch.rand(2, 1, 16, 16), torch.rand(2, 1, 16, 16)
    found = pair_loss(net, x, target, torch.zeros(2, 2))
    mean, log_variance = net.encode(x, target)
    # Kullback-Leibler divergence of two Gaussians, by torch.distributions.
    q = torch.distributions.Normal(mean, (log_variance / 2).exp())
    p = torch.distributions.Normal(torch.zeros(()), torch.ones(()))
    kl = torch.distributions.kl_divergence(q, p).sum(dim=1).mean()
    torch.testing.assert_close(found["kl"], kl)
    # Nothing moves yet and no control point differs from its neighbour.
    torch.testing.assert_close(found["distance"], found["unbent"])
    torch.testing.assert_close(found["loss"], found["distance"] + toy.kl * kl)
    padded = F.pad(x - target, (2, 2, 2, 2))
    fine = padded.unfold(2, 4, 2).unfold(3, 4, 2).mean(dim=(4, 5)).square().sum() * 4.0
    padded = F.pad(x - target, (4, 4, 4, 4))
    coarse = padded.unfold(2, 8, 4).unfold(3, 8, 4).mean(dim=(4, 5)).square().sum() * 37.0
    torch.testing.assert_close(found["unbent"], (fine + coarse) / 2)


def test_it_learns_how_a_class_varies_and_lends_it_to_another(
    make_store: MakeStore, toy: DeformationRecipe, tmp_path: Path
) -> None:
    news: list[tuple[float, float]] = []
    run = train_deformation(
        make_store("several"),
        tmp_path / "run",
        toy,
        device="cpu",
        control=Control(lambda done, total, note: news.append((done, total))),
    )
    assert news == [(16 * 50 * k, 3200) for k in range(5)]
    last = run.read_log()[-1]
    assert last["distance"] < 0.5 * last["unbent"]
    # One sample of two classes that it has never seen; the upright's place is what varies.
    other = make_store("other", counts=(1, 1, 1))
    sampler = DeformationSampler.load(run, other, "cpu")
    drawn = sampler.sample(np.full(60, 2), np.arange(60))
    places = drawn[:, 0].astype(int).argmin(axis=1)
    assert places.std() > 1
    # The bar stays where the class has it.
    rows = (255 - drawn[:, :, [0, -1]].astype(int)).sum(axis=2)
    assert (np.abs(rows.argmax(axis=1) - 12.5) <= 1.5).mean() > 0.8


def test_a_stopped_run_goes_on_as_if_it_had_not_been(
    make_store: MakeStore, toy: DeformationRecipe, tmp_path: Path
) -> None:
    store = make_store("s")
    whole = train_deformation(store, tmp_path / "whole", toy, device="cpu")
    train_deformation(store, tmp_path / "cut", toy, device="cpu", control=STOP)
    cut = Run(tmp_path / "cut")
    assert not cut.snapshots()
    with pytest.raises(RunError, match="has no snapshot yet"):
        DeformationSampler.load(cut, store, "cpu")
    cut = train_deformation(store, tmp_path / "cut", toy, device="cpu")
    (first,), (second,) = whole.snapshots(), cut.snapshots()
    assert first.read_bytes() == second.read_bytes()

    def losses(run: Run) -> list[float]:
        return [entry["loss"] for entry in run.read_log() if "loss" in entry]

    assert losses(whole) == losses(cut)
    with pytest.raises(RecipeChangedError, match="smoothness"):
        train_deformation(store, cut.path, replace(toy, smoothness=1.0), device="cpu")


def test_a_finished_run_can_be_lengthened(
    make_store: MakeStore, toy: DeformationRecipe, tmp_path: Path
) -> None:
    store, recipes = make_store("s"), [replace(toy, steps=steps) for steps in (70, 120)]
    for recipe in recipes:
        run = train_deformation(store, tmp_path / "run", recipe, device="cpu")
    assert run.recipe["steps"] == 120
    assert [int(path.stem) for path in run.snapshots()] == [16 * 70, 16 * 120]
    losses = [(entry["images"] // 16, entry["loss"]) for entry in run.read_log() if "loss" in entry]
    assert [step for step, _ in losses] == [50, 70, 100, 120]
    assert losses[2][1] > 0.5 * losses[1][1]  # a mean of 30 steps, as those before were of 50 or 20
    with pytest.raises(RecipeChangedError, match="steps: 120 -> 70"):
        train_deformation(store, run.path, recipes[0], device="cpu")


def test_a_foreign_checkpoint_is_refused(
    make_store: MakeStore, toy: DeformationRecipe, tmp_path: Path
) -> None:
    store = make_store("s")
    run = train_deformation(store, tmp_path / "run", toy, device="cpu", control=STOP)
    tensors, metadata = load_tensors(run.checkpoint)
    save_tensors(run.checkpoint, tensors, {**metadata, "run": "another"})
    with pytest.raises(RunError, match="belongs to run 'another'"):
        train_deformation(store, run.path, toy, device="cpu")


def test_divergence_is_named(
    make_store: MakeStore,
    toy: DeformationRecipe,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store = make_store("s")
    monkeypatch.setattr(training, "learning_rate", lambda recipe, step: math.inf)
    with pytest.raises(DivergedError, match=r"losses .* no longer finite at step 50"):
        train_deformation(store, tmp_path / "run", toy, device="cpu")
    with pytest.raises(DivergedError, match=r"weights .* at step 1\..*There is no checkpoint yet"):
        train_deformation(store, tmp_path / "one", replace(toy, steps=1), device="cpu")


def test_divergence_keeps_and_names_the_last_good_checkpoint(
    make_store: MakeStore,
    toy: DeformationRecipe,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store, longer = make_store("s"), replace(toy, steps=200)
    run = train_deformation(store, tmp_path / "run", longer, device="cpu", control=STOP)
    kept = run.checkpoint.read_bytes()

    def no_number(*args: object) -> dict[str, torch.Tensor]:
        return {name: part * math.nan for name, part in pair_loss(*args).items()}

    monkeypatch.setattr(training, "pair_loss", no_number)
    with pytest.raises(DivergedError, match=r"of step 50, is .*checkpoint\.safetensors.*--out"):
        train_deformation(store, run.path, longer, device="cpu")
    assert run.checkpoint.read_bytes() == kept
    monkeypatch.undo()
    train_deformation(store, run.path, longer, device="cpu")
    assert run.weights(200 * longer.batch).is_file()


def test_samples_depend_on_seed_class_and_index_alone(
    make_store: MakeStore, toy: DeformationRecipe, tmp_path: Path
) -> None:
    store = make_store("large", counts=(3, 5), size=32)
    run = train_deformation(store, tmp_path / "run", replace(toy, steps=50), device="cpu")
    sampler = DeformationSampler.load(run.path, store, "cpu")
    ids, numbers = np.repeat([0, 1], 10), np.tile(np.arange(10), 2)
    together = sampler.sample(ids, numbers, seed=4)
    assert together.shape == (20, 32, 32)
    some = np.array([13, 2, 19])
    again = sampler.sample(ids[some], numbers[some], seed=4, batch=2)
    assert np.abs(again.astype(int) - together[some].astype(int)).max() <= 1
    assert not np.array_equal(sampler.sample(ids, numbers, seed=5), together)
    assert len(np.unique(together, axis=0)) == 20
    assert sampler.sample([], []).shape == (0, 32, 32)
    with pytest.raises(InputError, match=r"has no hands.*Leave out hand"):
        sampler.sample([0], hand=1)
    by_path = load_generator(run.path, source=str(store.path), device="cpu")
    np.testing.assert_array_equal(by_path.sample([0, 0], seed=4), sampler.sample([0, 0], seed=4))


def test_every_record_is_bent_equally_often(make_store: MakeStore, toy: DeformationRecipe) -> None:
    store = make_store("s", counts=(4, 2))
    still = DeformationSampler(DeformationNet(toy), store, torch.device("cpu"))
    drawn = still.sample(np.zeros(12, int), np.arange(12), seed=1)
    own = store.all_images()[store.labels == 0]
    near = np.abs(drawn[:, None].astype(int) - own[None].astype(int)).max(axis=(2, 3)) <= 1
    expected = near.sum(axis=1)  # equal records count for each other
    assert (expected >= 1).all()
    assert (near.sum(axis=0) >= 3).all()


def test_a_synthetic_store_says_where_it_comes_from(
    make_store: MakeStore, toy: DeformationRecipe, tmp_path: Path
) -> None:
    store = make_store("s")
    run = train_deformation(store, tmp_path / "run", replace(toy, steps=50), device="cpu")
    sampler = DeformationSampler.load(run, store, "cpu")
    drawn = synthesize(sampler, tmp_path / "drawn", per_class=5)
    assert drawn is not None
    assert drawn.is_synthetic
    assert not is_generated(drawn.manifest.origin)  # they have pixels of real samples
    assert list(drawn.manifest.class_counts) == [5, 5]
    assert drawn.manifest.origin["preset"] == "deformation"
    assert drawn.manifest.origin["data"] == store.manifest.content_sha256
    assert run.id in drawn.record(0).source
    assert store.manifest.content_sha256[:16] in drawn.record(0).source
    np.testing.assert_array_equal(drawn.all_images()[:5], sampler.sample([0] * 5, np.arange(5)))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"counts": (2, 0)}, "1 of the 2 classes have no record"),
        ({"channels": 3}, "expected 1 channel, found 3"),
    ],
)
def test_stores_that_cannot_be_bent(
    make_store: MakeStore, toy: DeformationRecipe, options: dict[str, object], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        DeformationSampler(DeformationNet(toy), make_store("s", **options), torch.device("cpu"))


def test_stores_that_teach_nothing(
    make_store: MakeStore, toy: DeformationRecipe, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="grey"):
        train_deformation(make_store("c", channels=3), tmp_path / "a", toy, device="cpu")
    with pytest.raises(InputError, match="two records"):
        train_deformation(make_store("one", counts=(1, 1)), tmp_path / "b", toy, device="cpu")
    with pytest.raises(InputError, match="found 16"):
        train_deformation(
            make_store("small"), tmp_path / "d", DeformationRecipe(size=32), device="cpu"
        )


@pytest.mark.parametrize(
    "wrong", [{"size": 20}, {"size": 8, "grid": 2}, {"grid": 4}, {"z_dim": 0}, {"lr": 0}]
)
def test_recipes_that_cannot_be(wrong: dict[str, int]) -> None:
    with pytest.raises(InputError):
        DeformationRecipe(**wrong)


def test_recipes_go_through_json(toy: DeformationRecipe) -> None:
    assert recipe_from_json(json.loads(json.dumps(recipe_to_json(toy)))) == toy
    with pytest.raises(InputError, match="unknown fields"):
        recipe_from_json({"sise": 3})


def test_the_rate_rises_and_falls(toy: DeformationRecipe) -> None:
    recipe = replace(toy, steps=1000, lr=1.0)
    assert learning_rate(recipe, 0) == pytest.approx(1 / 200)
    assert learning_rate(recipe, 500) == pytest.approx(0.5)
    assert learning_rate(recipe, 999) < 1e-4


def test_a_finished_run_is_not_written_again(
    make_store: MakeStore, toy: DeformationRecipe, tmp_path: Path
) -> None:
    # Samplers are told apart by the hash of the weights' file, which chance orders.
    store, recipe = make_store("s"), replace(toy, steps=2)
    run = train_deformation(store, tmp_path / "run", recipe, device="cpu")
    (weights,) = run.snapshots()
    before = weights.stat()
    train_deformation(store, tmp_path / "run", recipe, device="cpu")
    assert (weights.stat().st_ino, weights.stat().st_mtime_ns) == (
        before.st_ino,
        before.st_mtime_ns,
    )
    weights.unlink()
    train_deformation(store, tmp_path / "run", recipe, device="cpu")
    assert weights.exists()
