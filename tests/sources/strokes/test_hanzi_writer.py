"""Stroke data of Make Me a Hanzi, in the three forms that they come in."""

import gzip
import io
import json
import lzma
import os
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hwgen.errors import CharsetError, InputError
from hwgen.sources.strokes import hanzi_writer
from hwgen.sources.strokes.data import BOX
from hwgen.sources.strokes.hanzi_writer import HanziWriter

ONE = {"strokes": ["M 518 382 Z"], "medians": [[[0, 388], [512, 388], [1024, 388]]]}
TEN = {"strokes": ["", ""], "medians": [[[0, 388], [1024, 388]], [[512, 900], [512, -124]]]}
CHARACTERS = {"一": ONE, "十": TEN}


def as_tar(folder: Path, characters: dict[str, Any] = CHARACTERS) -> Path:
    path = folder / "hanzi-writer-data-2.0.1.tgz"
    with tarfile.open(path, "w:gz") as archive:
        for name, value in {"package": {"version": "2.0.1"}, **characters}.items():
            data = value if isinstance(value, bytes) else json.dumps(value).encode()
            member = tarfile.TarInfo(f"package/{name}.json")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
        terms = tarfile.TarInfo("package/ARPHICPL.TXT")
        terms.size = 5
        archive.addfile(terms, io.BytesIO(b"terms"))
        link = tarfile.TarInfo("package/丁.json")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    return path


def as_folder(folder: Path) -> Path:
    for name, value in CHARACTERS.items():
        (folder / f"{name}.json").write_text(json.dumps(value), encoding="utf-8")
    (folder / "package.json").write_text("{}", encoding="utf-8")
    return folder


def as_lines(folder: Path, characters: dict[str, Any] = CHARACTERS) -> Path:
    path = folder / "graphics.txt"
    lines = [json.dumps({"character": c, **v}, ensure_ascii=False) for c, v in characters.items()]
    path.write_text("\n".join([*lines, lines[0]]) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize("form", [as_tar, as_folder, as_lines])
def test_every_form_gives_the_same_strokes(form: Callable[[Path], Path], tmp_path: Path) -> None:
    data = HanziWriter(form(tmp_path))
    assert data.characters() == {"一", "十"}
    strokes = data.load("十")
    assert list(strokes) == ["十"]
    across, down = strokes["十"]
    np.testing.assert_allclose(across[[0, -1]], [[0, BOX / 2], [BOX, BOX / 2]])
    np.testing.assert_allclose(down[[0, -1]], [[BOX / 2, 0], [BOX / 2, BOX]])  # y points down
    np.testing.assert_allclose(np.diff(down, axis=0)[:, 1], BOX / (len(down) - 1))
    with pytest.raises(CharsetError, match=r"Make Me a Hanzi has no strokes for 1 of 2.*: 你"):
        data.load("一你")


@pytest.mark.parametrize(
    "value",
    [
        b"[]",
        b"{",
        b"\xff",
        {},
        {"medians": 3},
        {"medians": []},
        {"medians": [[[1, 2]]]},
        {"medians": [[[1, 2], [3]]]},
        {"medians": [[[1, 2], [3, "x"]]]},
        {"medians": [[[1, 2], [3, 1e9]]]},
        {"medians": [[[1, 2, 3], [4, 5, 6]]]},
        {"medians": [[[1, 2], [3, 4]]] * 101},
    ],
)
def test_what_is_no_stroke_data_is_named(value: Any, tmp_path: Path) -> None:
    data = HanziWriter(as_tar(tmp_path, {"一": value, "十": TEN}))
    assert data.load("十").keys() == {"十"}
    with pytest.raises(InputError, match=r"tgz: 一: is not stroke data.*npm pack"):
        data.load("一")


def test_files_of_other_kinds_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no\.tgz: no such file"):
        HanziWriter(tmp_path / "no.tgz").characters()
    with pytest.raises(InputError, match=r"contains no characters.*npm pack"):
        HanziWriter(tmp_path).characters()
    for text in ("hello", "{}", '{"character": "ab"}'):
        (tmp_path / "text").write_text(text)
        with pytest.raises(InputError, match="text: is not stroke data"):
            HanziWriter(tmp_path / "text").characters()
    whole = as_tar(tmp_path).read_bytes()
    for length in range(20, len(whole) - 20, 30):
        (tmp_path / "cut.tgz").write_bytes(whole[:length])
        with pytest.raises(InputError, match=r"cut\.tgz"):
            HanziWriter(tmp_path / "cut.tgz").load("十")


def test_a_stream_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "graphics.txt")
    with pytest.raises(InputError, match=r"is a pipe, not a file\. Save the data to a file"):
        HanziWriter(tmp_path / "graphics.txt").characters()


def test_packings_that_ask_for_any_memory_are_not_opened(tmp_path: Path) -> None:
    plain = gzip.decompress(as_tar(tmp_path).read_bytes())
    (tmp_path / "plain.tar").write_bytes(plain)
    assert HanziWriter(tmp_path / "plain.tar").characters() == {"一", "十"}
    (tmp_path / "packed.tar.xz").write_bytes(lzma.compress(plain))
    with pytest.raises(InputError, match="is not stroke data"):
        HanziWriter(tmp_path / "packed.tar.xz").characters()


def test_sizes_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tar = as_tar(tmp_path)
    monkeypatch.setattr(hanzi_writer, "_MAX_BYTES", 40)
    for path in (tar, as_lines(tmp_path)):
        with pytest.raises(InputError, match="expected at most 40 bytes"):
            HanziWriter(path).load("十")
    with pytest.raises(InputError, match="expected at most 40 bytes"):
        HanziWriter(as_folder(tmp_path)).load("十")
    monkeypatch.setattr(hanzi_writer, "_MAX_ALL", 90)
    with pytest.raises(InputError, match="expected at most 90 bytes"):
        HanziWriter(tar).characters()
