import json
from pathlib import Path

import pytest

from benchmarks import joined_lifts
from hwgen.sources.pot import encode_trajectory
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
