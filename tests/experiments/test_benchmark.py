import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import pytest
import torch

from hwgen.errors import CharsetError, InputError, RecipeChangedError
from hwgen.evaluation.metrics.intervals import t_interval, wilson_interval
from hwgen.experiments import convergence
from hwgen.experiments.benchmark import benchmark, compare_diversity
from hwgen.progress import Control
from hwgen.recogniser.inference import Recogniser
from hwgen.recogniser.network import RecogniserRecipe, fine_tuned
from hwgen.recogniser.pretrained import load_pretrained
from hwgen.recogniser.store_checks import without_records
from hwgen.recogniser.training import steps_for
from hwgen.results.benchmark import Benchmark
from hwgen.store import Store
from tests.experiments.benchmark_runs import CPU, run

MakeStore = Callable[..., Store]


def test_three_arms_their_figures_and_files(
    real: tuple[Store, Store], synthetic: Store, toy: RecogniserRecipe, tmp_path: Path
) -> None:
    out = tmp_path / "made" / "out"
    result = run((*real, synthetic), toy, out)
    assert json.loads((out / "benchmark.json").read_text("utf-8")) == result
    assert (result["format"], result["format_version"]) == ("hwgen-benchmark", 1)
    assert result["settings"]["seeds"] == [0, 1]
    assert result["settings"]["recipe"]["steps"] == toy.steps
    assert (result["settings"]["device"], result["settings"]["precision"]) == ("cpu", "fp32")
    assert result["versions"]["torch"] == torch.__version__
    for name, store in zip(("train", "test", "synthetic"), (*real, synthetic), strict=True):
        assert result[name] == {
            "path": str(store.path),
            "count": len(store),
            "charset_fingerprint": store.charset.fingerprint,
            "content_sha256": store.manifest.content_sha256,
            "made": "synthetic" if name == "synthetic" else "real",
        }
    assert list(result["arms"]) == ["real", "real+synthetic", "synthetic"]
    for arm, figures in result["arms"].items():
        top1 = []
        for number, entry in enumerate(figures["runs"]):
            recogniser = Recogniser.load(out / f"recogniser-{arm}-seed{number}.safetensors", CPU)
            read = recogniser.read(real[1].all_images()).argmax(1)
            top1.append(float((read == real[1].labels).mean()))
            wilson = wilson_interval(int((read == real[1].labels).sum()), 24)
            assert entry["seed"] == number
            assert (entry["top1_low"], entry["top1_high"]) == (wilson.low, wilson.high)
            assert entry["top5"] == 1.0  # of three classes
            assert entry["seconds"] > 0
            assert entry["trained_on"]["device"] == "cpu"
        assert [entry["top1"] for entry in figures["runs"]] == top1
        assert figures["top1"] == vars(t_interval(top1, lowest=0.0, highest=1.0))
    assert result["arms"]["real"]["top1"]["mean"] > 0.8
    assert set(result["differences"]) == {"real+synthetic - real", "synthetic - real"}
    assert result["writers_shared"] == []


def test_differences_are_paired_by_seed(
    real: tuple[Store, Store], synthetic: Store, toy: RecogniserRecipe, tmp_path: Path
) -> None:
    result = run((*real, synthetic), replace(toy, steps=4), tmp_path / "out", seeds=[3, 5, 9])
    top1 = {
        arm: [entry["top1"] for entry in figures["runs"]] for arm, figures in result["arms"].items()
    }
    for arm in ("real+synthetic", "synthetic"):
        pairs = [a - b for a, b in zip(top1[arm], top1["real"], strict=True)]
        assert result["differences"][f"{arm} - real"] == vars(t_interval(pairs))


