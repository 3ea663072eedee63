import os
import struct
from collections.abc import Set
from pathlib import Path

import numpy as np
import pytest

from hwgen.errors import CharsetError, HwgenError, InputError, RecipeChangedError
from hwgen.progress import Control
from hwgen.sources.simulation.gnt_folder import simulate
from hwgen.sources.simulation.handwriting import simulate_writer
from hwgen.sources.strokes.data import Strokes
from tests.strokes import STROKES, Drawn


def read_gnt_independently(path: Path) -> list[tuple[str, np.ndarray]]:
    data, records = path.read_bytes(), []
    while data:
        size, width, height = (
            int.from_bytes(data[:4], "little"),
            int.from_bytes(data[6:8], "little"),
            int.from_bytes(data[8:10], "little"),
        )
        assert size == 10 + width * height
        pixels = np.array(list(data[10:size]), dtype=np.uint8).reshape(height, width)
        records.append((data[4:6].decode("gb2312"), pixels))
        data = data[size:]
    return records


DRAWN = Drawn()


def test_files_are_those_of_casia(tmp_path: Path) -> None:
    seen: list[tuple[float, float]] = []
    files = simulate(
        tmp_path / "set",
        characters="十刁",
        writers=range(7, 10),
        seed=2,
        strokes=DRAWN,
        control=Control(progress=lambda done, total, _: seen.append((done, total))),
    )
    assert [path.name for path in files] == ["007-f.gnt", "008-f.gnt", "009-f.gnt"]
    assert seen == [(2, 6), (4, 6), (6, 6)]
    assert "Drawn for a test" in (tmp_path / "set" / "NOTICE.txt").read_text()
    for writer, path in zip(range(7, 10), files, strict=True):
        found = read_gnt_independently(path)
        expected = list(simulate_writer(2, writer, "十刁", STROKES))
        assert [label for label, _ in found] == ["十", "刁"]
        for (_, image), (_, drawn) in zip(found, expected, strict=True):
            np.testing.assert_array_equal(image, drawn)


def test_the_tag_is_high_byte_first(tmp_path: Path) -> None:
    (path,) = simulate(tmp_path, characters="十", writers=range(1, 2), seed=0, strokes=DRAWN)
    assert struct.unpack_from(">H", path.read_bytes(), 4) == (0xCAAE,)


def test_the_same_call_writes_the_same_bytes(tmp_path: Path) -> None:
    contents = []
    for _ in range(2):
        (path,) = simulate(tmp_path, characters="十刁", writers=range(1, 2), seed=0, strokes=DRAWN)
        contents.append(path.read_bytes())
    assert contents[0] == contents[1]


def test_a_folder_with_other_gnt_files_is_refused(tmp_path: Path) -> None:
    simulate(tmp_path, characters="十", writers=range(1, 4), seed=0, strokes=DRAWN)
    with pytest.raises(InputError, match=r"other files \(1\), such as 003-f"):
        simulate(tmp_path, characters="十", writers=range(1, 3), seed=0, strokes=DRAWN)


def test_stop_ends_between_writers(tmp_path: Path) -> None:
    answers = iter([True])
    files = simulate(
        tmp_path,
        characters="十",
        writers=range(1, 9),
        seed=0,
        strokes=DRAWN,
        control=Control(stop=lambda: next(answers)),
    )
    assert [path.name for path in tmp_path.glob("*.gnt")] == ["001-f.gnt"]
    assert [path.name for path in files] == ["001-f.gnt"]


def test_several_processes_write_the_same_files(tmp_path: Path) -> None:
    kept = []
    for workers in (1, 2):
        seen: list[float] = []
        files = simulate(
            tmp_path / str(workers),
            characters="十刁",
            writers=range(1, 6),
            seed=0,
            strokes=DRAWN,
            workers=workers,
            control=Control(progress=lambda done, total, _, seen=seen: seen.append(done)),
        )
        assert seen == [2, 4, 6, 8, 10]
        kept.append([(path.name, path.read_bytes()) for path in files])
    assert kept[0] == kept[1]
    assert len(kept[0]) == 5


