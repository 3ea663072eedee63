import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image as PilImage
from safetensors.torch import load_file

from hwgen.charset import Charset
from hwgen.compute.tensor_files import load_tensors
from hwgen.errors import InputError, RecipeChangedError
from hwgen.generators.adversarial import training
from hwgen.generators.refiner.recipe import RefinerRecipe
from hwgen.generators.refiner.stroke_file import FILE, StoredStrokes
from hwgen.imaging.pixel_deviation import pixel_deviation
from hwgen.progress import Control
from hwgen.record import Image, Record
from hwgen.runs import Run
from hwgen.store import Store, StoreWriter
from tests.generators.refiner.toy import TOY_STROKES, ToyStrokes, run_training, sampler_of
from tests.trainings import assert_same_files, timeless


def store_of(
    path: Path, labels: str, *, size: int = 16, per_class: int = 4, **origin: Any
) -> Store:
    """Random images; images of the n-th label have grey level 10 * n in a corner."""
    rng = np.random.default_rng(0)
    with StoreWriter(path, size=size, recipe={}) as writer:
        for number in range(len(labels) * per_class):
            image = rng.integers(0, 256, (size, size), np.uint8)
            label = number % len(labels)
            image[0, 0] = 10 * label
            writer.add(Record(image, labels[label], "", "", number))
        return writer.finish(charset=Charset(tuple(labels)), origin=origin)


def test_a_resumed_run_is_the_uninterrupted_one(
    toy_store: Store, recipe: RefinerRecipe, strokes: ToyStrokes, toy_run: Run, tmp_path: Path
) -> None:
    for steps in (3, 4, 0):
        run = run_training(toy_store, tmp_path / "run", recipe, strokes, stop=steps)
    assert run.id == toy_run.id
    assert_same_files(run.checkpoint, toy_run.checkpoint)
    assert timeless(run.read_log()) == timeless(toy_run.read_log())
    for grid in toy_run.grids.iterdir():
        assert (run.grids / grid.name).read_bytes() == grid.read_bytes()
    assert_same_files(run.path / FILE, toy_run.path / FILE)


def test_a_run_holds_what_sampling_needs_and_no_simulated_image(
    toy_run: Run, recipe: RefinerRecipe
) -> None:
    stored = StoredStrokes(toy_run.path / FILE)
    assert stored.characters() == TOY_STROKES.keys()  # also those that the store has not
    assert (stored.name, stored.notice) == ("a toy", "Drawn for a test, under a licence")
    assert set(load_file(toy_run.snapshots()[-1])) == {
        f"g.net.{name}" for name in sampler_of(toy_run)._net.state_dict()
    }
    tensors, _ = load_tensors(toy_run.checkpoint)
    assert not any("simulated" in name or "grid" in name for name in tensors)
    assert toy_run.recipe["strokes"]
    assert toy_run.kind == "refiner"


def test_grids_lie_side_by_side_and_show_what_synthesis_gives(
    toy_store: Store, toy_run: Run, recipe: RefinerRecipe
) -> None:
    names = ["000000020.png", "000000040.png", "real.png", "simulated.png"]
    assert sorted(path.name for path in toy_run.grids.iterdir()) == names
    sizes = set()
    for name in names:
        with PilImage.open(toy_run.grids / name) as image:
            sizes.add(image.size)
    assert len(sizes) == 1
    entry = next(entry for entry in toy_run.read_log() if "held_out" in entry)
    held_out = toy_store.charset.ids(entry["held_out"])
    last = toy_run.read_log()[-1]
    samples = sampler_of(toy_run).sample(np.repeat(held_out, 12), np.arange(12), seed=0)
    assert last["deviation"] == pytest.approx(pixel_deviation(samples), abs=0.05)


