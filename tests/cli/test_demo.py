import shlex
import sys
from pathlib import Path

import pytest
import typer.main

import hwgen.experiments.lift.experiment
from hwgen.sources.strokes.choice import stroke_data
from hwgen_cli import demo
from hwgen_cli.__main__ import app, main
from hwgen_cli.demo import CHARACTERS, FULL, SMALL, Scale, commands

TINY = Scale("small", 3, 2, (1,), 2, 1)


@pytest.fixture(autouse=True)
def _one_thread(one_thread: None) -> None:
    """Tiny networks are fastest on one thread."""


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["hwgen", "demo", *map(str, arguments)])
    monkeypatch.setenv("COLUMNS", "200")
    with pytest.raises(SystemExit) as leaving:
        main()
    return int(leaving.value.code or 0)


@pytest.mark.parametrize("scale", [FULL, SMALL])
def test_commands_parse(scale: Scale, tmp_path: Path) -> None:
    known = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    for words, _ in commands(scale, tmp_path):
        known[words[0]].make_context(words[0], words[1:])


@pytest.mark.usefixtures("kanjivg")
def test_the_characters_have_as_many_strokes_in_both_sources() -> None:
    kanjivg, hanzi = (stroke_data(name).load(CHARACTERS) for name in ("kanjivg", "hanzi"))
    assert len(set(CHARACTERS)) == len(CHARACTERS) == FULL.characters
    for character in CHARACTERS:
        assert len(kanjivg[character]) == len(hanzi[character]), character


@pytest.mark.usefixtures("kanjivg")
def test_a_demo_that_was_stopped_is_resumed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(demo, "SMALL", TINY)
    with monkeypatch.context() as stopped:
        experiment = hwgen.experiments.lift.experiment
        stopped.setattr(experiment, "run_experiment", lambda *_, **__: None)  # as after Ctrl-C
        assert run(monkeypatch, "--small", "--out", tmp_path) == 130
    shown = capsys.readouterr()
    assert "say nothing about real handwriting" in " ".join(shown.out.splitlines()[0].split())
    assert "lift: stopped; rerun the command to resume" in shown.err
    assert "hwgen report" not in shown.out

    assert run(monkeypatch, "--small", "--out", tmp_path) == 0
    shown = capsys.readouterr()
    assert shown.out.count("(done already)") == 2
    lines = [line[2:] for line in shown.out.splitlines() if line.startswith("$ ")]
    wanted = [["hwgen", *words] for words, _ in commands(TINY, tmp_path / "small")]
    assert [shlex.split(line) for line in lines] == wanted
    last = shown.out.splitlines()[-2:]
    assert last[0].startswith("With 1 sample per class, a recogniser reads ")
    assert "with 2 samples per class added" in last[0]
    page = tmp_path / "small" / "report.html"
    assert last[1] == f"The report: {page.resolve()}"
    text = page.read_text("utf-8")
    for name in ("simulated, in place of real", "simulated"):
        assert f"<span>{name}</span>" in text
    assert "these results say nothing about real handwriting" in text
    assert text.count(last[0]) == 1
    assert "All handwriting on this page is simulated." in text
    assert "can contain real" not in text
    assert "expect" not in text
    assert "the number of real samples" not in text


def test_an_error_ends_the_demo(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    failing = (["inspect", str(tmp_path / "missing")], None)
    monkeypatch.setattr(demo, "commands", lambda *_: iter([failing, (["presets"], None)]))
    assert run(monkeypatch, "--out", tmp_path) == 1
    shown = capsys.readouterr()
    assert "missing" in shown.err
    assert "glyph-32" not in shown.out
