from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hwgen.charset import Charset
from hwgen.compute.tensor_files import load_tensors, load_texts
from hwgen.errors import DivergedError, RunError
from hwgen.generators.adversarial import d_recogniser
from hwgen.generators.adversarial.d_recogniser import FILE as RECOGNISER
from hwgen.generators.refiner.recipe import RefinerRecipe
from hwgen.generators.refiner.training import train
from hwgen.progress import Control
from hwgen.recogniser.inference import Recogniser
from hwgen.recogniser.mixing import LabelledImages, MixedBatches
from hwgen.recogniser.network import LIGHT, RecogniserNetwork
from hwgen.recogniser.store_checks import known_records
from hwgen.recogniser.training import train_recogniser
from hwgen.record import Record
from hwgen.store import StoreWriter
from hwgen.store.overlap import seen_records
from tests.generators.refiner.test_training import store_of
from tests.generators.refiner.toy import ToyStrokes, run_training
from tests.trainings import assert_same_files


def test_d_sees_through_a_recogniser_that_is_trained_first(
    toy_features: RefinerRecipe, strokes: ToyStrokes, tmp_path: Path
) -> None:
    store = store_of(tmp_path / "store", "一丨十", size=32)
    whole = run_training(store, tmp_path / "whole", toy_features, strokes)
    for steps in (5, 3, 0):  # the first time, two of them are the recogniser's
        run = run_training(store, tmp_path / "run", toy_features, strokes, stop=steps)
    assert_same_files(run.path / RECOGNISER, whole.path / RECOGNISER)
    assert_same_files(run.checkpoint, whole.checkpoint)
    log = whole.read_log()
    (recogniser_seconds,) = (
        entry["recogniser_seconds"] for entry in log if "recogniser_seconds" in entry
    )
    # The time of the run has that of the recogniser.
    assert min(entry["seconds"] for entry in log if "seconds" in entry) > recogniser_seconds
    assert Recogniser.load(run.path / RECOGNISER, torch.device("cpu")).charset == store.charset
    tensors, _ = load_tensors(run.checkpoint)
    assert not any(name.startswith("d.maps") for name in tensors)


