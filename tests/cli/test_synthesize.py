import contextlib
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PilImage

import hwgen_cli.interrupt
from hwgen.gan.training import train
from hwgen.presets import Recipe, change
from hwgen.runs import Run
from hwgen.store import Store, is_store, partial_path
from hwgen_cli.__main__ import main

Synthesize = Callable[..., tuple[int, str]]


@pytest.fixture(scope="module")
def run(toy_store: Store, toy_recipe: Recipe, tmp_path_factory: pytest.TempPathFactory) -> Run:
    recipe = change(toy_recipe, {"images": "8", "every": "4"})
    out = tmp_path_factory.mktemp("run") / "run"
    return train(toy_store, out, recipe, device="cpu", precision="fp32")


@pytest.fixture
def synthesize(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], one_thread: None
) -> Synthesize:
    """Runs the command: (exit code, standard error), white space joined."""

    def call(out: Path, *options: object) -> tuple[int, str]:
        arguments = ["hwgen", "synthesize", run.path, "--out", out, "--device", "cpu", *options]
        monkeypatch.setattr(sys, "argv", list(map(str, arguments)))
        with pytest.raises(SystemExit) as leaving:
            main()
        return int(leaving.value.code or 0), " ".join(capsys.readouterr().err.split())

    return call


def test_a_store_with_files_and_a_sheet(synthesize: Synthesize, tmp_path: Path) -> None:
    out = tmp_path / "s"
    code, err = synthesize(
        out, "--per-class", 3, "--classes", "十一", "--seed", 4, "--batch", 2,
        "--png", tmp_path / "png", "--gnt", tmp_path / "gnt", "--sheet", tmp_path / "new/s.png",
    )  # fmt: skip
    assert code == 0
    assert f"{out}: 6 characters" in err
    assert "6 PNG files" in err
    store = Store(out)
    assert store.manifest.class_counts == [3, 0, 3]
    assert store.manifest.origin["seed"] == 4
    pngs = sorted((tmp_path / "png").rglob("*.png"))
    assert len(pngs) == 6
    with PilImage.open(pngs[0]) as picture:
        assert any(np.array_equal(np.asarray(picture), image) for image in store.all_images())
    assert list((tmp_path / "gnt").rglob("*.gnt"))
    with PilImage.open(tmp_path / "new" / "s.png") as sheet:
        assert sheet.size[0] > 8


def test_another_batch_size_gives_the_same_set(synthesize: Synthesize, tmp_path: Path) -> None:
    for batch in (1, 512):
        assert synthesize(tmp_path / str(batch), "--per-class", 4, "--batch", batch)[0] == 0
    a, b = (Store(tmp_path / str(batch)).all_images().astype(int) for batch in (1, 512))
    assert np.abs(a - b).max() <= 1


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["--classes", "天一"], "1 of 2 characters are not among the 3 classes: 天"),
        (["--classes", "3740"], "3740 classes were asked for, the run has 3"),
        (["--checkpoint", "5"], "has no checkpoint '5'. Choose last, best, or one of 4, 8"),
        (["--checkpoint", "best"], "no snapshot was scored"),
        (["--device", "abacus"], "device 'abacus' cannot be used"),
    ],
)
def test_mistakes_are_named(
    synthesize: Synthesize, tmp_path: Path, options: list[str], text: str
) -> None:
    code, err = synthesize(tmp_path / "s", *options)
    assert code == 1
    assert text in err
    assert not (tmp_path / "s").exists()


def test_a_chosen_checkpoint_is_another_set(synthesize: Synthesize, tmp_path: Path) -> None:
    for name in ("4", "last"):
        assert synthesize(tmp_path / name, "--per-class", 2, "--checkpoint", name)[0] == 0
    origins = {Store(tmp_path / name).manifest.origin["provenance"] for name in ("4", "last")}
    assert len(origins) == 2


def test_a_finished_set_is_kept_and_another_refused(synthesize: Synthesize, tmp_path: Path) -> None:
    out = tmp_path / "s"
    assert synthesize(out, "--per-class", 2)[0] == 0
    assert synthesize(out, "--per-class", 2)[0] == 0
    code, err = synthesize(out, "--per-class", 3)
    assert code == 1
    assert "--overwrite" in err
    assert synthesize(out, "--per-class", 3, "--overwrite")[0] == 0
    assert len(Store(out)) == 9


def test_ctrl_c_keeps_what_is_drawn(
    synthesize: Synthesize, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextlib.contextmanager
    def interrupted() -> Iterator[Callable[[], bool]]:
        yield lambda: True

    out = tmp_path / "s"
    with monkeypatch.context() as patch:
        patch.setattr(hwgen_cli.interrupt, "interruptible", interrupted)
        code, err = synthesize(out, "--per-class", 1000)
    assert code == 130
    assert "stopped, the same command goes on" in err
    assert not is_store(out)
    assert synthesize(out, "--per-class", 1000)[0] == 0
    assert len(Store(out)) == 3000


def test_torchrun_draws_the_same_set_and_stops_together(
    synthesize: Synthesize,
    run: Run,
    tmp_path: Path,
    torchrun: Callable[..., subprocess.Popen[str]],
) -> None:
    def command(name: str, per_class: int) -> list[object]:
        options = ["--out", tmp_path / name, "--device", "cpu", "--per-class", per_class]
        return ["-m", "hwgen_cli", "synthesize", run.path, *options]

    # Three chunks of two processes, the last one short.
    process = torchrun(*command("two", 1000), "--sheet", tmp_path / "sheet.png")
    said = " ".join(process.communicate()[0].split())
    assert process.returncode == 0, said
    assert said.count("3,000 characters") == 1
    assert "Warning" not in said
    assert said.count("sheet.png") == 1
    assert synthesize(tmp_path / "one", "--per-class", 1000)[0] == 0
    assert Store(tmp_path / "two").manifest == Store(tmp_path / "one").manifest

    # Stopped, and finished by one process.
    process = torchrun(*command("stopped", 20000))
    data = partial_path(tmp_path / "stopped") / "data.mdb"
    while not (data.exists() and data.stat().st_size > 1 << 18):
        assert process.poll() is None, "the command ended before it was interrupted"
        time.sleep(0.002)
    process.send_signal(signal.SIGTERM)
    said = " ".join(process.communicate()[0].split())
    assert process.returncode != 0
    assert said.count("stopped, the same command goes on") == 1
    assert not is_store(tmp_path / "stopped")
    for name in ("stopped", "straight"):
        assert synthesize(tmp_path / name, "--per-class", 20000)[0] == 0
    assert Store(tmp_path / "stopped").manifest == Store(tmp_path / "straight").manifest
