"""A refiner with every command that takes a run."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from hwgen.charset import Charset
from hwgen.recogniser.inference import Recogniser
from hwgen.recogniser.network import RecogniserNetwork, RecogniserRecipe
from hwgen.runs import Run
from hwgen.runs.snapshots import find_snapshot
from hwgen.store import Store, StoreWriter
from hwgen_cli.__main__ import main
from tests.generators.refiner.toy import write_graphics

Command = Callable[..., int]
CHANGES = [
    "size=16",
    "generator.widths=[4, 6]",
    "generator.z_dim=5",
    'discriminator.stages=[{"channels": 4, "kernel": 4, "stride": 2},'
    ' {"channels": 6, "kernel": 4, "stride": 2}]',
    "discriminator.hidden=8",
    "discriminator.recogniser_steps=0",
    "hands=3",
]


@pytest.fixture
def hwgen(monkeypatch: pytest.MonkeyPatch) -> Command:
    def call(*arguments: object) -> int:
        monkeypatch.setattr(sys, "argv", ["hwgen", *map(str, arguments)])
        monkeypatch.setenv("COLUMNS", "200")
        with pytest.raises(SystemExit) as leaving:
            main()
        return int(leaving.value.code or 0)

    return call


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Callable[[], str]:
    """What was printed since, in one line."""

    def read() -> str:
        captured = capsys.readouterr()
        return " ".join(f"{captured.out} {captured.err}".split())

    return read


@pytest.fixture
def graphics(tmp_path: Path) -> Path:
    return write_graphics(tmp_path / "graphics.txt")


@pytest.fixture
def store(toy_store: Store, tmp_path: Path) -> Store:
    """The toy store with a class that has no strokes."""
    with StoreWriter(tmp_path / "store", size=16, recipe={}) as writer:
        for number in range(len(toy_store)):
            record = toy_store.record(number)
            writer.add(record)
            if record.label == "十" and number < 9:
                writer.add(type(record)(record.image, "龘", "", "", number))
        charset = Charset((*toy_store.charset.labels, "龘"))
        return writer.finish(charset=charset, origin={"kind": "gnt"})


@pytest.fixture
def training(store: Store, graphics: Path, tmp_path: Path) -> list[object]:
    """`train` of a toy refiner of 40 images, 10 steps."""
    options: list[object] = ["train", store.path, "--out", tmp_path / "run"]
    options += ["--preset", "refiner-32", "--strokes", graphics, "--device", "cpu"]
    options += ["--images", 40, "--batch", 4, "--snapshot-every", 20]
    return options + [part for change in CHANGES for part in ("--set", change)]


def make_recogniser(path: Path, charset: Charset) -> Path:
    recipe = RecogniserRecipe(size=16, widths=((4,),), hidden=8, grid=2)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = RecogniserNetwork(recipe, len(charset))
    Recogniser(network, recipe, charset).save(path)
    return path


def test_from_training_to_every_output(
    hwgen: Command,
    training: list[object],
    store: Store,
    tmp_path: Path,
    said: Callable[[], str],
) -> None:
    run, model = tmp_path / "run", tmp_path / "model"
    judge = make_recogniser(tmp_path / "judge.safetensors", store.charset)
    assert hwgen(*training, "--recogniser", judge) == 0
    shown = said()
    assert "warning: 1 of the 4 classes have no strokes and are left out: 龘" in shown
    assert "simulating characters: 6 of 6" in shown or "40 of 40" in shown
    assert "finished" in shown
    log = Run(run).read_log()
    scores = [entry for entry in log if "purity" in entry]
    assert [entry["images"] for entry in scores] == [20, 40]
    assert all({"diversity", "frechet_share"} <= entry.keys() for entry in scores)
    assert find_snapshot(Run(run), "best") in Run(run).snapshots()

    # Classes that were never in the store, by one hand.
    options = ["synthesize", run, "--per-class", 3, "--device", "cpu", "--json"]
    more = ["--gnt", tmp_path / "gnt", "--png", tmp_path / "png", "--sheet", tmp_path / "s.png"]
    assert hwgen(*options, "--out", tmp_path / "s", "--classes", "口刁", "--hand", 5, *more) == 0
    synthetic = Store(tmp_path / "s")
    assert synthetic.charset.labels == ("口", "刁")
    assert synthetic.manifest.writer_counts == {"hand-0005-seed-0": 6}
    assert synthetic.manifest.origin["hand"] == 5
    assert "Arphic" in synthetic.manifest.origin["notice"]
    assert (tmp_path / "s.png").is_file()
    marker = json.loads((tmp_path / "gnt" / ".export.json").read_text("utf-8"))
    assert marker["synthetic"]
    assert "Arphic" in marker["notice"]
    assert "Arphic" in (tmp_path / "png" / ".export.json").read_text("utf-8")
    assert hwgen("prepare-gnt", tmp_path / "gnt", "--out", tmp_path / "back", "--size", 16) == 0
    assert "Arphic" in Store(tmp_path / "back").manifest.origin["notice"]
    # Another hand is another set.
    assert hwgen(*options, "--out", tmp_path / "s", "--classes", "口刁", "--hand", 6) == 1
    said()

    assert hwgen("export-model", run, "--out", model) == 0
    for place in (run, model):
        assert hwgen("inspect", place) == 0
        assert "refiner" in said()
        assert hwgen("inspect", place, "--sheet", tmp_path / "sheet.png") == 0
    said()
    assert hwgen("inspect", run, "--json") == 0
    found: dict[str, Any] = json.loads(said())
    assert (found["preset"], found["images"], found["total"]) == ("refiner-32", 40, 40)
    assert hwgen(*options, "--out", tmp_path / "by-model", "--classes", "2") == 0
    said()
    assert hwgen("report", run, "--out", tmp_path / "page.html") == 0
    page = (tmp_path / "page.html").read_text("utf-8")
    for text in ("Simulated images that the generator starts from", "without strokes", "1: 龘"):
        assert text in page
    assert page.count("data:image/png") == 5  # simulated, newest, real; and two over time
    assert hwgen("report", run, "--out", tmp_path / "page.html", "--no-real") == 0
    assert (tmp_path / "page.html").read_text("utf-8").count("data:image/png") == 4
    study = ["study", "make", run, store.path, "--out", tmp_path / "study.html", "--pairs", 4]
    assert hwgen(*study, "--controls", 1) == 0
    assert hwgen("export-curves", run, "--out", tmp_path / "curves") in (0, 1)  # an extra


def test_a_dry_run_names_the_classes(
    hwgen: Command, training: list[object], tmp_path: Path, said: Callable[[], str]
) -> None:
    assert hwgen(*training, "--dry-run") == 0
    shown = said()
    for text in ("classes left out, without strokes", "1: 龘", "held out", "simulated images"):
        assert text in shown
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("dry", [False, True])
def test_mistakes_with_strokes_are_said_before_the_work(
    hwgen: Command,
    training: list[object],
    toy_store: Store,
    toy_changes: dict[str, str],
    tmp_path: Path,
    said: Callable[[], str],
    dry: bool,
) -> None:
    more = ["--dry-run"] if dry else []
    at = training.index("--strokes")
    without = [*training[:at], *training[at + 2 :]]
    other = write_graphics(tmp_path / "other.txt", "口刁")
    assert hwgen(*without, "--strokes", other, *more) == 1
    assert "0 of the 4 classes with records have strokes" in said()
    (tmp_path / "damaged.txt").write_text('{"character": "口", "medians": [[[1]]]}\n', "utf-8")
    (tmp_path / "text.txt").write_text("not strokes\n", "utf-8")
    assert hwgen(*without, "--strokes", tmp_path / "text.txt", *more) == 1
    assert "is not stroke data" in said()
    assert hwgen(*without, "--strokes", tmp_path / "none.txt", *more) == 1
    assert "no such file" in said()
    gan = ["train", toy_store.path, "--out", tmp_path / "gan", "--strokes", other, *more]
    assert hwgen(*gan) == 1
    assert "--strokes has no effect with --preset glyph-32" in said()
    assert not (tmp_path / "run").exists()


def test_damaged_strokes_of_a_known_character_are_refused(
    hwgen: Command, training: list[object], tmp_path: Path, said: Callable[[], str]
) -> None:
    graphics = Path(str(training[training.index("--strokes") + 1]))
    with open(graphics, "a", encoding="utf-8") as file:
        far = [[n % 2 * 2000, 0] for n in range(900)]
        file.write(json.dumps({"character": "龘", "medians": [far]}) + "\n")
    assert hwgen(*training) == 1
    assert "is not stroke data" in said()
    assert not (tmp_path / "run").exists()


def test_hands_and_strokes_are_for_refiners(
    hwgen: Command,
    toy_store: Store,
    toy_changes: dict[str, str],
    graphics: Path,
    tmp_path: Path,
    said: Callable[[], str],
) -> None:
    gan = ["train", toy_store.path, "--out", tmp_path / "gan", "--device", "cpu"]
    changes = {**toy_changes, "images": "8", "every": "8"}
    gan += [part for k, v in changes.items() for part in ("--set", f"{k}={v}")]
    assert hwgen(*gan) == 0
    command = ["synthesize", tmp_path / "gan", "--out", tmp_path / "s", "--device", "cpu"]
    assert hwgen(*command, "--hand", 3, "--strokes", graphics) == 1
    assert "--hand, --strokes: a GAN does not take this" in said()


def test_characters_without_strokes_are_named(
    hwgen: Command, training: list[object], tmp_path: Path, said: Callable[[], str]
) -> None:
    assert hwgen(*training) == 0
    command = ["synthesize", tmp_path / "run", "--out", tmp_path / "s", "--device", "cpu"]
    assert hwgen(*command, "--classes", "十龘") == 1
    assert "has no strokes for 1 of 2 characters: 龘" in said()
    assert not (tmp_path / "s").exists()
    more = write_graphics(tmp_path / "more.txt", "十口")
    assert hwgen(*command, "--classes", "十龘", "--strokes", more) == 1
    assert hwgen(*command, "--classes", "十口", "--strokes", more, "--per-class", 2) == 0
    assert len(Store(tmp_path / "s")) == 4


def test_lift_names_classes_of_which_a_refiner_has_no_strokes(
    hwgen: Command, training: list[object], store: Store, tmp_path: Path, said: Callable[[], str]
) -> None:
    assert hwgen(*training) == 0
    said()
    lift = ["lift", "--train", store.path, "--test", store.path, "--out", tmp_path / "lift"]
    assert hwgen(*lift, "--generator", tmp_path / "run", "--trials", 1) == 1
    assert "1 of 4 classes is left out, since it has no strokes: 龘" in said()


def test_a_run_is_adapted_by_the_command(
    hwgen: Command,
    training: list[object],
    store: Store,
    tmp_path: Path,
    said: Callable[[], str],
) -> None:
    assert hwgen(*training) == 0
    with StoreWriter(tmp_path / "mine", size=16, recipe={}) as writer:
        writer.add(store.record(0))
        writer.finish(charset=Charset((store.record(0).label,)), origin={})
    adapt: list[object] = [*training, "--init-from", tmp_path / "run", "--on-collapse", "ignore"]
    adapt[1], adapt[3] = tmp_path / "mine", tmp_path / "adapted"
    at = adapt.index("--strokes")
    own = adapt[:at] + adapt[at + 2 :]  # with the strokes of the other run
    assert hwgen(*own, "--dry-run") == 0
    assert hwgen(*own) == 0
    assert Run(tmp_path / "adapted").data["init_from"]["run"] == Run(tmp_path / "run").id
    assert hwgen(*adapt) == 0  # the same strokes
    said()
    assert hwgen(*own, "--set", "generator.z_dim=6", "--dry-run") == 1
    assert "generator.z_dim: 5 -> 6" in said()
    command = ["synthesize", tmp_path / "adapted", "--out", tmp_path / "s", "--device", "cpu"]
    assert hwgen(*command, "--classes", "口", "--per-class", 2) == 0
    assert len(Store(tmp_path / "s").manifest.origin["more_data"]) == 1
    said()
    assert hwgen("report", tmp_path / "adapted", "--out", tmp_path / "page.html") == 0
    assert "init_from.run" in (tmp_path / "page.html").read_text("utf-8")
    deformation = ["train", store.path, "--out", tmp_path / "d", "--preset", "deformation-32"]
    said()
    assert hwgen(*deformation, "--init-from", tmp_path / "run") == 1
    assert "--init-from has no effect with --preset deformation-32" in said()


def test_without_a_preset_a_run_is_continued_with_its_recipe_for_few_samples(
    hwgen: Command, training: list[object], store: Store, tmp_path: Path, said: Callable[[], str]
) -> None:
    assert hwgen(*training) == 0
    with StoreWriter(tmp_path / "mine", size=16, recipe={}) as writer:
        for number in range(3):
            writer.add(store.record(number))
        writer.finish(charset=Charset(tuple(store.record(n).label for n in range(3))), origin={})
    adapt = ["train", tmp_path / "mine", "--init-from", tmp_path / "run", "--device", "cpu"]
    adapt += ["--out", tmp_path / "adapted", "--images", 8, "--on-collapse", "ignore"]
    said()
    assert hwgen(*adapt, "--dry-run") == 0
    assert "held out for grids and scores │ none" in said()
    assert hwgen(*adapt) == 0
    first, run = Run(tmp_path / "run"), Run(tmp_path / "adapted")
    assert run.recipe["generator"] == first.recipe["generator"]
    changed = {"images": 8, "balanced": True, "held_out": 0.0, "translate": 2, "r1_gamma": 1.0}
    assert {name: run.recipe[name] for name in changed} == changed
    assert run.recipe["optimizer"]["lr_g"] == 1e-4
    said()
    assert hwgen(*adapt, "--set", "conditionel=false") == 1
    assert "conditional" in said()
    assert hwgen(*adapt, "--unconditional") == 1
    assert "--unconditional has no effect with a refiner" in said()
    assert hwgen("export-model", first.path, "--out", tmp_path / "model") == 0
    adapt[3] = tmp_path / "model"
    assert hwgen(*adapt) == 1
    assert "has no discriminator to start from" in said()
    adapt[3] = tmp_path / "nowhere"
    assert hwgen(*adapt) == 1
    assert "no run here" in said()


def test_a_refiner_of_two_stores_from_training_to_samples(
    hwgen: Command,
    training: list[object],
    store: Store,
    toy_store: Store,
    tmp_path: Path,
    said: Callable[[], str],
) -> None:
    both = [*training, "--also", toy_store.path, "--on-collapse", "ignore"]
    assert hwgen(*both, "--dry-run") == 0
    shown = said()
    assert f"classes of the first store in {toy_store.path.name}" in shown
    assert "generator.domains" not in shown
    assert hwgen(*both) == 0
    names = [store.path.name, f"{toy_store.path.name}-2"]
    command = ["synthesize", tmp_path / "run", "--device", "cpu", "--per-class", 2]
    for domain in (names[1], "1"):
        out = tmp_path / domain
        assert hwgen(*command, "--out", out, "--domain", domain, "--classes", "口") == 0
    origins = [Store(tmp_path / one).manifest.origin for one in (names[1], "1")]
    assert [origin["domain"] for origin in origins] == names[::-1]
    said()
    assert hwgen(*command, "--out", tmp_path / "s", "--domain", "3") == 1
    assert f"Choose one of {', '.join(names)}" in said()
    assert hwgen("report", tmp_path / "run", "--out", tmp_path / "page.html") == 0
    assert "Stores, each a domain" in (tmp_path / "page.html").read_text("utf-8")
    adapted = [*training, "--out", tmp_path / "one", "--init-from", tmp_path / "run"]
    adapted += ["--on-collapse", "ignore"]
    said()
    assert hwgen(*adapted) == 1
    assert f"by --domain: {', '.join(names)}" in said()
    assert hwgen(*adapted, "--domain", names[1], "--dry-run") == 0
    assert hwgen(*adapted, "--domain", names[1]) == 0
    gan = ["train", toy_store.path, "--out", tmp_path / "gan", "--also", store.path]
    said()
    assert hwgen(*gan) == 1
    assert "--also has no effect with --preset glyph-32" in said()


def test_presets_are_shown(hwgen: Command, said: Callable[[], str]) -> None:
    assert hwgen("presets") == 0
    assert "refiner-32" in said()
    assert hwgen("presets", "refiner-64", "--num-classes", 100) == 0
    assert "generator.flow" in said()
    assert hwgen("doctor") in (0, 1)
