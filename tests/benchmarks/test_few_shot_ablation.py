import json
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image as PilImage

from benchmarks import few_shot_ablation as ablation
from benchmarks.few_shot_scores import Judge, lift, nearer_to_first
from benchmarks.few_shot_split import Split, split_records
from benchmarks.light_glyph import LIGHT_GLYPH
from hwgen.charset import Charset
from hwgen.compute.tensor_files import load_tensors
from hwgen.generators.gan.presets import change, preset
from hwgen.generators.gan.training import train
from hwgen.recogniser.inference import Recogniser
from hwgen.recogniser.network import RecogniserNetwork, RecogniserRecipe
from hwgen.runs import Run
from hwgen.store import Store, StoreWriter

# 0 to 3 have 40 records, 5 and 6 have nine, 4 has none.
LABELS = np.repeat([0, 1, 2, 3, 5, 6], [40, 40, 40, 40, 9, 9])[
    np.random.default_rng(0).permutation(178)
]


@pytest.fixture(autouse=True)
def _one_thread(one_thread: None) -> None:
    """Toy nets are quickest on one thread."""


def split(**changes: int) -> Split:
    options = {"classes": 99, "per_class": 3, "common_above": 20, "judged": 5, "seed": 0}
    return split_records(LABELS, **{"rare": False, **options, **changes})


def test_training_and_evaluation_records_of_a_class_are_disjoint() -> None:
    found = split()
    assert found.classes.tolist() == [0, 1, 2, 3, 5, 6]
    assert not found.rare.any()
    assert np.bincount(LABELS[found.training], minlength=7).tolist() == [3, 3, 3, 3, 0, 3, 3]
    assert np.bincount(LABELS[found.judged], minlength=7).tolist() == [5, 5, 5, 5, 0, 5, 5]
    assert not set(found.training.tolist()) & set(found.judged.tolist())


def test_common_classes_train_on_all_other_records() -> None:
    found = split(rare=True)
    assert found.rare.tolist() == [False] * 4 + [True] * 2
    assert np.bincount(LABELS[found.training], minlength=7).tolist() == [35] * 4 + [0, 3, 3]
    assert not set(found.training.tolist()) & set(found.judged.tolist())


def test_fewer_classes_are_common_and_rare_in_proportion() -> None:
    assert split(rare=True, classes=3).classes.tolist() == [0, 2, 5]
    assert split(classes=3).classes.tolist() == [0, 2, 5]
    assert split(classes=2).classes.tolist() == [0, 3]


def test_a_split_depends_only_on_its_seed() -> None:
    assert np.array_equal(split().training, split(classes=6).training)
    assert not np.array_equal(split().training, split(seed=1).training)


def test_copies_are_nearer_to_their_originals() -> None:
    rng = np.random.default_rng(0)
    first, second = rng.random((2, 30, 4), np.float32)
    assert nearer_to_first(first[:3] + 1e-3, first, second) == 1
    assert nearer_to_first(second, first, second) == 0
    assert nearer_to_first(second, first, first.copy()) == 0.5
    fresh = rng.random((900, 4), np.float32)
    assert nearer_to_first(fresh, first[:5], second) == pytest.approx(0.5, abs=0.15)


def toy_recogniser(labels: str) -> Recogniser:
    recipe = RecogniserRecipe(widths=((4,), (4,)), hidden=8)
    torch.manual_seed(0)
    return Recogniser(RecogniserNetwork(recipe, len(labels), 1), recipe, Charset(tuple(labels)))


def random_images(count: int, seed: int) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.integers(0, 256, (count, 32, 32)).astype(np.uint8) for _ in range(3)]


def test_unseen_real_samples_have_perfect_scores_except_purity() -> None:
    recogniser, real = toy_recogniser("一丨丶十"), random_images(6, 1)
    rare = np.array([False, True, False])
    judge = Judge(recogniser, np.array([0, 1, 3]), rare, random_images(4, 2), real)
    found = judge.score(real)
    assert list(found) == ["all", "common", "rare"]
    read = [recogniser.read(images).argmax(axis=1) for images in real]
    right = [float((r == c).mean()) for r, c in zip(read, (0, 1, 3), strict=True)]
    assert found["all"]["purity"] == pytest.approx(np.mean(right))
    assert found["rare"]["purity"] == right[1]
    assert found["common"]["purity"] == pytest.approx((right[0] + right[2]) / 2)
    for figures in found.values():
        assert figures["diversity"] == pytest.approx(1)
        assert figures["frechet"] == pytest.approx(0, abs=1e-4)
    copied = judge.score([np.repeat(part[:3], 2, axis=0) for part in random_images(4, 2)])
    assert copied["all"]["copying"] == 1
    assert copied["all"]["frechet"] > 1e-4
    same = Judge(recogniser, np.arange(3), np.zeros(3, bool), real, real)
    assert list(same.score(real)) == ["all"]


def test_variants_are_recipes_and_the_last_has_all_changes() -> None:
    base = preset("glyph-32")
    assert change(base, LIGHT_GLYPH).batch == 16
    recipes = {name: change(base, changes) for name, changes in ablation.VARIANTS.items()}
    assert recipes["plain"] == base
    assert len(set(recipes.values())) == len(recipes)
    merged = {k: v for changes in ablation.VARIANTS.values() for k, v in changes.items()}
    assert ablation.VARIANTS["all"] == merged


