import importlib.metadata
import json
import sys
from pathlib import Path

import pytest

from hwgen_cli.__main__ import main


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["hwgen", "simulate", *map(str, arguments)])
    with pytest.raises(SystemExit) as leaving:
        main()
    return int(leaving.value.code or 0)


def labels(path: Path) -> list[str]:
    data, found = path.read_bytes(), []
    while data:
        found.append(data[4:6].decode("gb2312"))
        data = data[int.from_bytes(data[:4], "little") :]
    return found


def test_one_file_per_writer_and_the_licence_is_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "writers"
    options = ["--classes", "3", "--num-writers", "2", "--first-writer", "41", "--seed", "1"]
    assert run(monkeypatch, "--out", out, *options) == 0
    files = ["041-f.gnt", "042-f.gnt"]
    assert sorted(path.name for path in out.iterdir()) == [".export.json", *files, "NOTICE.txt"]
    assert labels(out / "041-f.gnt") == ["的", "一", "是"]
    shown = " ".join(capsys.readouterr().out.split())
    assert "2 writers, 3 characters each" in shown
    assert "Simulated handwriting, not scans" in shown
    assert "under the Arphic Public License" in shown


def test_fewer_classes_are_a_prefix_of_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in ("2", "130"):
        assert (
            run(monkeypatch, "--out", tmp_path / number, "--classes", number, "--num-writers", 1)
            == 0
        )
    small, large = (labels(tmp_path / number / "001-f.gnt") for number in ("2", "130"))
    assert large[:2] == small
    assert len(set(large)) == 130


@pytest.mark.parametrize("as_file", [False, True])
def test_classes_as_characters_or_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, as_file: bool
) -> None:
    spec = "永我"
    if as_file:
        spec = str(tmp_path / "characters.txt")
        Path(spec).write_text("永\n我\n", encoding="utf-8")
    assert run(monkeypatch, "--out", tmp_path / "set", "--classes", spec, "--num-writers", 1) == 0
    assert labels(tmp_path / "set" / "001-f.gnt") == ["永", "我"]


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("0", "from 1 to 9531"),
        ("9532", "from 1 to 9531"),
        ("我あ", "1 of 2 characters: あ. Leave them out, or give other --strokes"),
    ],
)
def test_impossible_classes_are_refused(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    spec: str,
    message: str,
) -> None:
    assert run(monkeypatch, "--out", tmp_path / "set", "--classes", spec) == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / "set").exists()


@pytest.mark.usefixtures("kanjivg")
def test_strokes_of_kanjivg_are_a_word_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--strokes", "kanjivg", "--classes", "あ永", "--num-writers", 1]
    assert run(monkeypatch, "--out", tmp_path / "set", *options) == 0
    assert labels(tmp_path / "set" / "001-f.gnt") == ["あ", "永"]
    assert "copyright Ulrich Apel, CC BY-SA 3.0" in " ".join(capsys.readouterr().out.split())


def test_a_missing_package_is_named_with_its_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    there = importlib.metadata.distribution

    def only_hwgen(name: str) -> importlib.metadata.Distribution:
        if name != "hwgen":
            raise importlib.metadata.PackageNotFoundError(name)
        return there(name)

    monkeypatch.setattr(importlib.metadata, "distribution", only_hwgen)
    assert run(monkeypatch, "--out", tmp_path / "set", "--strokes", "kanjivg") == 1
    assert "Leave out --strokes kanjivg, or: pip install kanjivg" in capsys.readouterr().err


def test_strokes_of_make_me_a_hanzi_have_their_own_notice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "graphics.txt"
    line = {"character": "你", "medians": [[[100, 400], [900, 420]], [[500, 800], [480, 0]]]}
    file.write_text(json.dumps(line) + "\n", encoding="utf-8")
    out = tmp_path / "set"
    options = ["--strokes", file, "--classes", "1", "--num-writers", "2", "--workers", "1"]
    assert run(monkeypatch, "--out", out, *options) == 0
    assert labels(out / "002-f.gnt") == ["你"]
    assert "Arphic Public License" in (out / "NOTICE.txt").read_text("utf-8")
    assert "Arphic Public License" in " ".join(capsys.readouterr().out.split())
    assert run(monkeypatch, "--out", out, "--classes", "2", *options[:2]) == 1
    assert "Make Me a Hanzi has 1 Chinese characters" in capsys.readouterr().err
