"""Outputs of `hwgen synthesize`: stores, files and sheets, kept, replaced or refused."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PilImage

from hwgen.errors import InputError
from hwgen.store import Store

Synthesize = Callable[..., tuple[int, str]]


def test_a_store_with_files_and_a_sheet(synthesize: Synthesize, tmp_path: Path) -> None:
    out = tmp_path / "s"
    code, err = synthesize(
        out, "--per-class", 3, "--classes", "十一", "--seed", 4, "--batch", 2,
        "--png", tmp_path / "png", "--gnt", tmp_path / "gnt", "--sheet", tmp_path / "new/s.png",
    )  # fmt: skip
    assert code == 0
    assert f"{out}: 6 images" in err
    assert "6 PNG files" in err
    store = Store(out)
    assert store.manifest.class_counts == [3, 0, 3]
    assert store.manifest.origin["seed"] == 4
    pngs = sorted((tmp_path / "png").rglob("*.png"))
    assert len(pngs) == 6
    with PilImage.open(pngs[0]) as png:
        assert any(np.array_equal(np.asarray(png), image) for image in store.all_images())
    assert list((tmp_path / "gnt").rglob("*.gnt"))
    with PilImage.open(tmp_path / "new" / "s.png") as sheet:
        assert sheet.size[0] > 8


def test_a_finished_store_is_kept_and_another_refused(
    synthesize: Synthesize, tmp_path: Path
) -> None:
    out = tmp_path / "s"
    assert synthesize(out, "--per-class", 2)[0] == 0
    assert synthesize(out, "--per-class", 2)[0] == 0
    code, err = synthesize(out, "--per-class", 3)
    assert code == 1
    assert "--overwrite" in err
    assert synthesize(out, "--per-class", 3, "--overwrite")[0] == 0
    assert len(Store(out)) == 9


@pytest.mark.parametrize("option", ["--png", "--gnt", "--sheet"])
def test_further_outputs_are_checked_before_the_work(
    synthesize: Synthesize, tmp_path: Path, option: str
) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "notes.txt").touch()
    code, err = synthesize(tmp_path / "s", "--per-class", 2, option, mine)
    assert code == 1
    assert "is not an export" in err or "must end in .png" in err
    assert [path.name for path in mine.iterdir()] == ["notes.txt"]
    assert not (tmp_path / "s").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--png", "s"), "--png is the same as --out"),
        (("--png", "p", "--gnt", "p"), "--gnt is the same as --png"),
        (("--gnt", "s/g"), "--gnt lies in --out"),
        (("--png", "."), "--out lies in --png"),
        (("--png", "p", "--sheet", "p/s.png"), "--sheet lies in --png"),
        (("--gnt", "link/g"), "--gnt lies in --out"),
    ],
)
def test_outputs_that_lie_in_each_other_are_refused_before_the_work(
    synthesize: Synthesize, tmp_path: Path, options: tuple[str, ...], message: str
) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (root / "link").symlink_to(root / "s")
    paths = [value if value.startswith("--") else root / value for value in options]
    code, err = synthesize(root / "s", "--per-class", 2, *paths)
    assert code == 1
    assert message in err
    assert [path.name for path in root.iterdir()] == ["link"]


def test_overwrite_replaces_all_outputs(synthesize: Synthesize, tmp_path: Path) -> None:
    more = ("--png", tmp_path / "png", "--gnt", tmp_path / "gnt", "--sheet", tmp_path / "s.png")
    assert synthesize(tmp_path / "s", "--per-class", 1, *more)[0] == 0
    assert synthesize(tmp_path / "s", "--per-class", 1, *more)[0] == 0
    code, err = synthesize(tmp_path / "s2", "--per-class", 2, *more)
    assert code == 1
    assert "png: another export is already there" in err
    assert not (tmp_path / "s2").exists()
    assert synthesize(tmp_path / "s2", "--per-class", 2, *more, "--overwrite")[0] == 0
    assert len(list((tmp_path / "png").rglob("*.png"))) == 6
    (tmp_path / "gnt" / "notes.txt").touch()
    code, err = synthesize(tmp_path / "s2", "--per-class", 3, *more, "--overwrite")
    assert code == 1
    assert "holds a file that hwgen did not make: notes.txt" in err
    assert len(Store(tmp_path / "s2")) == 6


def test_labels_that_gnt_cannot_hold_are_refused_before_the_work(
    synthesize: Synthesize, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def encode_record(label: str, image: object) -> bytes:
        if label == "十":
            raise InputError("the label has no two-byte GB code")
        return b""

    monkeypatch.setattr("hwgen.exports.gnt.encode_record", encode_record)
    code, err = synthesize(tmp_path / "s", "--per-class", 2, "--gnt", tmp_path / "gnt")
    assert code == 1
    assert "no two-byte GB code" in err
    assert not (tmp_path / "s").exists()
    monkeypatch.setattr("hwgen.exports.export_store", lambda *_, **__: None)
    code, _ = synthesize(
        tmp_path / "s", "--per-class", 2, "--gnt", tmp_path / "gnt", "--classes", "一"
    )
    assert code == 0
