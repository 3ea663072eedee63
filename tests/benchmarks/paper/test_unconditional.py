import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image as PilImage

from benchmarks.paper import unconditional
from benchmarks.paper.unconditional_measures import legibility, overlaid, random_records, subset
from hwgen.charset import Charset
from hwgen.generators.gan.presets import recipe_to_json
from hwgen.recogniser.inference import Recogniser
from hwgen.recogniser.network import RecogniserNetwork, RecogniserRecipe
from hwgen.store import Store, StoreWriter

SETS = [
    word
    for name, value in {
        "generator.start": "[4, 4]",
        "generator.stages": '[{"channels":2,"kernel":3,"stride":8},'
        '{"channels":1,"kernel":3,"stride":1}]',
        "discriminator.stages": '[{"channels":2,"kernel":8,"stride":8}]',
        "discriminator.hidden": "4",
        "batch": "4",
    }.items()
    for word in ("--set", f"{name}={value}")
]
LABELS = "一丨十丶口"


@pytest.fixture(autouse=True)
def _one_thread(one_thread: None) -> None:
    """Toy nets are quickest on one thread."""


def write(path: Path, size: int, each: int, labels: str = LABELS) -> Store:
    rng = np.random.default_rng(0)
    texts = list(labels * each)
    images = rng.integers(0, 256, (len(texts), size, size)).astype(np.uint8)
    for image, text in zip(images, texts, strict=True):
        image[0, 0] = labels.index(text)  # identifies the class
    with StoreWriter(path, size=size, recipe={}) as writer:
        none = [""] * len(texts)
        writer.add_batch(
            images, labels=texts, writers=none, sources=none, positions=range(len(texts))
        )
        return writer.finish(charset=Charset(tuple(labels)), origin={})


def test_a_subset_has_all_records_of_its_classes(tmp_path: Path) -> None:
    store = write(tmp_path / "all", 8, 4)
    part = subset(store, 2, 8, tmp_path / "part")
    assert list(part.charset) == ["一", "十"]
    assert np.bincount(part.labels).tolist() == [4, 4]
    assert part.all_images()[:, 0, 0].tolist() == [0, 2] * 4
    assert subset(store, 99, 8, tmp_path / "part").charset == part.charset  # exists already
    smaller = subset(store, 5, 4, tmp_path / "smaller")
    expected = store.all_images().reshape(-1, 4, 2, 4, 2).mean(axis=(2, 4))
    assert np.abs(smaller.all_images() - expected).max() <= 0.5
    wider = set(
        subset(write(tmp_path / "many", 8, 1, "甲乙丙丁戊己"), 6, 8, tmp_path / "6").charset
    )
    assert set(subset(Store(tmp_path / "many"), 3, 8, tmp_path / "3").charset) < wider


def test_random_records_have_ids_of_the_charset(tmp_path: Path) -> None:
    store = write(tmp_path / "all", 8, 4)
    images, labels = random_records(store, Charset(("口", "一")), 5, seed=0)
    assert len(images) == 5
    assert [(4, 0)[n] for n in labels] == images[:, 0, 0].tolist()
    assert len(random_records(store, Charset(("口", "一")), 99, seed=0)[0]) == 8


def test_overlaid_images_have_the_ink_of_two_classes() -> None:
    labels = np.array([0, 0, 1, 2])
    images = np.full((4, 4, 4), 255, np.uint8)
    for n in range(4):
        images[n, n] = 0
    both = overlaid(images, labels, seed=0)
    dark = [set(np.flatnonzero((image == 0).all(axis=1))) for image in both]
    for n, rows in enumerate(dark):
        assert n in rows
        (other,) = rows - {n}
        assert labels[other] != labels[n]


def test_legibility_equals_counting_by_hand() -> None:
    # The recogniser knows five classes; 3 and 1 were trained on.
    places = np.array([3, 1])
    best, sure = [3, 1, 1, 0, 3], [0.95, 0.5, 0.99, 0.4, 0.9]
    probabilities = np.zeros((5, 5), np.float32)
    for row, (at, value) in enumerate(zip(best, sure, strict=True)):
        probabilities[row] = (1 - value) / 4
        probabilities[row, at] = value
    found = legibility(probabilities, places, np.array([0, 1, 0, 0, 1]))
    assert found["sure"] == 0.4
    assert found["among"] == 0.8
    assert found["seen"] == 1
    assert found["right"] == 0.4
    assert found["confidence"]["0.5"] == pytest.approx(0.9)
    assert found["confidence"]["mean"] == pytest.approx(np.mean(sure))
    assert sum(found["histogram"]) == 5
    assert found["histogram"][25] == found["histogram"][20] == 1
    alone = legibility(probabilities[:1], places, None)
    assert alone["right"] is None
    assert alone["seen"] == 0.5


def test_arms_differ_only_in_the_labels() -> None:
    for nets in unconditional.NETS:
        one, other = (
            recipe_to_json(unconditional.recipe_of(nets, kind, 640, {}))
            for kind in unconditional.KINDS
        )
        assert one.pop("conditional")
        assert not other.pop("conditional")
        assert one == other