class _Fatal(dict):  # type: ignore[type-arg]
    """Strokes that end the process that draws them."""

    def __getitem__(self, character: str) -> object:
        os._exit(9)


class Fatal(Drawn):
    def read(self, characters: Set[str]) -> dict[str, Strokes]:
        return _Fatal()


def test_a_process_that_ends_is_told(tmp_path: Path) -> None:
    with pytest.raises(HwgenError, match=r"died.*--workers 1"):
        simulate(tmp_path, characters="十", writers=range(1, 4), seed=0, strokes=Fatal(), workers=2)
    assert not list(tmp_path.glob("*.gnt"))


def test_characters_without_strokes_leave_nothing(tmp_path: Path) -> None:
    with pytest.raises(CharsetError, match="a test has no strokes for 1 of 2 characters: 你"):
        simulate(tmp_path / "set", characters="十你", writers=range(1, 2), seed=0, strokes=DRAWN)
    assert not (tmp_path / "set").exists()


def write(out: Path, writers: int = 2, seed: int = 0) -> list[Path]:
    return simulate(out, characters="十", writers=range(1, writers + 1), seed=seed, strokes=DRAWN)


@pytest.mark.parametrize("marked", [False, True])
@pytest.mark.parametrize("name", ["001-f.gnt", "1001-f.gnt", "NOTICE.txt", "notes", ".export.json"])
def test_a_users_files_are_refused_and_untouched(name: str, marked: bool, tmp_path: Path) -> None:
    if marked:
        write(tmp_path)
    (tmp_path / name).write_text('{"mine": 1}')
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(InputError, match=r"contains other files|differs from what"):
        write(tmp_path)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_real_scans_below_are_refused(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    with pytest.raises(InputError, match=r"other files \(1\), such as real"):
        write(tmp_path)


def test_an_interrupted_simulation_is_completed_and_files_are_not_rewritten(tmp_path: Path) -> None:
    whole = {path.name: path.read_bytes() for path in write(tmp_path / "whole", 3)}
    first = write(tmp_path / "part", 1)[0]
    written = first.stat().st_mtime_ns
    (tmp_path / "part" / ".002-f.gnt.hwgen-tmp").write_text("half")  # by a kill
    assert {p.name: p.read_bytes() for p in write(tmp_path / "part", 3)} == whole
    assert first.stat().st_mtime_ns == written
    assert {path.name for path in (tmp_path / "part").iterdir()} == {
        *whole,
        ".export.json",
        "NOTICE.txt",
    }


def test_another_simulation_is_not_replaced(tmp_path: Path) -> None:
    before = write(tmp_path / "set")[0].read_bytes()
    with pytest.raises(RecipeChangedError, match="seed: 0 -> 1"):
        write(tmp_path / "set", seed=1)
    with pytest.raises(RecipeChangedError, match="characters: 1 -> 2"):
        simulate(tmp_path / "set", characters="十刁", writers=range(1, 3), seed=0, strokes=DRAWN)
    assert (tmp_path / "set" / "001-f.gnt").read_bytes() == before


def test_empty_folders_links_and_the_current_folder_are_filled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("empty", "here"):
        (tmp_path / name).mkdir()
    (tmp_path / "link").symlink_to("empty")
    (tmp_path / "nowhere").symlink_to("gone")
    monkeypatch.chdir(tmp_path / "here")
    for place in (tmp_path / "link", Path()):
        assert [path.exists() for path in write(place)] == [True, True]
    assert len(list((tmp_path / "empty").iterdir())) == 4
    assert {path.name for path in tmp_path.iterdir()} == {"empty", "here", "link", "nowhere"}
    (tmp_path / "file").touch()
    for name in ("nowhere", "file", "x" * 256):
        with pytest.raises(InputError, match=r"cannot be written|is not a folder"):
            write(tmp_path / name)