def test_the_recogniser_of_d_sees_no_held_out_class(
    toy_features: RefinerRecipe,
    strokes: ToyStrokes,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store = store_of(tmp_path / "store", "一丨十二", size=32)
    seen: list[set[int]] = []

    def note(data: LabelledImages, *args: Any, **options: Any) -> Recogniser | None:
        seen.append(set(data.used_labels.tolist()))
        return train_recogniser(data, *args, **options)

    monkeypatch.setattr(d_recogniser, "train_recogniser", note)
    run = run_training(store, tmp_path / "run", replace(toy_features, held_out=0.3), strokes)
    held_out = next(entry["held_out"] for entry in run.read_log() if "held_out" in entry)
    learnt = set(range(4)) - set(store.charset.ids(held_out))
    assert seen == [learnt]
    # What starts from it is not tested on what it has seen, and may be tested on the rest.
    records = known_records(Recogniser.load(run.path / RECOGNISER, torch.device("cpu")).provenance)
    assert seen_records(store, records) == len(records) == np.isin(store.labels, [*learnt]).sum()


def test_killed_before_the_recogniser_is_saved_its_time_is_logged_once(
    toy_features: RefinerRecipe,
    strokes: ToyStrokes,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    store = store_of(tmp_path / "store", "一丨十", size=32)
    with monkeypatch.context() as patched:
        patched.setattr(Recogniser, "save", killed)
        with pytest.raises(KeyboardInterrupt):
            run_training(store, tmp_path / "run", toy_features, strokes)
    run = run_training(store, tmp_path / "run", toy_features, strokes)
    assert len([entry for entry in run.read_log() if "recogniser_seconds" in entry]) == 1


def test_a_stop_while_the_recogniser_is_trained_is_named(
    toy_features: RefinerRecipe, strokes: ToyStrokes, tmp_path: Path
) -> None:
    store = store_of(tmp_path / "store", "一丨十", size=32)
    with pytest.raises(RunError, match="the recogniser through which D sees"):
        train(
            store,
            tmp_path / "run",
            toy_features,
            strokes=strokes,
            device="cpu",
            precision="fp32",
            control=Control(stop=lambda: True),
        )


def test_the_training_of_the_recogniser_is_resumed(
    toy_features: RefinerRecipe, strokes: ToyStrokes, tmp_path: Path
) -> None:
    store = store_of(tmp_path / "store", "一丨十", size=32)
    recipe = replace(
        toy_features, discriminator=replace(toy_features.discriminator, recogniser_steps=5)
    )
    whole = run_training(store, tmp_path / "whole", recipe, strokes)
    path = tmp_path / "run"
    for steps in (3, 2):
        with pytest.raises(RunError, match="Rerun the command to resume"):
            run_training(store, path, recipe, strokes, stop=steps)
    (saved,) = path.glob(".*.hwgen-checkpoint")
    assert load_texts(saved)["step"] == "3"
    assert not (path / RECOGNISER).exists()
    run = run_training(store, path, recipe, strokes)
    assert_same_files(run.path / RECOGNISER, whole.path / RECOGNISER)
    assert_same_files(run.checkpoint, whole.checkpoint)
    assert not list(path.glob(".*.hwgen-checkpoint"))
    (seconds,) = (
        one["recogniser_seconds"] for one in run.read_log() if "recogniser_seconds" in one
    )
    assert min(entry["seconds"] for entry in run.read_log() if "seconds" in entry) > seconds


def test_the_progress_of_the_recogniser_has_rate_and_remaining_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    notes: list[tuple[float, float, str]] = []
    ticks = iter((100.0, 110.0))
    monkeypatch.setattr("hwgen.progress.time.monotonic", lambda: next(ticks))
    show = d_recogniser._noted(Control(lambda *news: notes.append(news)), 320_000)
    show(2_020, 5_000, 2.345)  # resumed
    show(2_040, 5_000, 2.2)
    assert notes == [
        (0, 320_000, "training D's recogniser: 2,020 of 5,000 steps, loss 2.35"),
        (
            *(0, 320_000),
            "training D's recogniser: 2,040 of 5,000 steps, 2 steps/s, 0:24:40 left, loss 2.20",
        ),
    ]


def test_a_pretrained_run_keeps_the_recogniser(
    toy_features: RefinerRecipe, strokes: ToyStrokes, tmp_path: Path
) -> None:
    store = store_of(tmp_path / "store", "一丨十", size=32)
    first = run_training(store, tmp_path / "first", toy_features, strokes)
    own = store_of(tmp_path / "own", "二口", size=32)
    # However long it would be trained here.
    d = replace(toy_features.discriminator, recogniser_steps=9)
    other = replace(toy_features, discriminator=d)
    run = run_training(own, tmp_path / "run", other, strokes, init_from=first.path)
    assert_same_files(run.path / RECOGNISER, first.path / RECOGNISER)


def test_a_character_of_two_stores_is_one_class_of_the_recogniser(
    toy_features: RefinerRecipe, strokes: ToyStrokes, tmp_path: Path
) -> None:
    store = store_of(tmp_path / "store", "一丨十", size=32)
    also = store_of(tmp_path / "also", "十二", size=32)
    whole = replace(toy_features, held_out=0.0)
    run = run_training(store, tmp_path / "run", whole, strokes, also=[also], on_collapse="ignore")
    recogniser = Recogniser.load(run.path / RECOGNISER, torch.device("cpu"))
    assert recogniser.charset.labels == tuple("一丨十二")
    assert recogniser.provenance["pictures"] == len(store) + len(also)


@pytest.mark.parametrize("balanced", [False, True])
def test_the_recogniser_of_d_sees_as_many_samples_of_each_store(
    toy_features: RefinerRecipe,
    strokes: ToyStrokes,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    balanced: bool,
) -> None:
    scans = store_of(tmp_path / "scans", "一丨", size=32, per_class=1)
    ink = store_of(tmp_path / "ink", "十二口", size=32, per_class=50)
    seen: list[Counter[bool]] = []
    batch = MixedBatches.batch

    def note(batches: MixedBatches, step: int) -> Any:
        images, y = batch(batches, step)
        seen.append(Counter((y < 2).tolist()))
        return images, y

    monkeypatch.setattr(MixedBatches, "batch", note)
    whole = replace(toy_features, held_out=0.0, balanced=balanced)
    run_training(scans, tmp_path / "run", whole, strokes, also=[ink], on_collapse="ignore")
    half = LIGHT.batch // 2
    assert seen == [Counter({True: half, False: half})] * 2


def test_a_run_is_not_resumed_with_another_recogniser(
    toy_features: RefinerRecipe, strokes: ToyStrokes, tmp_path: Path
) -> None:
    store = store_of(tmp_path / "store", "一丨十", size=32)
    run = run_training(store, tmp_path / "run", toy_features, strokes, stop=5)
    file = run.path / RECOGNISER
    other = replace(LIGHT, size=32, hidden=8)
    Recogniser(RecogniserNetwork(other, 3), other, store.charset).save(file)
    with pytest.raises(RunError, match="is not the recogniser that this run's D sees through"):
        run_training(store, run.path, toy_features, strokes)
    file.unlink()
    with pytest.raises(RunError, match="is missing: the recogniser through which D has seen"):
        run_training(store, run.path, toy_features, strokes)
    with pytest.raises(RunError, match=f"has no {RECOGNISER}|is not finished"):
        run_training(store, tmp_path / "next", toy_features, strokes, init_from=run.path)


def test_one_sample_is_enough_with_the_recogniser_of_another_run(
    toy_features: RefinerRecipe, strokes: ToyStrokes, tmp_path: Path
) -> None:
    store = store_of(tmp_path / "store", "一丨十", size=32)
    first = run_training(store, tmp_path / "first", toy_features, strokes)
    with StoreWriter(tmp_path / "mine", size=32, recipe={}) as writer:
        writer.add(Record(np.full((32, 32), 9, np.uint8), "口", "", "", 0))
        mine = writer.finish(charset=Charset(("口",)), origin={})
    own = replace(toy_features, images=4, every=4)
    run = run_training(
        mine, tmp_path / "run", own, strokes, init_from=first.path, on_collapse="ignore"
    )
    # D sees as it did in the first run.
    there, here = (load_tensors(one.checkpoint)[0]["d.mean3"] for one in (first, run))
    assert torch.equal(there, here)


def test_a_recogniser_that_diverges_is_no_divergence_of_the_generator(
    toy_features: RefinerRecipe,
    strokes: ToyStrokes,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def diverge(*_: Any, **__: Any) -> None:
        raise DivergedError("the recogniser's loss is nan at step 20")

    monkeypatch.setattr(d_recogniser, "train_recogniser", diverge)
    store = store_of(tmp_path / "store", "一丨十", size=32)
    with pytest.raises(RunError, match="another --seed") as refused:
        run_training(store, tmp_path / "run", toy_features, strokes, on_collapse="rollback")
    assert not isinstance(refused.value, DivergedError)
