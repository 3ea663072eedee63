import sys
from pathlib import Path

import numpy as np
import pytest

from hwgen.record import Record
from hwgen.store import StoreWriter
from hwgen_cli.__main__ import main


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["hwgen", "report", *map(str, arguments)])
    with pytest.raises(SystemExit) as leaving:
        main()
    return int(leaving.value.code or 0)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    with StoreWriter(tmp_path / "hand", size=8, recipe={}) as writer:
        writer.add(Record(np.full((8, 8), 9, np.uint8), "一", "", "here", 0))
        return writer.finish(origin={"kind": "gnt"}).path


def test_a_page_is_written(
    tmp_path: Path,
    store: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "[bold] page.html"
    assert run(monkeypatch, store, "--out", out) == 0
    assert capsys.readouterr().out.startswith(f"written: {out} (0.0 MB)")
    assert "data:image/png" in out.read_text(encoding="utf-8")


def test_real_images_can_be_left_out(
    tmp_path: Path, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(monkeypatch, store, "--no-real") == 0
    assert "data:image/png" not in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_other_inputs_are_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "folder").mkdir()
    assert run(monkeypatch, tmp_path / "folder", "--out", tmp_path / "page.html") == 1
    assert "not a run, a benchmark, a lift, an evaluation or a store" in capsys.readouterr().err
    assert not (tmp_path / "page.html").exists()


def test_no_input_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(monkeypatch) == 2
