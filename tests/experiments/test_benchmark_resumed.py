"""Benchmarks that are resumed, extended, or refused because of what is in their output."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hwgen.compute.tensor_files import load_texts
from hwgen.errors import RecipeChangedError, RunError
from hwgen.experiments.benchmark import benchmark
from hwgen.io.locks import exclusive
from hwgen.progress import Control
from hwgen.recogniser import cached_training
from hwgen.recogniser.inference import Recogniser
from hwgen.recogniser.network import RecogniserRecipe
from hwgen.store import Store
from tests.experiments.benchmark_runs import CPU, run

MakeStore = Callable[..., Store]


def test_a_rerun_resumes_from_finished_recognisers(
    real: tuple[Store, Store], synthetic: Store, toy: RecogniserRecipe, tmp_path: Path
) -> None:
    recipe, out = replace(toy, steps=6), tmp_path / "out"
    asked = 0

    def stop() -> bool:
        nonlocal asked
        asked += 1
        return asked > 15  # in the third training

    stores = (*real, synthetic)
    options: dict[str, Any] = {"recipe": recipe, "seeds": [0, 1], "out": out}
    options |= {"device": CPU, "precision": "fp32"}
    assert benchmark(*stores, **options, control=Control(stop=stop)) is None
    begun, *finished = sorted(out.iterdir())
    assert begun.name == ".recogniser-real+synthetic-seed0.safetensors.hwgen-checkpoint"
    assert load_texts(begun)["step"] == "3"
    assert [path.name for path in finished] == [
        "recogniser-real-seed0.safetensors",
        "recogniser-real-seed1.safetensors",
    ]
    before = [path.read_bytes() for path in finished]
    news: list[tuple[float, float, str]] = []
    resumed = run(stores, recipe, out, control=Control(lambda *args: news.append(args)))
    assert [path.read_bytes() for path in finished] == before
    assert not begun.exists()
    assert [(done, total) for done, total, _ in news] == [(18, 36), (24, 36), (30, 36), (36, 36)]
    assert news[0][2].startswith("real+synthetic, seed 0, loss ")

    fresh = run(stores, recipe, tmp_path / "fresh")
    for arm in fresh["arms"].values():
        for entry in arm["runs"]:
            entry["seconds"] = 0
    for arm in resumed["arms"].values():
        for entry in arm["runs"]:
            entry["seconds"] = 0
    assert resumed == fresh


def test_a_recogniser_that_another_process_trains_is_refused(
    real: tuple[Store, Store], toy: RecogniserRecipe, tmp_path: Path
) -> None:
    with (
        exclusive(tmp_path / "recogniser-real-seed1.safetensors", "training it"),
        pytest.raises(RunError, match="another process is training this recogniser"),
    ):
        run(real, toy, tmp_path, seeds=(0, 1))
    assert (tmp_path / "recogniser-real-seed0.safetensors").is_file()
    run(real, toy, tmp_path, seeds=(0, 1))


def test_more_seeds_may_be_added(
    real: tuple[Store, Store],
    toy: RecogniserRecipe,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    recipe = replace(toy, steps=2)
    run(real, recipe, tmp_path, seeds=[0])
    trained: list[int] = []
    train = cached_training.train_recogniser

    def watched(*args: Any, seed: int, **options: Any) -> Recogniser | None:
        trained.append(seed)
        return train(*args, seed=seed, **options)

    monkeypatch.setattr(cached_training, "train_recogniser", watched)
    assert len(run(real, recipe, tmp_path, seeds=[0, 1])["arms"]["real"]["runs"]) == 2
    assert trained == [1]


def test_other_settings_in_the_same_place_are_refused_and_listed(
    real: tuple[Store, Store], toy: RecogniserRecipe, make_store: MakeStore, tmp_path: Path
) -> None:
    out, recipe = tmp_path / "out", replace(toy, steps=2)
    run(real, recipe, out, seeds=[0])
    with pytest.raises(RecipeChangedError, match=r"recipe\.steps: 2 -> 3") as caught:
        run(real, replace(recipe, steps=3), out, seeds=[0], precision="bf16")
    assert "precision: fp32 -> bf16" in str(caught.value)
    other = make_store("other", seed=8)
    with pytest.raises(RecipeChangedError, match=r"data\.train: "):
        run((other, real[1]), recipe, out, seeds=[0])
    # Seed 1 is not trained before seed 0's file is refused.
    with pytest.raises(RecipeChangedError):
        run(real, replace(recipe, steps=3), out, seeds=[1, 0])
    assert not (out / "recogniser-real-seed1.safetensors").exists()


def test_a_damaged_recogniser_or_a_file_as_output_is_refused(
    real: tuple[Store, Store], toy: RecogniserRecipe, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "recogniser-real-seed0.safetensors").write_bytes(b"nothing")
    with pytest.raises(RunError, match="is not a readable safetensors file"):
        run(real, toy, out)
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="is not a directory"):
        run(real, toy, tmp_path / "file")