@pytest.fixture
def strokes(tmp_path: Path) -> Path:
    """Records of 32x32: 21 of 一, 21 of 丨, 9 of 十."""
    rng = np.random.default_rng(0)
    labels = list("一丨十" * 9 + "一丨" * 12)
    images = rng.integers(200, 256, (51, 32, 32)).astype(np.uint8)
    for image, label in zip(images, labels, strict=True):
        if label != "丨":
            image[14:18] = 0
        if label != "一":
            image[:, 14:18] = 0
    with StoreWriter(tmp_path / "store", size=32, recipe={}) as writer:
        nothing = [""] * 51
        writer.add_batch(
            images, labels=labels, writers=nothing, sources=nothing, positions=range(51)
        )
        writer.finish(charset=Charset(tuple("一丨十")), origin={})
    toy_recogniser("十丨一").save(tmp_path / "reader.safetensors")
    return tmp_path


def test_a_signal_stops_after_the_step_and_a_rerun_resumes(
    strokes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = [str(strokes / "store"), "--recogniser", str(strokes / "reader.safetensors")]
    command += ["--out", str(strokes / "out"), "--quick", "--only", "plain"]
    before, steps = signal.getsignal(signal.SIGTERM), []

    def interrupted(*args: Any, **options: Any) -> Run:
        signal.raise_signal(signal.SIGTERM)
        return train(*args, **options)

    monkeypatch.setattr(ablation, "train", interrupted)
    with pytest.raises(SystemExit, match="plain: stopped; rerun the command to resume"):
        ablation.main(command)
    assert signal.getsignal(signal.SIGTERM) is before
    assert json.loads((strokes / "out" / "ablation.json").read_text())["rows"] == {}

    def watched(*args: Any, **options: Any) -> Run:
        run = Run(strokes / "out" / "runs" / "plain")
        steps.append(load_tensors(run.checkpoint)[1]["step"])
        return train(*args, **options)

    monkeypatch.setattr(ablation, "train", watched)
    ablation.main(command)
    assert steps == ["1"]
    assert "plain" in json.loads((strokes / "out" / "ablation.json").read_text())["rows"]


def test_the_command_trains_scores_and_resumes(
    strokes: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = strokes / "out"
    command = [str(strokes / "store"), "--recogniser", str(strokes / "reader.safetensors")]
    command += ["--out", str(out), "--quick", "--rare", "2", "--common-above", "15"]
    ablation.main([*command, "--only", "plain"])
    first = json.loads((out / "ablation.json").read_text())
    assert first["settings"]["training samples"] == 2 * 17 + 2
    assert first["settings"]["rare classes"] == 1
    assert "plain: 64 of 64" in capsys.readouterr().out

    with_lift = [*command, "--lift", "2", "--lift-seeds", "2", "--only"]
    ablation.main([*with_lift, "plain,all"])
    result = json.loads((out / "ablation.json").read_text())
    printed = capsys.readouterr().out
    assert "plain: 64 of 64" not in printed  # it was finished
    assert "all: 64 of 64" in printed
    for name, row in result["rows"].items():
        assert set(row["end"]) == {"all", "common", "rare"} == set(row["half"])
        assert set(row["lift"]) == set(row["end"])
        for gain in row["lift"].values():
            assert -1 <= gain["low"] <= gain["mean"] <= gain["high"] <= 1
            assert np.mean(gain["runs"]) == pytest.approx(gain["mean"])
        assert len(Store(out / "synthetic" / name)) == 12
        with PilImage.open(out / f"{name}.png") as grid:
            assert grid.size == (4 * 34 + 2, 3 * 34 + 2)
    assert np.array(result["real alone"]["right"]).shape == (2, 3)  # seeds and classes
    assert "lift" not in first["rows"]["plain"]
    assert first["rows"]["plain"]["end"] == result["rows"]["plain"]["end"]
    assert (out / "table.txt").read_text() == printed[printed.index("variant") :]
    assert printed.count(" rare ") == 2

    with pytest.raises(SystemExit):
        ablation.main([*command, "--seed", "1"])
    assert "started with other settings" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        ablation.main([*command, "--lift", "3", "--lift-seeds", "2", "--only", "plain"])
    assert "lifts of other steps or seeds" in capsys.readouterr().err


def test_lift_is_the_paired_difference_over_classes_and_seeds() -> None:
    more, less = np.array([[8.0, 10], [6, 10]]), np.array([[4.0, 10], [4, 10]])
    found = lift(more, less, 10)
    assert found["mean"] == pytest.approx((0.2 + 0.1) / 2)
    assert found["runs"] == pytest.approx([0.2, 0.1])
    assert found["low"] < found["mean"] < found["high"]


def test_other_settings_and_variants_are_refused(
    strokes: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = [str(strokes / "store"), "--recogniser", str(strokes / "reader.safetensors")]
    command += ["--out", str(strokes / "out"), "--quick", "--per-class", "2"]
    with pytest.raises(SystemExit):
        ablation.main([*command, "--only", "plain,plane"])
    assert "unknown variant plane" in capsys.readouterr().err
    ablation.main([*command, "--only", "plain"])
    with pytest.raises(SystemExit):
        ablation.main([*command, "--only", "plain", "--seed", "3"])
    assert "started with other settings" in capsys.readouterr().err
