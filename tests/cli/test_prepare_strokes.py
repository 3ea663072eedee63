import json
import sys
from pathlib import Path

import pytest

from hwgen.store import Store
from hwgen.store.origin import is_simulated
from hwgen_cli.__main__ import main


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["hwgen", "prepare-strokes", *map(str, arguments)])
    with pytest.raises(SystemExit) as leaving:
        main()
    return int(leaving.value.code or 0)


@pytest.fixture
def graphics(tmp_path: Path) -> Path:
    file = tmp_path / "graphics.txt"
    lines = [
        {"character": c, "medians": [[[100, 400 + n], [900, 420]], [[500, 800], [480, 0]]]}
        for n, c in enumerate("你十一")
    ]
    file.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return file


def test_a_store_is_made_and_its_terms_are_printed(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    graphics: Path,
) -> None:
    out = tmp_path / "s"
    options = ["--strokes", graphics, "--num-writers", 2, "--first-writer", 5, "--size", 16]
    assert run(monkeypatch, "-o", out, "--classes", "2", *options) == 0
    store = Store(out)
    assert store.charset.labels == ("一", "十")
    assert (len(store), store.size, is_simulated(store.manifest.origin)) == (4, 16, True)
    assert set(store.manifest.writer_counts) == {"005", "006"}
    shown = " ".join(capsys.readouterr().out.split())
    assert "are simulated handwriting; train on this store, but test on real handwriting" in shown
    assert "Arphic Public License" in shown
    assert run(monkeypatch, "-o", out, "--classes", "2", *options) == 1
    assert run(monkeypatch, "-o", out, "--classes", "2", *options, "--overwrite") == 0


def test_classes_of_a_store_keep_their_order(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    graphics: Path,
    toy_store: Store,
) -> None:
    options = ["--strokes", graphics, "--num-writers", 1, "--classes", toy_store.path, "--json"]
    assert run(monkeypatch, "-o", tmp_path / "s", *options) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["empty_classes"] == ["丨"]
    assert Store(tmp_path / "s").charset == toy_store.charset


@pytest.mark.parametrize(
    ("options", "error"),
    [
        (["--classes", "4"], "from 1 to 3"),
        (["--classes", "龘"], "has no strokes for any of the 1 classes"),
        (["--classes", "你", "--margin", "9", "--size", "16"], "leaves no space"),
    ],
)
def test_impossible_settings_are_refused(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    graphics: Path,
    options: list[str],
    error: str,
) -> None:
    assert run(monkeypatch, "-o", tmp_path / "s", "--strokes", graphics, *options) == 1
    assert error in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "s").exists()