def test_purity_is_how_the_real_trained_recogniser_reads_the_synthetic_set(
    real: tuple[Store, Store], synthetic: Store, toy: RecogniserRecipe, tmp_path: Path
) -> None:
    purity = run((*real, synthetic), replace(toy, steps=8), tmp_path / "out")["purity"]
    right = []
    for seed in (0, 1):
        recogniser = Recogniser.load(tmp_path / f"out/recogniser-real-seed{seed}.safetensors", CPU)
        read = recogniser.read(synthetic.all_images()).argmax(1)
        right.append(read == synthetic.labels)
    assert purity["runs"] == [float(hit.mean()) for hit in right]
    assert purity["top1"]["mean"] == pytest.approx(np.mean(right))
    mean = np.mean(right, axis=0)
    assert purity["per_class"] == {
        label: pytest.approx(mean[synthetic.labels == class_id].mean())
        for class_id, label in enumerate("一丨十")
    }


def test_without_synthetic_there_is_one_arm(
    real: tuple[Store, Store], toy: RecogniserRecipe, tmp_path: Path
) -> None:
    result = run(real, replace(toy, steps=2), tmp_path, seeds=[0])
    assert list(result["arms"]) == ["real"]
    assert result["arms"]["real"]["top1"]["low"] is None
    for empty in ("purity", "diversity", "synthetic"):
        assert result[empty] is None
    assert result["differences"] == {}


def test_shared_writers_are_named(make_store: MakeStore, toy: RecogniserRecipe, tmp_path: Path):
    train = make_store("train", writers=("w1", "w2", ""))
    test = make_store("test", seed=5, writers=("w2", "w3", ""))
    assert run((train, test), replace(toy, steps=1), tmp_path / "out", seeds=[0])[
        "writers_shared"
    ] == ["w2"]


@pytest.mark.parametrize(
    ("train", "test", "shared"),
    [
        (("w1",), ("w2",), []),
        (("w1", ""), ("w2",), None),
        (("w1",), ("",), None),
        (("",), ("",), None),
        (("w1", ""), ("w1", ""), ["w1"]),
    ],
)
def test_writers_that_are_not_known_are_not_called_different(
    make_store: MakeStore,
    toy: RecogniserRecipe,
    tmp_path: Path,
    train: tuple[str, ...],
    test: tuple[str, ...],
    shared: list[str] | None,
) -> None:
    stores = make_store("train", writers=train), make_store("test", seed=5, writers=test)
    result = run(stores, replace(toy, steps=1), tmp_path / "out", seeds=[0])
    assert result["writers_shared"] == shared
    page = Benchmark.load(tmp_path / "out")
    assert page.writers_shared == (None if shared is None else tuple(shared))


def test_accuracy_by_writer_is_that_of_their_samples(
    make_store: MakeStore, toy: RecogniserRecipe, tmp_path: Path
) -> None:
    test = make_store("test", seed=5, writers=("w3", "w4", "w5"), per_class=5)
    found = run((make_store("train"), test), replace(toy, steps=3), tmp_path / "out")
    read = [
        Recogniser.load(tmp_path / "out" / f"recogniser-real-seed{seed}.safetensors", CPU)
        .read(test.all_images())
        .argmax(1)
        for seed in (0, 1)
    ]
    right: dict[str, list[float]] = {"w3": [], "w4": [], "w5": []}
    for number, record in enumerate(test):
        right[record.writer] += [test.charset[int(one[number])] == record.label for one in read]
    expected = {writer: fmean(own) for writer, own in right.items()}
    by_writer = found["arms"]["real"]["by_writer"]
    assert by_writer["per_writer"] == pytest.approx(expected)
    limits = t_interval(list(expected.values()), lowest=0.0, highest=1.0)
    assert by_writer["top1"] == pytest.approx(vars(limits))


@pytest.mark.parametrize("writers", [("w3",), ("w3", ""), ("",)])
def test_one_writer_or_unknown_ones_give_no_accuracy_by_writer(
    make_store: MakeStore, toy: RecogniserRecipe, tmp_path: Path, writers: tuple[str, ...]
) -> None:
    stores = make_store("train"), make_store("test", seed=5, writers=writers)
    found = run(stores, replace(toy, steps=1), tmp_path / "out", seeds=[0])
    assert "by_writer" not in found["arms"]["real"]


