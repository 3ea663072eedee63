import json
import signal
import sys
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import hwgen.prepare.casia
from hwgen.sources.gnt import encode_record, read_gnt
from hwgen.store import Store
from hwgen_cli.__main__ import main

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


@pytest.fixture
def gnt(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (8, 20, 30), np.uint8)
    parts = [encode_record(c, i) for c, i in zip("一丁七万一丁七万", images, strict=True)]
    path = tmp_path / "001-f.gnt"
    path.write_bytes(b"".join(parts))
    return path


def damage(gnt: Path) -> None:
    data = bytearray(gnt.read_bytes())
    data[610 + 4 : 610 + 6] = b"\xff\xff"
    data[3 * 610] ^= 1
    gnt.write_bytes(bytes(data[:-7]))


def test_the_summary_names_store_counts_and_report(run: Run, gnt: Path, tmp_path: Path) -> None:
    code, out, _ = run("prepare-gnt", gnt, "--out", tmp_path / "store")
    assert code == 0
    assert "8 in the store, 8 read" in out
    assert "records per class: 2 minimum, 2 median, 2 maximum" in out
    assert "no damaged records" in out
    assert str(tmp_path / "store" / "prepare-report.json") in out.replace("\n", "")
    assert Store(tmp_path / "store").size == 64


def test_options_reach_the_store(run: Run, gnt: Path, tmp_path: Path) -> None:
    options = ["--size", "28", "--stretch", "--charset", "万七九", "--drop-empty"]
    assert run("prepare-gnt", gnt, "-o", tmp_path / "store", *options)[0] == 0
    store = Store(tmp_path / "store")
    assert store.charset.labels == ("万", "七")
    assert store.manifest.origin["framing"]["stretch"] is True
    assert (store.size, len(store)) == (28, 4)


def test_a_margin_is_in_pixels(run: Run, gnt: Path, tmp_path: Path) -> None:
    assert run("prepare-gnt", gnt, "-o", tmp_path / "s", "--margin", "20")[0] == 0
    assert Store(tmp_path / "s").manifest.origin["framing"]["margin"] == 20


def test_writers_and_max_per_class_select_records(run: Run, gnt: Path, tmp_path: Path) -> None:
    for writer in ("002", "003", "004"):
        gnt.with_name(f"{writer}-f.gnt").write_bytes(gnt.read_bytes())
    common = [gnt.parent, "--size", "16", "--writers", "002-004", "--held-out", "0.3"]
    common += ["--split-seed", "1"]
    code, limited, _ = run("prepare-gnt", *common, "-o", tmp_path / "a", "--max-per-class", "3")
    assert code == 0
    assert "left out by --max-per-class: 4 records\n" in limited
    # The folder holds that store too, which is passed over.
    code, whole, shown = run("prepare-gnt", *common, "-o", tmp_path / "b", "--subset", "test")
    assert code == 0, shown
    assert "left out" not in whole
    one, other = Store(tmp_path / "a"), Store(tmp_path / "b")
    assert one.writers | other.writers == {"002", "003", "004"}
    assert (len(one.writers), len(other.writers)) == (2, 1)
    assert one.manifest.class_counts == [3] * 4
    assert other.manifest.class_counts == [2] * 4


def test_damage_of_every_kind_is_reported(run: Run, gnt: Path, tmp_path: Path) -> None:
    damage(gnt)
    code, out, _ = run("prepare-gnt", gnt, "-o", tmp_path / "store", "--charset", "一丁九")
    assert code == 0
    assert "3 in the store, 5 read" in out
    assert "2 records of 1 characters: 七 2" in out
    assert "empty: 1 classes have no record: 九" in out
    assert f"damaged: 3 places, {610 * 3 - 7:,} bytes lost" in out
    assert "unreadable tag: 1" in out
    assert "001-f.gnt@610: 610 bytes lost; expected the GB code of one printable" in out
    assert "damaged header: 1" in out
    assert "001-f.gnt@1830: " in out
    assert "found size 611, width 30, height 20" in out
    assert "603 bytes before the end of the file" in out


def test_long_lists_are_shortened(run: Run, tmp_path: Path) -> None:
    image = np.zeros((4, 4), np.uint8)
    gnt = tmp_path / "1.gnt"
    bad = encode_record("一", image).replace("一".encode("gb2312"), b"\xff\xff") * 9
    others = "".join(chr(0x4E00 + n) for n in (1, 3, 7, 8, 9, 10, 11, 13, 14, 16, 17, 18, 19, 20))
    others += "abcdefghij"
    gnt.write_bytes(b"".join(encode_record(c, image) for c in others + "一") + bad)
    _, out, _ = run("prepare-gnt", gnt, "-o", tmp_path / "store", "--charset", "一")
    assert "… and 4 more" in out
    assert out.count("found tag ff ff") == 5
    assert "left out, not in the charset: 24 records of 24 characters" in out


