import json
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import hwgen.prepare.images
from hwgen.sources.provenance import MARKER
from hwgen.store import Store
from hwgen_cli.__main__ import main
from tests.image_files import encoded, photo, put, write_digits, write_photos

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run `hwgen ARGUMENTS`; gives the exit code, standard output and standard error."""
    monkeypatch.setenv("COLUMNS", "200")

    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["hwgen", *map(str, arguments)])
        with pytest.raises(SystemExit) as leaving:
            main()
        return int(leaving.value.code or 0), *capsys.readouterr()

    return call


def test_grey_characters_are_padded_by_default(run: Run, tmp_path: Path) -> None:
    put(tmp_path / "c" / "一" / "0.png", encoded(np.full((4, 16), 40, np.uint8)))
    code, out, _ = run("prepare-images", tmp_path / "c", "--out", tmp_path / "s")
    assert code == 0
    # The text may be broken anywhere.
    assert "64 x 64, grey, aspect ratio kept, with a margin of 0" in " ".join(out.split())
    code, out, _ = run("prepare-images", tmp_path / "c", "--out", tmp_path / "t", "--margin", 2)
    assert "64 x 64, grey, aspect ratio kept, with a margin of 2" in out
    code, out, _ = run("prepare-images", tmp_path / "c", "--out", tmp_path / "u", "--fit", "crop")
    assert "64 x 64, grey, the square in the centre of each" in out


def test_photographs_fill_the_frame_by_default(run: Run, tmp_path: Path) -> None:
    code, out, _ = run("prepare-images", write_photos(tmp_path), "--out", tmp_path / "s")
    assert code == 0
    assert "64 x 64, colour, stretched to squares" in out
    assert "3 in the store, 3 read" in out
    assert "no damaged records" in out
    store = Store(tmp_path / "s")
    assert (store.size, store.channels) == (64, 3)
    assert store.manifest.origin["framing"] == {
        "size": 64,
        "stretch": True,
        "margin": 0,
        "filter": "bilinear, antialiased",
    }


def test_origin_recorded_by_an_export_is_reported(run: Run, tmp_path: Path) -> None:
    photos = write_photos(tmp_path)
    (photos / MARKER).write_text('{"synthetic": true}')
    code, out, _ = run("prepare-images", photos, "--out", tmp_path / "s")
    assert code == 0
    assert "synthetic: according to .export.json" in out
    assert Store(tmp_path / "s").is_synthetic
    (photos / MARKER).write_text('{"synthetic": false, "simulated": true}')
    code, out, _ = run("prepare-images", photos, "--out", tmp_path / "u")
    assert code == 0
    assert "simulated: some or all of these records are simulated" in out
    assert Store(tmp_path / "u").data_kind == "simulated"
    (photos / MARKER).write_text("not JSON")
    code, _, err = run("prepare-images", photos, "--out", tmp_path / "t")
    assert code == 1
    assert f"{MARKER}: is not an export's description" in err
    assert "remove this file" in err


def test_options_reach_the_store(run: Run, tmp_path: Path) -> None:
    photos = write_photos(tmp_path)
    options = [
        "--size",
        16,
        "--fit",
        "pad",
        "--margin",
        3,
        "--grey",
        "--invert",
        "--max-per-class",
        1,
    ]
    assert run("prepare-images", photos, "-o", tmp_path / "s", *options)[0] == 0
    store = Store(tmp_path / "s")
    assert (store.size, store.channels, len(store)) == (16, 1, 2)
    origin = store.manifest.origin
    assert (origin["inverted"], origin["limit"], origin["framing"]["margin"]) == (True, 1, 3)
    assert run("prepare-images", photos, "-o", tmp_path / "c", "--fit", "crop")[0] == 0
    assert Store(tmp_path / "c").manifest.origin["framing"]["crop"] is True
    options = ["--colour", "--no-invert", "--charset", tmp_path / "s", "--workers", 1]
    digits = write_digits(tmp_path)
    code, _, err = run("prepare-images", digits, "-o", tmp_path / "d", *options)
    assert code == 1
    assert "none of the 5 records is in the charset; their labels: 1345" in err


def test_damage_and_empty_classes_are_reported(run: Run, tmp_path: Path) -> None:
    photos = write_photos(tmp_path)
    run("prepare-images", photos, "-o", tmp_path / "all")
    put(photos / "cat" / "2.png", b"text")
    put(photos / "owl" / "1.png", encoded(photo(0)))
    (photos / "dog" / "0.JPG").unlink()
    options = ["--charset", tmp_path / "all", "--drop-empty"]
    code, out, _ = run("prepare-images", photos, "-o", tmp_path / "s", *options[:2])
    assert code == 0
    assert "2 in the store, 3 read" in out
    assert "1 records of 1 characters: owl 1" in out
    assert "empty: 1 classes have no record: dog;" in out
    assert "bad image: 1" in out
    assert "photos/cat/2.png@0: 4 bytes lost; expected an intact image" in out
    run("prepare-images", photos, "-o", tmp_path / "s", *options, "--overwrite")
    assert Store(tmp_path / "s").charset.labels == ("cat",)
    code, _, err = run("prepare-images", photos, "-o", tmp_path / "t", "--strict")
    assert code == 1
    assert "error: photos/cat/2.png@0: expected an intact image" in err
    assert "Traceback" not in err


def test_json_is_the_report_in_the_store(run: Run, tmp_path: Path) -> None:
    _, out, _ = run("prepare-images", write_digits(tmp_path), "-o", tmp_path / "s", "--json")
    written = (tmp_path / "s" / "prepare-report.json").read_text(encoding="utf-8")
    assert json.loads(out) == json.loads(written)


def test_ctrl_c_leaves_no_store(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    photos = write_photos(tmp_path)
    render = hwgen.prepare.images.render_images

    def render_and_interrupt(*args: Any, **options: Any) -> Iterator[Any]:
        signal.raise_signal(signal.SIGINT)
        yield from render(*args, **options)

    monkeypatch.setattr(hwgen.prepare.images, "render_images", render_and_interrupt)
    out = tmp_path / "s"
    code, _, err = run("prepare-images", photos, "-o", out)
    assert code == 130
    assert f"{out}: stopped; no store was written" in err
    assert [path.name for path in tmp_path.iterdir()] == ["photos"]


def test_input_errors_have_no_traceback(run: Run, tmp_path: Path) -> None:
    photos = write_photos(tmp_path)
    for arguments, message in (
        ((tmp_path / "none",), "no such file or folder"),
        ((photos, "--fit", "stretch", "--margin", "2"), "stretch and a margin exclude"),
        ((photos, "--fit", "crop", "--margin", "2"), "crop and a margin exclude"),
        ((photos, "--fit", "pad", "--margin", "32"), "leaves no space"),
    ):
        code, _, err = run("prepare-images", *arguments, "-o", tmp_path / "s")
        assert code == 1
        assert message in err
        assert "Traceback" not in err


def test_what_was_not_read_is_printed(run: Run, tmp_path: Path) -> None:
    photos = write_photos(tmp_path)
    put(photos / "cow" / "1.heic", b"x")
    put(photos / "cow" / "2.heic", b"x")
    code, out, _ = run("prepare-images", photos, "--out", tmp_path / "s")
    assert code == 0
    assert "not read: 2 files: 2 .heic (photos/cow/1.heic, ...). Convert the images to PNG" in out
    assert "not read: 1 file: 1 .txt (photos/dog/0.txt); these are rarely data" in out
    assert "nothing read in 1 place: photos/cow" in out
    assert "no damaged records in what was read" in out
    code, out, _ = run("prepare-images", photos, "--out", tmp_path / "j", "--json")
    report = json.loads(out)
    heic = {"kind": ".heic", "files": 2, "first": "photos/cow/1.heic", "may_be_data": True}
    assert heic in report["not_read"]
    assert report["folders_not_read"] == ["photos/cow"]
    stored = json.loads((tmp_path / "j" / "prepare-report.json").read_text())
    assert stored["not_read"] == report["not_read"]
    code, _, error = run("prepare-images", photos, "--out", tmp_path / "x", "--strict")
    assert code != 0
    assert "the input holds 2 files: 2 .heic" in error
    assert not (tmp_path / "x").exists()


def test_the_columns_that_were_read_are_printed(run: Run, tmp_path: Path) -> None:
    for name in ("1.png", "2.png"):
        put(tmp_path / "w" / name, encoded(photo(int(name[0]))))
    put(tmp_path / "w" / "metadata.csv", "file_name,label,font\n1.png,永,a\n2.png,和,b\n".encode())
    code, out, _ = run("prepare-images", tmp_path / "w", "--out", tmp_path / "s")
    assert code == 0
    assert "columns of w/metadata.csv: file_name and label; not read: font" in out
    stored = json.loads((tmp_path / "s" / "prepare-report.json").read_text())["columns"]
    expected = {"image": "file_name", "label": "label", "writer": "", "not_read": ["font"]}
    assert stored == {"w/metadata.csv": expected}
    options = ("--label-column", "font", "--out", tmp_path / "f")
    code, out, _ = run("prepare-images", tmp_path / "w", *options)
    assert (code, Store(tmp_path / "f").charset.labels) == (0, ("a", "b"))
