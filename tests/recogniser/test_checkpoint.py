from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch

from hwgen.compute.tensor_files import load_tensors, load_texts, save_tensors
from hwgen.errors import DivergedError, RecipeChangedError, RunError
from hwgen.recogniser import checkpoint
from hwgen.recogniser.checkpoint import TrainingCheckpoint
from hwgen.recogniser.inference import Recogniser
from hwgen.recogniser.mixing import LabelledImages
from hwgen.recogniser.network import RecogniserRecipe
from hwgen.recogniser.training import from_stores, train_recogniser
from hwgen.runs import checkpoints
from hwgen.store import Store

CPU = torch.device("cpu")
MakeStore = Callable[..., Store]
SETTINGS = {"recipe": {"lr": 0.1, "widths": [4, 8]}, "seed": 3}


def place(folder: Path, settings: dict[str, Any] = SETTINGS) -> TrainingCheckpoint:
    return TrainingCheckpoint(folder / "reader.safetensors", settings)


def train(
    data: LabelledImages,
    recipe: RecogniserRecipe,
    at: TrainingCheckpoint | None,
    *,
    stop_at: int | None = None,
    **options: Any,
) -> Recogniser | None:
    """Train, and stop when asked before a step for the `stop_at`th time, from 0."""
    asked = iter(range(10_000))
    return train_recogniser(
        data,
        recipe,
        seed=3,
        device=CPU,
        stop=lambda: next(asked) == stop_at,
        checkpoint=at,
        **options,
    )


def weights(trained: Recogniser | None) -> dict[str, torch.Tensor]:
    assert trained is not None
    return trained.network.state_dict()


def assert_equal(a: Recogniser | None, b: Recogniser | None) -> None:
    found, expected = weights(a), weights(b)
    assert all(torch.equal(found[name], expected[name]) for name in expected)


@pytest.fixture
def data(make_store: MakeStore) -> LabelledImages:
    return from_stores([make_store("train")], RecogniserRecipe(size=16), CPU)


@pytest.fixture
def short(toy: RecogniserRecipe) -> RecogniserRecipe:
    return replace(toy, steps=26, dropout=0.4)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_stopped_trainings_give_the_weights_of_an_uninterrupted_one_bit_for_bit(
    data: LabelledImages, short: RecogniserRecipe, tmp_path: Path, precision: str
) -> None:
    reports: dict[str, list[tuple[int, int, float]]] = {"whole": [], "stopped": []}
    whole = train(
        data,
        short,
        None,
        precision=precision,
        progress=lambda *news: reports["whole"].append(news),
    )
    before = torch.get_rng_state()
    for steps in (1, 9, 3, 8):  # to step 1, 10, 13 and 21
        at = place(tmp_path)
        stopped = train(
            data,
            short,
            at,
            stop_at=steps,
            precision=precision,
            progress=lambda *news: reports["stopped"].append(news),
        )
        assert stopped is None
    assert load_texts(at.path)["step"] == "21"
    torch.rand(5)  # the state of the process plays no part
    at = place(tmp_path)
    resumed = train(
        data,
        short,
        at,
        precision=precision,
        progress=lambda *news: reports["stopped"].append(news),
    )
    assert_equal(resumed, whole)
    assert reports["stopped"] == reports["whole"]
    assert at.seconds_before > 0
    assert not torch.equal(torch.get_rng_state(), before)  # that of the process goes on
    at.remove()
    assert list(tmp_path.glob(".*")) == []


def test_a_killed_training_resumes_from_its_last_checkpoint(
    data: LabelledImages, short: RecogniserRecipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "CHECKPOINT_SECONDS", 0.0)

    def killed(done: int, *_: Any) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(data, short, place(tmp_path), progress=killed)
    assert load_texts(place(tmp_path).path)["step"] == "19"  # killed in step 20
    assert_equal(train(data, short, place(tmp_path)), train(data, short, None))


