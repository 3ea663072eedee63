import threading
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.paper import gan_runs
from benchmarks.paper.progress import Progress
from benchmarks.provenance import precision_name
from hwgen.compute.tensor_files import load_tensors
from hwgen.errors import CharsetError
from hwgen.generators.gan.presets import Recipe, change
from hwgen.generators.gan.training import train
from hwgen.recogniser.inference import Recogniser
from hwgen.recogniser.network import RecogniserRecipe
from hwgen.runs import Run
from hwgen.store import Store

CPU = torch.device("cpu")
RECOGNISER = RecogniserRecipe(size=16, widths=((4,), (6,)), hidden=8, steps=4, batch=4)


@pytest.fixture(autouse=True)
def _one_thread(one_thread: None) -> None:
    """Toy nets are quickest on one thread."""


@pytest.fixture
def recipe(toy_recipe: Recipe) -> Recipe:
    return change(toy_recipe, {"images": "24", "every": "24"})


def run_to(
    step: int,
    store: Store,
    folder: Path,
    recipe: Recipe,
    stopped: bool = False,
    precision: str = "fp32",
) -> Run:
    event = threading.Event()
    if stopped:
        event.set()
    return gan_runs.train_until(
        step, store, folder, recipe, seed=3, device="cpu", precision=precision, stopped=event
    )


def test_training_in_stages_equals_one_training(
    tmp_path: Path, toy_store: Store, recipe: Recipe
) -> None:
    folder = tmp_path / "staged"
    assert gan_runs.steps_done(folder) == 0
    for step in (2, 3, 3, 6):
        run_to(step, toy_store, folder, recipe)
        assert gan_runs.steps_done(folder) == step
    whole = train(
        toy_store,
        tmp_path / "whole",
        recipe,
        seed=3,
        device="cpu",
        precision="fp32",
        on_collapse="ignore",
    )
    expected, _ = load_tensors(whole.checkpoint)
    found, _ = load_tensors(folder / "checkpoint.safetensors")
    for name in expected:
        if not name.startswith("meter"):
            assert torch.equal(found[name], expected[name]), name


def test_a_stopped_training_is_saved_and_resumed(
    tmp_path: Path, toy_store: Store, recipe: Recipe
) -> None:
    with pytest.raises(KeyboardInterrupt):
        run_to(5, toy_store, tmp_path / "run", recipe, stopped=True)
    assert gan_runs.steps_done(tmp_path / "run") == 1
    run_to(5, toy_store, tmp_path / "run", recipe)
    assert gan_runs.steps_done(tmp_path / "run") == 5


@pytest.mark.parametrize("name", ["auto", "bf16", "fp32"])
def test_precision_name_is_the_precision_of_the_training(
    tmp_path: Path, toy_store: Store, recipe: Recipe, name: str
) -> None:
    run = run_to(1, toy_store, tmp_path / "run", recipe, precision=name)
    logged = run.read_log()[0]["began"]["precision"]
    assert logged == precision_name(name, CPU)
    assert logged == name or name == "auto"


def test_networks_are_those_of_the_checkpoint(
    tmp_path: Path, toy_store: Store, recipe: Recipe
) -> None:
    run = run_to(2, toy_store, tmp_path / "run", recipe)
    g, d = gan_runs.networks(run, CPU)
    tensors, _ = load_tensors(run.checkpoint)
    for prefix, network in (("g", g), ("d", d)):
        for name, value in network.state_dict().items():
            assert torch.equal(value, tensors[f"{prefix}.{name}"])


def test_a_judge_is_trained_once(
    tmp_path: Path, toy_store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    file, stopped = tmp_path / "recogniser.safetensors", threading.Event()
    first = gan_runs.trained_judge(file, toy_store, RECOGNISER, device=CPU, stopped=stopped)
    assert "recogniser: 4 of 4 steps" in capsys.readouterr().err
    again = gan_runs.trained_judge(file, toy_store, RECOGNISER, device=CPU, stopped=stopped)
    assert not capsys.readouterr().err
    images = toy_store.all_images()
    assert np.array_equal(first.read(images), again.read(images))
    stopped.set()
    with pytest.raises(KeyboardInterrupt):
        gan_runs.trained_judge(
            tmp_path / "other", toy_store, RECOGNISER, device=CPU, stopped=stopped
        )
    assert not (tmp_path / "other").exists()


def test_accuracy_follows_the_recognisers_own_class_order(tmp_path: Path, toy_store: Store) -> None:
    trained = gan_runs.trained_judge(
        tmp_path / "recogniser", toy_store, RECOGNISER, device=CPU, stopped=threading.Event()
    )
    read = trained.read(toy_store.all_images()).argmax(axis=1)
    assert gan_runs.accuracy_on(trained, toy_store) == (read == toy_store.labels).mean()
    turned = Recogniser(trained.network, RECOGNISER, type(toy_store.charset)(tuple("十丨一")))
    names = np.array(list("十丨一"))[read]
    truth = np.array(list(toy_store.charset))[toy_store.labels]
    assert gan_runs.accuracy_on(turned, toy_store) == (names == truth).mean()
    foreign = Recogniser(trained.network, RECOGNISER, type(toy_store.charset)(tuple("十丨二")))
    with pytest.raises(CharsetError):
        gan_runs.accuracy_on(foreign, toy_store)


def test_progress_prints_a_line_at_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress("it", "steps", 3)
    progress(1)
    assert not capsys.readouterr().err
    progress(3)
    assert "it: 3 of 3 steps" in capsys.readouterr().err
