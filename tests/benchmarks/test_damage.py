import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from hwgen.charset import gb2312_level1
from hwgen.sources.gnt import encode_record

KINDS = ("size field", "tag", "width", "height", "truncated tail", "garbage inserted")


@pytest.fixture(scope="module")
def damage(root: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("damage", root / "benchmarks" / "damage.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["damage"] = module
    spec.loader.exec_module(module)
    return module


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


@pytest.mark.parametrize("kind", [*KINDS, "all six mixed"])
def test_one_per_cent_damaged_costs_less_than_one_per_cent_of_the_rest(
    damage: ModuleType, kind: str
) -> None:
    sound = records(2000)
    damaged = damage.damage(sound, kind, 0.01, np.random.default_rng(1))
    assert len(damaged.hurt) == 20
    row = damage.measure(sound, damaged)
    assert row["intact read, share"] >= 0.99
    assert row["wrong read"] == 0
    assert row["damaged places named"] == 20
    assert row["bytes unaccounted"] == 0


def test_the_measure_notices_records_that_are_read_wrong(damage: ModuleType) -> None:
    sound = records(10)
    damaged = damage.damage(sound, "tag", 0.1, np.random.default_rng(1))
    other = [sound[0]] * 10
    row = damage.measure(other, damaged)
    assert row["wrong read"] >= 8


def test_the_script_writes_numbers(
    damage: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gnt = tmp_path / "001-f.gnt"
    gnt.write_bytes(b"".join(records(100)))
    arguments = ["damage.py", str(gnt), "--out", str(tmp_path / "out"), "--seeds", "1"]
    monkeypatch.setattr(sys, "argv", arguments)
    damage.main()
    result = json.loads((tmp_path / "out" / "result.json").read_text())
    assert set(result["results"]) == {*KINDS, "all six mixed"}
    assert str(tmp_path) not in json.dumps(result)


def test_a_damaged_input_is_refused(damage: ModuleType, tmp_path: Path) -> None:
    gnt = tmp_path / "001-f.gnt"
    gnt.write_bytes(b"".join(records(3)) + b"rest")
    with pytest.raises(SystemExit, match="damaged already"):
        damage.load(gnt)