def test_samples_are_spread_over_the_classes() -> None:
    def sample(ids: Any, numbers: Any, *, seed: int) -> Any:
        return np.stack([np.asarray(ids), np.asarray(numbers)], axis=1)

    def sampler(conditional: bool) -> Any:
        return SimpleNamespace(recipe=SimpleNamespace(conditional=conditional), sample=sample)

    found, labels = unconditional.sample_evenly(sampler(True), 3, 8, 0)
    assert labels is not None
    assert found.tolist() == [[0, 0], [0, 1], [0, 2], [1, 0], [1, 1], [1, 2], [2, 0], [2, 1]]
    assert labels.tolist() == [0, 0, 0, 1, 1, 1, 2, 2]
    found, labels = unconditional.sample_evenly(sampler(False), 3, 4, 0)
    assert labels is None
    assert found.tolist() == [[0, 0], [0, 1], [0, 2], [0, 3]]


def test_a_panel_has_one_class_per_row() -> None:
    images = np.arange(400)
    labels = np.arange(400) * 10 // 400
    rows = unconditional.panel(images, labels).reshape(8, 8)
    assert (np.diff(rows, axis=1) == 1).all()
    assert (labels[rows] == labels[rows[:, :1]]).all()
    assert len(set(labels[rows[:, 0]])) == 8
    assert unconditional.panel(images, None).tolist() == list(range(64))
    few = unconditional.panel(np.arange(200), np.arange(200) * 2 // 200).reshape(8, 8)
    assert few[:2, 0].tolist() == [0, 100]
    thin = unconditional.panel(np.arange(30), np.arange(30))
    assert len(thin) == 64
    assert thin.max() < 30


Command = Callable[..., list[str]]


@pytest.fixture
def command(tmp_path: Path) -> Command:
    train, test = write(tmp_path / "train", 32, 6), write(tmp_path / "test", 32, 5)

    def make(*more: str) -> list[str]:
        paths = ["--train", str(train.path), "--test", str(test.path)]
        return [*paths, "--out", str(tmp_path / "out"), *SETS, *more]

    return make


SMALL = ["--counts", "2,5", "--images", "8,12", "--samples", "12"]


def test_the_command_trains_judges_and_resumes(
    command: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    unconditional.main(command(*SMALL, "--recogniser-steps", "2", "--only", "5-unconditional"))
    first = json.loads((out / "unconditional.json").read_text())
    kinds = [(row["count"], row["kind"]) for row in first["rows"]]
    references = [(n, kind) for n in (2, 5) for kind in ("real", "overlaid")]
    assert sorted(kinds) == sorted([*references, (5, "unconditional")])
    assert not (out / "samples.png").exists()
    capsys.readouterr()

    unconditional.main(command(*SMALL, "--recogniser-steps", "2"))
    printed = capsys.readouterr()
    assert "5-unconditional" not in printed.err
    assert "2-conditional-0: 2 of 2 steps" in printed.err
    rows = json.loads((out / "unconditional.json").read_text())["rows"]
    assert len(rows) == 8
    for row in rows:
        assert sum(row["histogram"]) == 12 if row["kind"] in unconditional.KINDS else 10
        assert (row["right"] is None) == (row["kind"] in ("unconditional", "overlaid"))
    assert {row["steps"] for row in rows if row["count"] == 5 and "steps" in row} == {3}
    assert (out / "tables.md").read_text() in printed.out
    with PilImage.open(out / "samples.png") as image:
        size = 8 * 34 + 2
        assert image.size == (2 * (size + 2) + 2, 2 * (size + 2) + 2)
    with PilImage.open(out / "confidence.png") as image:
        assert image.size[0] > 400
    with pytest.raises(SystemExit, match="was started with other settings"):
        unconditional.main(command(*SMALL, "--recogniser-steps", "3"))


def test_smaller_sets_of_characters_are_subsets_of_larger_ones(
    command: Command, tmp_path: Path
) -> None:
    # Evenly spread over all five, two are the first and third, and three are not these.
    few = ["--counts", "2,3", "--images", "4,4", "--samples", "4", "--recogniser-steps", "2"]
    unconditional.main(command(*few))
    two, three = (set(Store(tmp_path / "out" / "stores" / n).charset) for n in "23")
    assert two < three


def test_a_given_recogniser_judges(command: Command, tmp_path: Path) -> None:
    recipe = RecogniserRecipe(widths=((4,), (4,)), hidden=8)
    torch.manual_seed(0)
    network = RecogniserNetwork(recipe, 7, 1)
    recogniser = Recogniser(network, recipe, Charset(tuple("x口丶十丨一y")))
    recogniser.save(tmp_path / "recogniser.safetensors")
    more = ["--recogniser", str(tmp_path / "recogniser.safetensors"), "--only", "2-conditional"]
    unconditional.main(command(*SMALL, *more))
    result = json.loads((tmp_path / "out" / "unconditional.json").read_text())
    assert isinstance(result["settings"]["recogniser"], str)
    real = next(r for r in result["rows"] if (r["count"], r["kind"]) == (5, "real"))
    test = Store(tmp_path / "test")
    images, labels = random_records(test, test.charset, 12, seed=0)
    read = recogniser.read(images).argmax(axis=1)
    assert real["right"] == pytest.approx(np.mean(5 - labels == read))


def test_stopped_at_once_nothing_is_reported(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(unconditional, "work", stop)
    unconditional.main(command("--quick"))
    assert "rerun the command to resume" in capsys.readouterr().err
    assert not (tmp_path / "out" / "unconditional.json").exists()


def test_bad_options_are_refused(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        unconditional.main(command("--counts", "2,3", "--images", "8"))
    assert "one number for each of --counts" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        unconditional.main(command(*SMALL, "--only", "7-conditional"))
    assert "unknown arm 7-conditional; choose from 2-conditional" in capsys.readouterr().err
