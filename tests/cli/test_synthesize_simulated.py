import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image as PilImage

from hwgen.store import Store
from hwgen_cli.__main__ import main
from tests.generators.refiner.toy import write_graphics

Synthesize = Callable[..., tuple[int, str, str]]


@pytest.fixture
def synthesize(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    one_thread: None,
) -> Synthesize:
    """Runs the command without RUN: (exit code, standard output, standard error)."""
    graphics = write_graphics(tmp_path / "graphics.txt", "口一丨")

    def call(out: Path, *options: object) -> tuple[int, str, str]:
        command = ["hwgen", "synthesize", "--out", out, "--strokes", graphics, *options]
        monkeypatch.setattr(sys, "argv", list(map(str, command)))
        with pytest.raises(SystemExit) as leaving:
            main()
        shown = capsys.readouterr()
        return int(leaving.value.code or 0), shown.out, " ".join(shown.err.split())

    return call


def test_a_store_with_files_without_a_run(synthesize: Synthesize, tmp_path: Path) -> None:
    out = tmp_path / "s"
    code, shown, err = synthesize(
        out, "--classes", "口一", "--per-class", 3, "--size", 16, "--hand", 7, "--seed", 4,
        "--png", tmp_path / "png", "--gnt", tmp_path / "gnt", "--sheet", tmp_path / "s.png",
        "--json",
    )  # fmt: skip
    assert code == 0, err
    assert json.loads(shown)["class_counts"] == {"口": 3, "一": 3}
    store = Store(out)
    assert (store.data_kind, store.size, store.writers) == ("simulated", 16, {"hand-0007-seed-4"})
    assert len(list((tmp_path / "png").rglob("*.png"))) == 6
    assert list((tmp_path / "gnt").rglob("*.gnt"))
    assert (tmp_path / "s.png").is_file()
    # The name of the simulator does the same, and the same command returns the finished store.
    assert synthesize(
        out, "simulated", "--classes", "口一", "--per-class", 3, "--size", 16, "--hand", 7,
        "--seed", 4,
    )[0] == 0  # fmt: skip


def test_a_text_in_several_hands(synthesize: Synthesize, tmp_path: Path) -> None:
    out = tmp_path / "text.png"
    code, shown, err = synthesize(out, "--text", "口一， 2\n口", "--size", 64, "--json")
    assert code == 0, err
    assert f"{out}: 5 characters in 4 hands" in err
    found = json.loads(shown)
    assert (found["text"], found["hands"]) == ("口一， 2\n口", [0, 1, 2, 3])
    assert (found["source"], found["simulated_marks"]) == ("simulated handwriting", "，2")
    with PilImage.open(out) as image:
        assert image.height == 4 * (2 * 80 + 2) + 2
    assert "in 2 hands" in synthesize(out, "--text", "口", "--hands", 2)[2]
    code, shown, _ = synthesize(out, "--text", "口", "--hand", 7, "--json")
    assert (code, json.loads(shown)["hands"]) == (0, [7])


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ([], "makes any of 3 characters. Say which: --classes"),
        (["--classes", "口犇"], "no strokes for 1 of 2 characters: 犇. Leave them out, or give"),
        (["--classes", "4"], "expected 1 to 3 classes, found 4"),
        (["--classes", "口", "--snapshot", "best"], "--snapshot: the simulator does not take"),
        (["--classes", "口", "--domain", "1"], "--domain: the simulator does not take this"),
        (["--classes", "口", "--count", "9"], "--count is for a GAN that was trained without"),
        (["--classes", "口", "--no-copies-of", "x"], "--no-copies-of has no effect on the simul"),
        (["--classes", "口", "--hands", "2"], "--hands is for --text. Give --text TEXT, or"),
        (["--text", " "], "--text is empty. Give characters, such as --text"),
        (["--text", "口犇骉"], "no images of 2 of 3 different characters: 犇骉"),
        (["--text", "口", "--real", "x"], "so it excludes --real"),
        (
            ["--text", "口", "--classes", "口", "--per-class", "2"],
            "--text writes one image and no store, so it excludes --classes, --per-class",
        ),
        (["--text", "口", "--max-tries", "2", "--recogniser", "x"], "excludes --recogniser, --max"),
        (["--text", "口", "--hand", "1", "--hands", "2"], "--hand is the number of one hand"),
        (["--text", "口"], "the name must end in .png or .jpg"),
    ],
)
def test_mistakes_are_said_before_the_work(
    synthesize: Synthesize, tmp_path: Path, options: list[str], text: str
) -> None:
    code, _, err = synthesize(tmp_path / "s", *options)
    assert code == 1
    assert text in err
    assert not (tmp_path / "s").exists()
