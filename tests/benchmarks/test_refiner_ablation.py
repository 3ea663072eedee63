import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks import refiner_ablation as ablation
from hwgen.charset import Charset
from hwgen.generators.refiner.recipe import PRESETS
from hwgen.record import Record
from hwgen.store import Store, StoreWriter
from tests.generators.refiner.toy import write_graphics

LABELS = "一丨十二口"


@pytest.fixture(autouse=True)
def _one_thread(one_thread: None) -> None:
    """Toy nets are quickest on one thread."""


def noise(path: Path, seed: int) -> Store:
    rng = np.random.default_rng(seed)
    with StoreWriter(path, size=32, recipe={}) as writer:
        for number in range(20):
            image = rng.integers(0, 256, (32, 32), np.uint8)
            writer.add(Record(image, LABELS[number % 5], str(number // 10), "", number))
        return writer.finish(charset=Charset(tuple(LABELS)), origin={"kind": "gnt"})


@pytest.fixture
def given(tmp_path: Path) -> list[str]:
    noise(tmp_path / "train", 0)
    noise(tmp_path / "test", 1)
    strokes = write_graphics(tmp_path / "graphics.txt")
    return [
        "--quick",
        *("--train", str(tmp_path / "train"), "--test", str(tmp_path / "test")),
        *("--strokes", str(strokes), "--out", str(tmp_path / "out")),
        *("--work", str(tmp_path / "work")),
    ]


def rows(tmp_path: Path, name: str) -> list[dict[str, float]]:
    found = json.loads((tmp_path / "out" / f"{name}.json").read_text(encoding="utf-8"))
    assert found["settings"]["classes"] == 1
    assert found["settings"]["tested"] == 4
    listed: list[dict[str, float]] = found["rows"]
    return listed


def test_baselines_and_a_variant_are_judged_alike(given: list[str], tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    for variant in ("real", "simulated"):
        ablation.main([*given, "--variant", variant])
    ablation.main([*given, "--variant", "base", "--judge-at", "8", "16", "--recognisers", "2"])
    found = rows(tmp_path, "base")
    assert [(row["images"], row["seed"]) for row in found] == [(8, 0), (8, 1), (16, 0), (16, 1)]
    for row in [*rows(tmp_path, "real"), *rows(tmp_path, "simulated"), *found]:
        assert row["samples"] == 4
        assert row["accuracy"] == 1  # there is one class
        assert 0 <= row["purity"] <= 1
        assert "frechet" in row
    # A run of hwgen train is judged at its last snapshot, and what is finished is kept.
    run = str(tmp_path / "work" / "runs" / "base")
    ablation.main([*given, "--run", run, "--out", str(tmp_path / "other")])
    before = (tmp_path / "out" / "base.json").read_bytes()
    ablation.main([*given, "--variant", "base", "--judge-at", "8", "16", "--recognisers", "2"])
    after = json.loads((tmp_path / "out" / "base.json").read_bytes())
    assert json.loads(before)["rows"] == after["rows"]


def test_other_classes_can_be_judged(given: list[str], tmp_path: Path) -> None:
    unseen = tmp_path / "unseen.txt"
    unseen.write_text("口 二", encoding="utf-8")
    options = ablation.parsed([*given, "--variant", "simulated", "--unseen", str(unseen)])
    judge = ablation.Judge(options)
    assert judge.charset.labels == ("二", "口")
    assert judge.simulated().charset == judge.charset
    assert np.bincount(judge.labels).tolist() == [4, 4]


def test_a_variant_can_have_fewer_classes_or_writers(given: list[str], tmp_path: Path) -> None:
    judge = ablation.Judge(ablation.parsed([*given, "--variant", "base"]))
    unseen = judge.charset[0]

    def seen(variant: ablation.Variant) -> list[tuple[str, str]]:
        store = judge.trained_on(variant)
        records = [store.record(number) for number in range(len(store))]
        return [(record.label, record.writer) for record in records]

    assert {label for label, _ in seen(ablation.Variant())} == set(LABELS) - {unseen}
    assert len({label for label, _ in seen(ablation.Variant(classes=2))}) == 2
    assert {writer for _, writer in seen(ablation.Variant(writers=1))} == {"0"}


def test_a_variant_can_use_the_recogniser_of_another(given: list[str], tmp_path: Path) -> None:
    ablation.main([*given, "--variant", "base"])
    runs = tmp_path / "work" / "runs"
    ablation.main([*given, "--variant", "hands-10", "--recogniser", str(runs / "base")])
    first, second = (runs / name / ablation.RECOGNISER for name in ("base", "hands-10"))
    assert first.read_bytes() == second.read_bytes()


def test_other_settings_need_another_folder(
    given: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ablation.main([*given, "--variant", "simulated"])
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "simulated.json").write_text('{"settings": {}, "rows": []}')
    with pytest.raises(SystemExit):
        ablation.main([*given, "--variant", "simulated", "--out", str(tmp_path / "other")])
    assert "other settings" in capsys.readouterr().err


@pytest.mark.parametrize("name", ablation.VARIANTS)
def test_every_variant_changes_the_preset(name: str) -> None:
    variant = ablation.VARIANTS[name]
    recipe = ablation.get_kind("refiner").recipe("refiner-32", dict(variant.changes))
    other_data = bool(variant.classes or variant.writers)
    assert (recipe == PRESETS["refiner-32"]) == (name == "base" or other_data)