def test_strict_stops_at_the_first_damaged_record(run: Run, gnt: Path, tmp_path: Path) -> None:
    damage(gnt)
    code, _, err = run("prepare-gnt", gnt, "-o", tmp_path / "store", "--strict")
    assert code == 1
    assert "error: 001-f.gnt@610: expected the GB code" in err
    assert "Traceback" not in err
    assert not (tmp_path / "store").exists()


def test_json_is_the_report_in_the_store(run: Run, gnt: Path, tmp_path: Path) -> None:
    _, out, _ = run("prepare-gnt", gnt, "-o", tmp_path / "store", "--json")
    written = (tmp_path / "store" / "prepare-report.json").read_text(encoding="utf-8")
    assert json.loads(out) == json.loads(written)


def test_any_number_of_workers_makes_the_same_store(run: Run, gnt: Path, tmp_path: Path) -> None:
    for workers in ("1", "2"):
        out = tmp_path / workers
        assert run("prepare-gnt", gnt, "-o", out, "--workers", workers)[0] == 0
    one, two = (Store(tmp_path / workers).manifest for workers in ("1", "2"))
    assert one == two
    assert run("prepare-gnt", gnt, "-o", tmp_path / "none", "--workers", "0")[0] == 2


@pytest.mark.parametrize("workers", ["1", "2"])
def test_ctrl_c_leaves_no_store(
    run: Run, gnt: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: str
) -> None:
    def read_and_interrupt(*args: Any, **options: Any) -> Iterator[Any]:
        yield from read_gnt(*args, **options)
        signal.raise_signal(signal.SIGINT)

    casia = hwgen.prepare.casia
    monkeypatch.setattr(casia, "_GNT", replace(casia._GNT, read=read_and_interrupt))
    out = tmp_path / "store"
    code, _, err = run("prepare-gnt", gnt, "-o", out, "--workers", workers)
    assert code == 130
    assert f"{out}: stopped; no store was written" in err
    assert [path.name for path in tmp_path.iterdir()] == [gnt.name]


def test_charset_from_another_store_or_a_file(run: Run, gnt: Path, tmp_path: Path) -> None:
    run("prepare-gnt", gnt, "-o", tmp_path / "train", "--charset", "万一")
    run("prepare-gnt", gnt, "-o", tmp_path / "test", "--charset", tmp_path / "train")
    assert Store(tmp_path / "test").charset == Store(tmp_path / "train").charset
    (tmp_path / "c.txt").write_text("七\n一\n", encoding="utf-8")
    run("prepare-gnt", gnt, "-o", tmp_path / "file", "--charset", tmp_path / "c.txt")
    assert Store(tmp_path / "file").charset.labels == ("七", "一")


def test_input_errors_have_no_traceback(run: Run, gnt: Path, tmp_path: Path) -> None:
    for arguments, message in (
        ((tmp_path / "none.gnt",), "no such file"),
        ((gnt, "--charset", "nowhere.txt"), "charset file not found"),
        ((gnt, "--margin", "32"), "leaves no space"),
    ):
        code, _, err = run("prepare-gnt", *arguments, "-o", tmp_path / "store")
        assert code == 1
        assert message in err
        assert "Traceback" not in err


def test_a_finished_store_is_replaced_only_with_overwrite(
    run: Run, gnt: Path, tmp_path: Path
) -> None:
    assert run("prepare-gnt", gnt, "-o", tmp_path / "s")[0] == 0
    code, _, err = run("prepare-gnt", gnt, "-o", tmp_path / "s", "--size", "32")
    assert code == 1
    assert "--overwrite" in err
    assert run("prepare-gnt", gnt, "-o", tmp_path / "s", "--size", "32", "--overwrite")[0] == 0
    assert Store(tmp_path / "s").size == 32


@pytest.mark.parametrize("command", ["prepare-gnt", "inspect"])
def test_names_in_any_encoding_stop_no_gnt(
    run: Run, gnt: Path, tmp_path: Path, command: str
) -> None:
    names = {
        "one": "训/1.gnt".encode("gbk"),
        "none": b"\xd2\xbb\xff\x81/1.gnt",
        "short": b"\xd2\xbb/1",
    }
    for name, raw in names.items():
        path = tmp_path / f"{name}.zip"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("x" * len(raw), gnt.read_bytes())
        path.write_bytes(path.read_bytes().replace(b"x" * len(raw), raw))
        out = ["--out", tmp_path / name] if command == "prepare-gnt" else []
        code, text, _ = run(command, path, *out)
        assert code == 0
        assert f"several encodings fit the names in {name}.zip" in text
        assert "If that is wrong, give --encoding" in text
        code, text, _ = run(
            command, path, *out, "--encoding", "latin-1", *["--overwrite"][: len(out)]
        )
        assert code == 0
        assert f"names and labels of {name}.zip were read as latin-1, as --encoding says" in text
        assert "wrong" not in text