def test_held_out_classes_reach_neither_d_nor_g(
    recipe: RefinerRecipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = store_of(tmp_path / "store", "一丨十龘口二")
    seen: list[tuple[int, int]] = []
    step = training.train_step

    def watched(
        state: Any, recipe: Any, x: torch.Tensor, y: torch.Tensor, *rest: Any, **more: Any
    ) -> Any:
        corner = ((1 - x[:, 0, 0, 0]) * 0 + (x[:, 0, 0, 0] + 1) * 12.75).round().int().tolist()
        seen.extend(zip(y.tolist(), corner, strict=True))
        return step(state, recipe, x, y, *rest, **more)

    monkeypatch.setattr(training, "train_step", watched)
    scored: list[set[int]] = []

    def score(images: Image, class_ids: np.ndarray) -> dict[str, float]:
        scored.append(set(class_ids.tolist()))
        return {"purity": 1.0, "diversity": 1.0}

    run = run_training(
        store,
        tmp_path / "run",
        replace(recipe, held_out=0.4, images=80, every=80),
        ToyStrokes(TOY_STROKES),
        score=score,
        on_collapse="ignore",
    )
    entry = next(entry for entry in run.read_log() if "held_out" in entry)
    assert entry["without_strokes"] == ["龘"]
    held_out = set(store.charset.ids(entry["held_out"]))
    assert len(held_out) == 2
    trained = {0, 1, 2, 4, 5} - held_out
    assert {label for label, _ in seen} == trained
    assert all(label == corner for label, corner in seen)  # labels belong to their images
    assert scored == [held_out]
    # The rows of D's label map of other classes are as they began.
    before = run_training(
        store,
        tmp_path / "other",
        replace(recipe, held_out=0.4, images=4, every=4),
        ToyStrokes(TOY_STROKES),
        on_collapse="ignore",
    )
    rows, others = (load_tensors(r.checkpoint)[0]["d.label_map.weight"] for r in (run, before))
    for number in range(6):
        assert torch.equal(rows[number], others[number]) == (number not in trained)


def test_real_samples_are_compared_with_the_classes_that_are_shown(
    recipe: RefinerRecipe, tmp_path: Path
) -> None:
    """A class whose records are all alike makes no held-out class look collapsed."""
    seen = []
    with pytest.MonkeyPatch.context() as patched:
        watched = training.SampleMonitor

        def monitor(*arguments: Any, **options: Any) -> Any:
            seen.append(watched(*arguments, **options))
            return seen[-1]

        patched.setattr(training, "SampleMonitor", monitor)
        store = store_of(tmp_path / "store", "一丨十")
        run = run_training(
            store, tmp_path / "run", recipe, ToyStrokes(TOY_STROKES), on_collapse="ignore"
        )
    entry = next(entry for entry in run.read_log() if "held_out" in entry)
    (held_out,) = store.charset.ids(entry["held_out"])
    real = pixel_deviation(store.images(np.flatnonzero(store.labels == held_out)))
    assert seen[0].real_deviation == pytest.approx(real)


@pytest.mark.parametrize(
    ("labels", "known", "error"),
    [
        ("龘龖", "一丨", "0 of the 2 classes with records have strokes"),
        ("一龘", "一丨", "1 of the 2 classes"),
    ],
)
def test_too_few_classes_with_strokes_are_refused_before_anything_is_made(
    recipe: RefinerRecipe, tmp_path: Path, labels: str, known: str, error: str
) -> None:
    store = store_of(tmp_path / "store", labels)
    some = ToyStrokes({label: TOY_STROKES[label] for label in known})
    with pytest.raises(InputError, match=error):
        run_training(store, tmp_path / "run", recipe, some)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(("size", "error"), [(12, "16 pixels or more")])
def test_a_small_store_is_refused_before_characters_are_simulated(
    recipe: RefinerRecipe,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    size: int,
    error: str,
) -> None:
    monkeypatch.setattr("hwgen.generators.refiner.training.simulate_classes", None)
    with pytest.raises(InputError, match=error):
        run_training(
            store_of(tmp_path / "s", "一丨", size=size),
            tmp_path / "run",
            recipe,
            ToyStrokes(TOY_STROKES),
        )


def test_other_strokes_are_refused_when_a_run_is_resumed(
    toy_store: Store, recipe: RefinerRecipe, strokes: ToyStrokes, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    run_training(toy_store, out, recipe, strokes, stop=3)
    fewer = {label: TOY_STROKES[label] for label in "一丨"}
    for others in (fewer, {**TOY_STROKES, "十": TOY_STROKES["口"]}):
        with pytest.raises(RecipeChangedError, match=r"recipe\.strokes: \w{16} -> \w{16}"):
            run_training(toy_store, out, recipe, ToyStrokes(others))
    # Strokes of characters that the store has not make no difference.
    more = {**TOY_STROKES, "刁": TOY_STROKES["口"]}
    assert run_training(toy_store, out, recipe, ToyStrokes(more)).recipe["images"] == 40


@pytest.mark.parametrize(
    ("origin", "margin", "stretch"),
    [
        ({}, -1, False),
        ({"framing": {"size": 64, "margin": 8, "stretch": False}}, 2, False),
        ({"framing": {"size": 64, "margin": 0, "stretch": True}}, -1, True),
        ({"of_origin": {"framing": {"size": 64, "margin": 8}}}, 2, False),
        ({"framing": "none"}, -1, False),
        ({"framing": {"margin": "wide"}}, -1, False),
    ],
)
def test_simulated_characters_are_framed_as_the_store(
    recipe: RefinerRecipe, tmp_path: Path, origin: dict[str, Any], margin: int, stretch: bool
) -> None:
    store = store_of(tmp_path / "store", "一丨十", size=64, **origin)
    run = run_training(
        store,
        tmp_path / "run",
        replace(recipe, images=4, every=4),
        ToyStrokes(TOY_STROKES),
        on_collapse="ignore",
    )
    assert (run.recipe["margin"], run.recipe["stretch"]) == (margin, stretch)
    sampler = sampler_of(run)
    ink = (sampler.start.images(np.zeros(20, int), np.arange(20), 0) < 255).any(axis=0)
    columns = np.flatnonzero(ink.any(axis=0))
    border = {-1: 1, 2: 2}[margin] if not stretch else 0
    assert (columns[0], columns[-1]) == (border, 15 - border)


def test_a_margin_that_the_user_gave_is_kept(recipe: RefinerRecipe, tmp_path: Path) -> None:
    store = store_of(tmp_path / "store", "一丨十", framing={"margin": 2})
    given = replace(recipe, margin=4, images=4, every=4)
    strokes = ToyStrokes(TOY_STROKES)
    run = run_training(store, tmp_path / "run", given, strokes, on_collapse="ignore")
    assert run.recipe["margin"] == 4


def test_progress_begins_with_the_simulation(
    toy_store: Store, recipe: RefinerRecipe, strokes: ToyStrokes, tmp_path: Path
) -> None:
    seen: list[tuple[float, float, str]] = []
    control = Control(lambda *news: seen.append(news))
    run_training(toy_store, tmp_path / "run", recipe, strokes, control=control)
    assert seen[0] == (0, 40, "simulating characters: 6 of 6")
    assert seen[-1][:2] == (40, 40)


def test_a_stop_while_simulating_leaves_a_run_that_the_same_call_trains(
    toy_store: Store,
    recipe: RefinerRecipe,
    strokes: ToyStrokes,
    toy_run: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    module = "hwgen.generators.refiner.simulated"
    with monkeypatch.context() as patched:
        patched.setattr(
            f"{module}.render_items",
            lambda items, framing, workers: (np.zeros((1, 16, 16), np.uint8) for _ in range(6)),
        )
        with pytest.raises(Exception, match="training has not begun"):
            run_training(toy_store, tmp_path / "run", recipe, strokes, stop=1)
    run = run_training(toy_store, tmp_path / "run", recipe, strokes)
    assert_same_files(run.checkpoint, toy_run.checkpoint)
    assert timeless(run.read_log()) == timeless(toy_run.read_log())


def test_a_rollback_does_not_simulate_again(
    toy_store: Store,
    recipe: RefinerRecipe,
    strokes: ToyStrokes,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls = []
    module = "hwgen.generators.refiner.training"
    from hwgen.generators.refiner.simulated import simulate_classes

    def counted(*arguments: Any, **options: Any) -> torch.Tensor:
        calls.append(1)
        return simulate_classes(*arguments, **options)

    monkeypatch.setattr(f"{module}.simulate_classes", counted)
    step, done = training.train_step, []

    def diverging(*arguments: Any, **options: Any) -> dict[str, torch.Tensor]:
        done.append(1)
        found = step(*arguments, **options)
        return {**found, "loss_d": found["loss_d"] * float("nan")} if len(done) == 7 else found

    monkeypatch.setattr(training, "train_step", diverging)
    run = run_training(toy_store, tmp_path / "run", recipe, strokes, on_collapse="rollback")
    assert any("rollback" in entry for entry in run.read_log())
    assert len(calls) == 1


def assert_near(found: Run, expected: Run) -> None:
    """The same numbers, but for the order in which floats were summed."""
    for ours, theirs in zip(timeless(found.read_log()), timeless(expected.read_log()), strict=True):
        assert ours.pop("deviation", 0) == pytest.approx(theirs.pop("deviation", 0), rel=1e-3)
        if "held_out" in theirs:
            assert ours == theirs
        else:
            assert ours == pytest.approx(theirs, rel=1e-4)
    tensors, others = load_file(found.checkpoint), load_file(expected.checkpoint)
    assert tensors.keys() == others.keys()
    for name, tensor in others.items():
        # See tests/generators/adversarial/test_training_two_processes.py.
        if name.startswith(("g.", "d.", "ema.")) and not name.endswith((".bias", "running_mean")):
            assert (tensors[name] - tensor).float().norm() <= 1e-4 * tensor.float().norm(), name


def test_two_processes_train_what_one_trains(
    toy_store: Store, toy_run: Run, tmp_path: Path, torchrun: Callable[..., Any]
) -> None:
    (tmp_path / "store").symlink_to(toy_store.path)
    process = torchrun(Path(__file__).with_name("together.py"), tmp_path)
    said = process.communicate()[0]
    assert process.returncode == 0, said
    assert_near(Run(tmp_path / "run"), toy_run)


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_a_killed_training_is_resumed(
    toy_store: Store, recipe: RefinerRecipe, strokes: ToyStrokes, toy_run: Run, tmp_path: Path
) -> None:
    asked = 0

    def crash() -> bool:
        nonlocal asked
        asked += 1
        if asked == 8:
            raise MemoryError
        return False

    with pytest.raises(MemoryError):
        run_training(toy_store, tmp_path / "run", recipe, strokes, control=Control(stop=crash))
    (tmp_path / "run" / FILE).unlink()  # as if the kill came before it was written
    run = run_training(toy_store, tmp_path / "run", recipe, strokes)
    assert_same_files(run.checkpoint, toy_run.checkpoint)


def test_a_refiner_is_adapted_to_one_sample_of_one_class(
    recipe: RefinerRecipe, strokes: ToyStrokes, toy_run: Run, tmp_path: Path
) -> None:
    with StoreWriter(tmp_path / "mine", size=16, recipe={}) as writer:
        writer.add(Record(np.full((16, 16), 200, np.uint8), "口", "me", "", 0))
        store = writer.finish(charset=Charset(("口",)), origin={})
    still = replace(
        recipe, images=4, every=4, optimizer=replace(recipe.optimizer, lr_g=1e-12, lr_d=1e-12)
    )
    run = run_training(store, tmp_path / "run", still, strokes, init_from=toy_run.path)
    # G is where the other run ended: the same samples, of any character.
    ours, theirs = (
        sampler_of(one, "刁").sample(np.zeros(5, int), np.arange(5)) for one in (run, toy_run)
    )
    assert abs(ours.astype(int) - theirs).max() <= 40  # statistics of batch norm have moved
    assert run.data["init_from"]["run"] == toy_run.id
    net = load_file(run.snapshots()[-1])
    for name, tensor in load_file(toy_run.snapshots()[-1]).items():
        if "norm." not in name:
            assert torch.allclose(net[name], tensor, atol=1e-6), name
