import json
from pathlib import Path

import pytest

from benchmarks import encodings


def test_a_gap_decides_between_recognised_and_refused() -> None:
    assert encodings.margin(["一"], "gb18030")[1] < encodings.MIN_GAP
    is_right, gap = encodings.margin(encodings.WORDS.split(), "gb18030")
    assert is_right
    assert gap > 100


def test_rows_have_percentages_per_number_of_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "GBK: words"
    monkeypatch.setattr(encodings, "SETS", {name: encodings.SETS[name]})
    encodings.main(["--out", str(tmp_path), "--repeats", "4", "--gaps", "0", "8"])
    result = json.loads((tmp_path / "encodings.json").read_text("utf-8"))
    cells = result["recognised_refused_mistaken_percent"][name]
    assert len(cells) == len(encodings.COUNTS)
    assert cells[3] == "100/0/0.0, 100/0/0.0"
    assert cells[-1] == ""  # of fewer words
    assert name in (tmp_path / "encodings.md").read_text("utf-8")