def test_synthetic_samples_to_test_on_are_refused(
    real: tuple[Store, Store], synthetic: Store, toy: RecogniserRecipe, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="test store holds synthetic"):
        run((real[0], synthetic), toy, tmp_path / "out")
    with pytest.raises(InputError, match=r"train store holds synthetic.*--synthetic"):
        run((synthetic, real[1]), toy, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_training_on_the_test_store_is_refused(
    real: tuple[Store, Store], toy: RecogniserRecipe, tmp_path: Path
) -> None:
    train, test = real
    for stores in ((test, test), (train, test, test)):
        with pytest.raises(InputError, match="exactly the samples of the test store"):
            run(stores, toy, tmp_path / "out")


def test_recognisers_start_from_pretrained_weights(
    real: tuple[Store, Store], make_store: MakeStore, toy: RecogniserRecipe, tmp_path: Path
) -> None:
    others = (
        make_store("others", labels="木本", seed=3),
        make_store("unseen", labels="木本", seed=4),
    )
    run(others, toy, tmp_path / "pretrained", seeds=[0])
    start = Recogniser.load(tmp_path / "pretrained" / "recogniser-real-seed0.safetensors", CPU)
    recipe, out = replace(toy, steps=2), tmp_path / "out"
    result = run(real, recipe, out, seeds=[0], init_from=start)
    assert result["settings"]["start"] == without_records(start.provenance)
    trained = Recogniser.load(out / "recogniser-real-seed0.safetensors", CPU)
    assert trained.provenance["decides"]["start"] == without_records(start.provenance)
    assert set(start.provenance["records"]) < set(trained.provenance["records"])
    assert len(trained.charset) == 3
    assert trained.recipe == fine_tuned(recipe)
    first = next(iter(start.network.state_dict()))  # two steps from scratch are not near to it
    near, far = trained.network.state_dict()[first], start.network.state_dict()[first]
    assert (near - far).abs().max() < 2.1 * recipe.lr
    with pytest.raises(RecipeChangedError, match=r"start"):  # once trained so, not otherwise
        run(real, recipe, out, seeds=[0])


def test_pretrained_weights_of_the_test_store_or_other_layers_are_refused(
    real: tuple[Store, Store], make_store: MakeStore, toy: RecogniserRecipe, tmp_path: Path
) -> None:
    recipe = replace(toy, steps=2)
    train, test = real
    run((test, train), recipe, tmp_path / "seen", seeds=[0])
    seen = Recogniser.load(tmp_path / "seen" / "recogniser-real-seed0.safetensors", CPU)
    with pytest.raises(InputError, match="the recogniser to start from was trained on this store"):
        run(real, recipe, tmp_path / "out", init_from=seen)
    third = make_store("third", seed=9), make_store("fourth", seed=10)
    run(third, recipe, tmp_path / "twice", seeds=[0], init_from=seen)  # which that one started from
    twice = Recogniser.load(tmp_path / "twice" / "recogniser-real-seed0.safetensors", CPU)
    with pytest.raises(InputError, match="was trained on this store"):
        run(real, recipe, tmp_path / "out", init_from=twice)
    with pytest.raises(InputError, match=r"has other layers.* same --recogniser-preset and --size"):
        run(real, replace(recipe, hidden=24), tmp_path / "out", init_from=twice)
    light = load_pretrained(Path("simulated"), CPU)
    with pytest.raises(InputError, match="Give --recogniser-preset light, the preset of"):
        run(real, recipe, tmp_path / "out", init_from=light)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("place", [1, 2])
@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"labels": "丨一十"}, CharsetError, "in the same order"),
        ({"labels": "一丨"}, CharsetError, "2 classes are not the 3"),
        ({"channels": 3}, InputError, "expected 1 channel, found 3"),
        ({"size": 7}, InputError, "at least 8 pixels, found 7"),
        ({"per_class": 0}, InputError, "empty"),
    ],
)
def test_stores_that_do_not_fit_are_refused(
    real: tuple[Store, Store],
    synthetic: Store,
    toy: RecogniserRecipe,
    make_store: MakeStore,
    tmp_path: Path,
    place: int,
    options: dict[str, Any],
    error: type[Exception],
    match: str,
) -> None:
    stores = [*real, synthetic]
    stores[place] = make_store("misfit", seed=8, **options)
    with pytest.raises(error, match=match):
        run(tuple(stores), toy, tmp_path / "out")