def test_checkpoints_are_a_minute_apart(
    data: LabelledImages, short: RecogniserRecipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def clock() -> Iterator[float]:
        now = 0.0
        while True:
            yield now
            now += 10.0

    ticks, saved = clock(), []
    monkeypatch.setattr("hwgen.recogniser.checkpoint.time.monotonic", lambda: next(ticks))
    monkeypatch.setattr(
        checkpoint, "write_checkpoint", lambda path, run, state, texts: saved.append(state)
    )
    train(data, short, place(tmp_path))
    # Asked after each step for the time, and twice while saving: 6 steps, then 4 or 5 and saving.
    steps = [state.step for state in saved]
    assert steps[0] == 6
    assert {b - a for a, b in pairwise(steps)} <= {5, 6}
    assert [state.seconds for state in saved] == sorted(state.seconds for state in saved)


def test_without_a_step_there_is_nothing_to_save(
    data: LabelledImages, short: RecogniserRecipe, tmp_path: Path
) -> None:
    assert train(data, short, place(tmp_path), stop_at=0) is None
    assert list(tmp_path.glob(".*")) == []


def test_a_checkpoint_of_other_settings_is_named_with_the_differences(
    data: LabelledImages, short: RecogniserRecipe, tmp_path: Path
) -> None:
    train(data, short, place(tmp_path), stop_at=2)
    other = place(tmp_path, {"recipe": {"lr": 0.2, "widths": (4, 8)}, "seed": 3})
    for resume in (other.check, lambda: train(data, short, other)):
        with pytest.raises(RecipeChangedError, match="begun with other settings") as refused:
            resume()
        assert refused.value.details == ("recipe.lr: 0.1 -> 0.2",)
        assert refused.value.where == str(other.path)
        assert "remove the file to start from scratch" in refused.value.remedy
    place(tmp_path, {"recipe": {"lr": 0.1, "widths": (4, 8)}, "seed": 3}).check()


def test_damaged_checkpoints_are_refused(
    data: LabelledImages, short: RecogniserRecipe, tmp_path: Path
) -> None:
    at = place(tmp_path)
    at.check()  # none
    train(data, short, at, stop_at=2)
    tensors, texts = load_tensors(at.path)
    for wrong in ({}, {**texts, "settings": "[]"}, {**texts, "settings": "{"}):
        save_tensors(at.path, tensors, wrong)
        with pytest.raises(RunError, match="is not a checkpoint of a recogniser's training") as it:
            at.check()
        assert it.value.remedy == "Remove it to start from scratch"
    save_tensors(at.path, tensors, {**texts, "run": "another"})
    with pytest.raises(RunError, match="belongs to run 'another'"):
        train(data, short, place(tmp_path))
    for name, tensor in (
        ("network.0.weight", torch.zeros(1)),
        ("optimizer.0.exp_avg", torch.zeros(1)),
        ("loss", torch.zeros(3)),
        ("random.dropout", torch.zeros_like(tensors["random.dropout"])),
        ("random.dropout", tensors["random.dropout"].double()),
        ("random.augmentation", None),
    ):
        wrong = {k: v for k, v in {**tensors, name: tensor}.items() if v is not None}
        save_tensors(at.path, wrong, texts)
        with pytest.raises(RunError, match=r"does not fit its recipe|is not a checkpoint of"):
            train(data, short, place(tmp_path))
    at.path.write_bytes(b"no weights")
    with pytest.raises(RunError, match="not a readable safetensors file"):
        at.check()
    at.path.unlink()
    at.path.mkdir()
    with pytest.raises(RunError, match="it is a folder"):
        at.check()


def test_on_another_kind_of_device_the_random_numbers_follow_from_seed_and_step(
    data: LabelledImages, short: RecogniserRecipe, tmp_path: Path
) -> None:
    found = []
    for name in ("a", "b"):
        at = place(tmp_path / name)
        train(data, short, at, stop_at=5)
        tensors, texts = load_tensors(at.path)
        # CUDA's states have 16 bytes.
        states = {key: torch.zeros(16, dtype=torch.uint8) for key in tensors if "random" in key}
        save_tensors(at.path, {**tensors, **states}, texts)
        found.append(train(data, short, place(tmp_path / name)))
    assert_equal(*found)
    whole = weights(train(data, short, None))
    assert not torch.equal(weights(found[0])["0.weight"], whole["0.weight"])


def test_a_diverged_training_leaves_nothing_to_resume(
    data: LabelledImages, short: RecogniserRecipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(data, short, at := place(tmp_path), stop_at=2)
    assert at.path.exists()
    monkeypatch.setattr("hwgen.recogniser.network.check_numbers", lambda value, name: None)
    hot = replace(short, lr=float("inf"))
    with pytest.raises(DivergedError, match="not finite after step 3") as diverged:
        train(data, hot, place(tmp_path), stop_at=1)
    assert diverged.value.remedy == "Use a recipe with a lower lr"
    assert not at.path.exists()
