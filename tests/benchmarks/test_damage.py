import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks import damage
from hwgen.charset import gb2312_level1
from hwgen.sources.gnt import encode_record


def records(count: int) -> list[bytes]:
    rng = np.random.default_rng(5)
    labels = gb2312_level1().labels
    return [
        encode_record(
            labels[int(rng.integers(len(labels)))],
            rng.choice([0, 40, 255, 255, 255], tuple(rng.integers(8, 40, 2))).astype(np.uint8),
        )
        for _ in range(count)
    ]


@pytest.mark.parametrize("kind", [*damage.KINDS, damage.MIXED])
def test_one_per_cent_damaged_costs_less_than_one_per_cent_of_the_rest(kind: str) -> None:
    intact = records(2000)
    damaged = damage.damage(intact, kind, 0.01, np.random.default_rng(1))
    assert len(damaged.damaged) == 20
    row = damage.measure(intact, damaged)
    assert row["intact read, share"] >= 0.99
    assert row["wrong read"] == 0
    assert row["damaged places named"] == 20
    assert row["bytes unaccounted"] == 0


def test_measure_counts_records_that_are_read_wrong() -> None:
    intact = records(10)
    damaged = damage.damage(intact, "tag", 0.1, np.random.default_rng(1))
    other = [intact[0]] * 10
    row = damage.measure(other, damaged)
    assert row["wrong read"] >= 8


def test_the_command_writes_a_result(tmp_path: Path) -> None:
    gnt = tmp_path / "001-f.gnt"
    gnt.write_bytes(b"".join(records(100)))
    damage.main([str(gnt), "--out", str(tmp_path / "out"), "--seeds", "1"])
    result = json.loads((tmp_path / "out" / "result.json").read_text())
    assert set(result["results"]) == {*damage.KINDS, damage.MIXED}
    assert result["command"] == "python -m benchmarks.damage 001-f.gnt --out out --seeds 1"
    assert str(tmp_path) not in json.dumps(result)


def test_a_damaged_input_is_refused(tmp_path: Path) -> None:
    gnt = tmp_path / "001-f.gnt"
    gnt.write_bytes(b"".join(records(3)) + b"rest")
    with pytest.raises(SystemExit, match="expected an undamaged file"):
        damage.load(gnt)
