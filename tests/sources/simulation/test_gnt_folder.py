import os
import struct
from collections.abc import Set
from pathlib import Path

import numpy as np
import pytest

from hwgen.errors import CharsetError, HwgenError, InputError
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
    with pytest.raises(InputError, match="1 other GNT files, such as 003-f"):
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