@pytest.mark.parametrize("seeds", [[], [1, 1], [-1]])
def test_impossible_seeds_are_refused(
    real: tuple[Store, Store], toy: RecogniserRecipe, tmp_path: Path, seeds: list[int]
) -> None:
    with pytest.raises(InputError, match="seeds"):
        run(real, toy, tmp_path / "out", seeds=seeds)


def test_epochs_are_counted_on_the_real_set(real: tuple[Store, Store], toy: RecogniserRecipe):
    assert steps_for(3, real[0], toy) == 6  # 24 samples in batches of 12
    assert steps_for(0.01, real[0], toy) == 1


def test_diversity_averages_down_and_compares_shared_classes(make_store: MakeStore) -> None:
    real = make_store("a", size=16, per_class=9)
    assert compare_diversity(real, real, 16).ratio == 1.0  # type: ignore[union-attr]
    single = make_store("b", per_class=1)
    assert compare_diversity(single, real, 16) is None
    large = make_store("c", size=32, per_class=6, seed=2)
    found = compare_diversity(large, real, 8)
    assert found is not None

    def deviation(store: Store, label: int) -> float:
        images = store.all_images()[store.labels == label]
        factor = store.size // 8
        small = images.reshape(len(images), 8, factor, 8, factor).mean(axis=(2, 4)).round()
        return float(small.std(axis=0, ddof=1).mean())

    assert found.per_class == {
        label: pytest.approx(deviation(large, i) / deviation(real, i), rel=1e-5)
        for i, label in enumerate("一丨十")
    }


@pytest.mark.parametrize(("gain", "tried"), [(2.0, [1, 2]), (-2.0, [1, 2, 3])])
def test_each_arm_is_trained_for_the_steps_that_are_best_on_held_out_samples(
    real: tuple[Store, Store],
    synthetic: Store,
    toy: RecogniserRecipe,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    gain: float,
    tried: list[int],
) -> None:
    monkeypatch.setattr(convergence, "LEAST_GAIN", gain)
    out, options = tmp_path / "out", {"budgets": [1, 2, 3], "seeds": [4]}
    result = run((*real, synthetic), toy, out, **options)
    for arm, figures in result["arms"].items():
        search = figures["search"]
        assert search["steps"] == tried
        assert search["converged"] == (gain > 0)
        best = tried[int(np.argmax(search["held_out"]))]
        files = [out / "steps" / f"recogniser-{arm}-{n}steps-seed0.safetensors" for n in tried]
        pictures = [Recogniser.load(file, CPU).provenance["pictures"] for file in files]
        own = Recogniser.load(out / f"recogniser-{arm}-seed4.safetensors", CPU)
        assert own.recipe.steps == best
        fewer = 0 if arm == "synthetic" else 3  # of 8 per class about a tenth, at least one
        assert {own.provenance["pictures"] - count for count in pictures} == {fewer}
    verdict = Benchmark.load(out).verdict
    assert ("Every arm has converged" in verdict) == (gain > 0)
    assert ("Not converged, so that more" in verdict) == (gain < 0)
    modified = {file: file.stat().st_mtime_ns for file in out.rglob("*.safetensors")}
    assert run((*real, synthetic), toy, out, **options) == result
    assert modified == {file: file.stat().st_mtime_ns for file in out.rglob("*.safetensors")}


def test_a_search_for_steps_stops_and_needs_samples_to_hold_out(
    real: tuple[Store, Store], make_store: MakeStore, toy: RecogniserRecipe, tmp_path: Path
) -> None:
    options: dict[str, Any] = {"recipe": toy, "seeds": [0], "device": CPU, "budgets": [1, 2]}
    stopped = benchmark(*real, out=tmp_path / "out", control=Control(stop=lambda: True), **options)
    assert stopped is None
    few = make_store("few", per_class=2)
    with pytest.raises(InputError, match="no class has enough samples to hold some out"):
        benchmark(few, real[1], out=tmp_path / "few-out", **options)
