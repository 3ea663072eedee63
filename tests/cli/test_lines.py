import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import typer.main

import hwgen_cli.interrupt
from hwgen.exports import FORMATS
from hwgen.lines.looks import LOOKS, NONE
from hwgen.store import Store
from hwgen_cli.__main__ import app, main
from hwgen_cli.lines import Sampling
from tests.cli.test_export import pressed

Lines = Callable[..., tuple[int, str, str]]


@pytest.fixture
def lines(
    toy_store: Store,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Lines:
    """Runs the command: (exit code, standard output, standard error), white space joined."""
    corpus = tmp_path / "text.txt"
    corpus.write_text("一丨十！\n十一月，一\n", "utf-8")

    def call(out: Path, *options: object) -> tuple[int, str, str]:
        arguments = ["hwgen", "lines", "--from", toy_store.path, "--corpus", corpus, "--out", out]
        monkeypatch.setattr(sys, "argv", list(map(str, [*arguments, *options])))
        with pytest.raises(SystemExit) as leaving:
            main()
        shown = capsys.readouterr()
        return int(leaving.value.code or 0), " ".join(shown.out.split()), shown.err

    return call


def test_lines_are_written_and_what_is_missing_is_named(lines: Lines, tmp_path: Path) -> None:
    out = tmp_path / "out"
    code, printed, err = lines(out, "-f", "paddle", "--sheet", tmp_path / "sheet.png")
    assert code == 0
    assert f"{out}: 3 lines characters: 4, of which simulated: ！" in printed
    assert "3 of 3" in err
    assert "1 characters of the corpus (1 occurrences) have no images" in err
    assert "lines end at them: 月" in err
    assert "note: 1 characters of the corpus are in no line" in err
    labels = (out / "label.txt").read_text("utf-8").splitlines()
    assert sorted(line.split("\t")[1] for line in labels) == sorted(["一丨十！", "十一", "一"])
    assert (tmp_path / "sheet.png").is_file()


def test_every_option_reaches_the_library(lines: Lines, tmp_path: Path) -> None:
    code, printed, _ = lines(
        tmp_path / "out", "-f", "ocr-lmdb", "--count", 5, "--min-length", 2, "--max-length", 3,
        "--sampling", "balanced", "--height", 32, "--padding", 0.3, "--looks", "none",
        "--writers", "w1", "--seed", 6, "--json",
    )  # fmt: skip
    assert code == 0
    found = json.loads(printed)
    assert found["records"] == {"": 5}
    made = found["recipe"]["lines"]
    assert (made["count"], made["seed"], made["looks"]) == (5, 6, [])
    assert made["text"] == {"min_length": 2, "max_length": 3, "sampling": "balanced"}
    assert (made["layout"]["height"], made["layout"]["padding"]) == (32, 0.3)
    assert made["source"]["writers"] == "w1"


def test_lines_of_the_simulator_need_nothing(lines: Lines, tmp_path: Path) -> None:
    code, printed, err = lines(tmp_path / "out", "-f", "paddle", "--from", "simulated")
    assert code == 0, err
    assert "2 of 2" in err
    assert "characters: 6, of which simulated: all" in printed


def test_lines_resume_after_ctrl_c(
    lines: Lines, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        patch.setattr(hwgen_cli.interrupt, "interruptible", pressed)
        code, _, err = lines(out, "-f", "webdataset")
    assert code == 130
    assert "stopped; rerun the command to resume" in err
    assert lines(out, "-f", "webdataset")[0] == 0
    assert list(out.glob("*.tar"))


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["-f", "folder"], "holds single characters"),
        (["-f", "padle"], "no format 'padle' of lines. Did you mean paddle"),
        (["-f", "x"], "Known: ocr-lmdb, paddle, webdataset, parquet"),
        (["-f", "paddle", "--looks", "rulled"], "no look 'rulled'. Did you mean ruled"),
        (["-f", "paddle", "--min-length", 5, "--max-length", 4], "--min-length"),
        (["-f", "paddle", "--writers", "9"], "no writer '9' among the 2 writers"),
        (
            ["-f", "paddle", "--from", "nowhere"],
            "or simulated: the simulator, which needs no files",
        ),
        (["-f", "paddle", "--corpus", "nowhere.txt"], "nowhere.txt"),
        (["-f", "paddle", "--sheet", "sheet.gif"], "sheet.gif"),
    ],
)
def test_mistakes_are_named(lines: Lines, tmp_path: Path, options: list[object], text: str) -> None:
    code, _, err = lines(tmp_path / "out", *options)
    assert code == 1
    assert text in err
    assert not (tmp_path / "out").exists()


def test_the_help_names_what_there_is() -> None:
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    options = {one.name: one.metavar for one in commands["lines"].params}
    able = [name for name in FORMATS if FORMATS[name].holds_text]
    assert sorted(options["format"].split("|")) == sorted(able)
    assert set(options["looks"].split("|")) == {*LOOKS, NONE}
    assert {one.value for one in Sampling} == {"natural", "balanced"}
