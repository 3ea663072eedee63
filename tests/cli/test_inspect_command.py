import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hwgen.charset import Charset
from hwgen.imaging.framing import Framing
from hwgen.prepare import prepare_gnt
from hwgen.runs import begin_or_continue
from hwgen.sources.gnt import write_gnt
from hwgen.sources.strokes.drawn_labels import draw_labels
from hwgen.store import StoreWriter
from hwgen_cli.__main__ import main

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run `hwgen inspect ARGUMENTS`; gives the exit code, standard output and standard error."""
    monkeypatch.setenv("COLUMNS", "200")

    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["hwgen", "inspect", *map(str, arguments)])
        with pytest.raises(SystemExit) as leaving:
            main()
        return int(leaving.value.code or 0), *capsys.readouterr()

    return call


@pytest.fixture
def gnt(tmp_path: Path) -> Path:
    images = np.random.default_rng(0).integers(0, 256, (4, 20, 30), np.uint8)
    path = tmp_path / "001-f.gnt"
    write_gnt(path, zip("一丁一一", images[[0, 1, 2, 2]], strict=True))
    return path


def test_a_gnt_file(run: Run, gnt: Path, tmp_path: Path) -> None:
    sheet = tmp_path / "sheet.png"
    code, out, _ = run(gnt, "--sheet", sheet)
    assert code == 0
    assert "1 files, 0.0 MB" in out
    assert "2, 0 of them empty; records each: 1 minimum, 2 median, 3 maximum" in out
    assert "丁 1" in out
    assert "1 records are exact copies of others" in out
    assert "30 to 30, median 30 pixels" in out
    assert "0 places, 0 bytes" in out
    with Image.open(sheet) as png:
        assert png.size == (4 * 66 + 2, 66 + 2)
    assert str(sheet) in out


def test_a_damaged_gnt_file(run: Run, gnt: Path) -> None:
    gnt.write_bytes(gnt.read_bytes()[:-1])
    _, out, _ = run(gnt)
    assert "1 places, 609 bytes" in out
    assert "001-f.gnt@1830: expected a record of 610 bytes" in out


def test_a_store(run: Run, gnt: Path, tmp_path: Path) -> None:
    merged = tmp_path / "all.gnt"
    merged.write_bytes(gnt.read_bytes()[:610])
    prepare_gnt([gnt, merged], tmp_path / "store", framing=Framing(16))
    sheet = tmp_path / "sheet.png"
    code, out, _ = run(tmp_path / "store", "--sheet", sheet)
    assert code == 0
    assert "5 of 16 x 16, grey" in out
    assert "1, 0 of them empty; records each: 4 minimum, 4 median, 4 maximum" in out
    assert "1 records of unknown writers" in out
    assert "2 records are exact copies of others" in out
    with Image.open(sheet) as png:
        edge = draw_labels(["一", "丁"], 64).shape[2] + 2
        assert png.size == (edge + 12 * 66 + 2, 2 * 66 + 2)


def test_every_class_is_listed_with_its_records(run: Run, gnt: Path, tmp_path: Path) -> None:
    prepare_gnt([gnt], tmp_path / "store", framing=Framing(16))
    for path in (gnt, tmp_path / "store"):
        code, out, _ = run(path, "--classes")
        assert code == 0
        assert sorted(out.splitlines()[-2:]) == ["        1  丁", "        3  一"]
        assert json.loads(run(path, "--json")[1])["class_counts"] == {"一": 3, "丁": 1}
    assert "        1  丁" not in run(gnt)[1]


def test_the_classes_of_a_run_are_listed_without_numbers(run: Run, tmp_path: Path) -> None:
    data = {"content_sha256": "", "count": 4}
    charset = Charset(("一", "丁"))
    began = {"recipe": {"preset": "glyph-32"}, "seed": 0, "charset": charset, "data": data}
    begin_or_continue(tmp_path / "run", kind="gan", **began)
    code, out, err = run(tmp_path / "run", "--classes")
    assert (code, out.splitlines()[-2:]) == (0, ["一", "丁"]), err
    assert json.loads(run(tmp_path / "run", "--json")[1])["labels"] == ["一", "丁"]


def test_no_writer_known(run: Run, gnt: Path) -> None:
    gnt = gnt.rename(gnt.with_name("all.gnt"))
    assert "not known" in run(gnt)[1]


@pytest.mark.parametrize("kind", ["gnt", "store"])
def test_json(run: Run, gnt: Path, tmp_path: Path, kind: str) -> None:
    prepare_gnt([gnt], tmp_path / "store", framing=Framing(16))
    _, out, _ = run({"gnt": gnt, "store": tmp_path / "store"}[kind], "--json")
    summary = json.loads(out)
    assert (summary["kind"], summary["records"], summary["duplicates"]) == (kind, 4, 1)


def test_a_missing_path_and_an_unfinished_store_are_errors(run: Run, tmp_path: Path) -> None:
    code, _, err = run(tmp_path / "nowhere")
    assert code == 1
    assert "no such file or folder" in err
    with StoreWriter(tmp_path / "store", size=8, recipe={}):
        code, _, err = run(tmp_path / "store")
    assert code == 1
    assert "is unfinished" in err


@pytest.mark.parametrize("preset", ["glyph-32", "deformation-32"])
def test_a_preset_is_an_error_that_names_the_right_command(run: Run, preset: str) -> None:
    code, _, err = run(preset)
    assert code == 1
    assert f"hwgen presets {preset}" in err


def test_what_is_not_read_is_shown(run: Run, gnt: Path) -> None:
    folder = gnt.parent
    (folder / "002-f.gnt.gz").write_bytes(b"\x1f\x8b")
    code, out, error = run(folder)
    assert (code, error) == (0, "")
    assert "002-f.gnt.gz). Unpack the archives and give the folder" in out


def test_a_sheet_is_written_in_the_format_of_its_suffix_or_refused(
    run: Run, gnt: Path, tmp_path: Path
) -> None:
    for _ in range(2):
        assert run(gnt, "--sheet", tmp_path / "sheet.jpg")[0] == 0
    with Image.open(tmp_path / "sheet.jpg") as sheet:
        assert sheet.format == "JPEG"
    code, _, err = run(gnt, "--sheet", tmp_path / "sheet.webp")
    assert code == 1
    assert "must end in .png or .jpg or .jpeg" in err
    (tmp_path / "mine.png").write_bytes(b"mine")
    code, _, err = run(gnt, "--sheet", tmp_path / "mine.png")
    assert code == 1
    assert "hwgen did not write it" in err
    assert (tmp_path / "mine.png").read_bytes() == b"mine"
