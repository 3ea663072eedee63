import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks import joined_lifts
from hwgen.sources.pot import encode_trajectory
from hwgen.sources.strokes.kanjivg import KanjiVG
from tests.generators.refiner.toy import write_graphics


def test_lines_and_strokes_are_compared(tmp_path: Path) -> None:
    strokes = write_graphics(tmp_path / "graphics.txt")
    line = [(0, 0), (9, 9)]
    pots = tmp_path / "pots"
    pots.mkdir()
    for writer, lines in (("1001", 3), ("1002", 1)):
        (pots / f"{writer}.pot").write_bytes(encode_trajectory("口", [line] * lines))
    out = tmp_path / "joined.json"
    joined_lifts.main(
        [
            *("--pot", str(pots), "--strokes", str(strokes), "--out", str(out)),
            *("--writers", "1001-1002", "--hands", "3", "--every", "1"),
        ]
    )
    found = json.loads(out.read_text(encoding="utf-8"))
    assert found["by_writer"]["real"] == {"1001": 0, "1002": 1}
    assert found["summary"]["real"]["mean"] == pytest.approx(0.5)
    assert all(-1 < value <= 1 for value in found["by_writer"]["simulated"].values())


def test_simulated_writers_join_about_half_of_the_lifts_as_real_ones_do(kanjivg: None) -> None:
    strokes = KanjiVG().load("永国的春秋河湖海")
    found = joined_lifts.joined(joined_lifts.simulated(strokes, 40, seed=0), strokes)
    values = np.array(list(found.values()))
    assert 0.4 < values.mean() < 0.6  # real: 0.45, with a standard deviation of 0.19
    assert 0.1 < values.std() < 0.3
