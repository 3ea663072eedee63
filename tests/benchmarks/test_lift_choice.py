import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks import lift_choice
from hwgen.charset import Charset
from hwgen.record import Record
from hwgen.store import StoreWriter


@pytest.fixture(autouse=True)
def _one_thread(one_thread: None) -> None:
    """Toy nets are quickest on one thread."""


def make_store(path: Path, count: int, seed: int) -> Path:
    rng = np.random.default_rng(seed)
    with StoreWriter(path, size=32, recipe={}) as writer:
        for label in "一丨":
            for index in range(count):
                image = rng.integers(200, 256, (32, 32), np.uint8)
                image[:: "一丨".index(label) + 2] = 0
                writer.add(Record(image, label, "", path.name, index))
        writer.finish(charset=Charset(tuple("一丨")), origin={"kind": "gnt"})
    return path


def test_every_variant_is_judged_on_held_out_samples(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    some = ("classical, chosen", "chosen", "25 per class")
    train, test = make_store(tmp_path / "train", 9, 0), make_store(tmp_path / "test", 2, 1)
    out = tmp_path / "out"
    lift_choice.main(
        [
            *("--train", str(train), "--test", str(test), "--out", str(out)),
            *("--device", "cpu", "--quick", "--only", *some),
        ]
    )
    result = json.loads((out / "choice.json").read_text("utf-8"))
    assert result["command"].startswith("python -m benchmarks.lift_choice --train train ")
    found = result["rows"]
    assert [one["name"] for one in found] == list(some)
    assert [one["amount"] for one in found] == [0, 4, 4]
    assert [one["count"] for one in found] == [3, 3, 3]
    held_out = tmp_path / "out.work" / "00" / "draws" / "held-out.store"
    assert held_out.is_dir()
    assert len({one["decides"]["judged_on"] for one in found}) == 1
    lines = (out / "choice.md").read_text("utf-8").splitlines()
    assert len(lines) == 2 + len(some)
    assert f"{100 * found[1]['mean']:.1f} (" in lines[3]
    assert str(tmp_path) not in (out / "choice.json").read_text("utf-8")
    assert "25 per class: " in capsys.readouterr().out


def test_all_is_a_valid_count(tmp_path: Path) -> None:
    train, test = make_store(tmp_path / "train", 9, 0), make_store(tmp_path / "test", 2, 1)
    given = ["--train", str(train), "--test", str(test), "--out", str(tmp_path / "out")]
    toy = ["--device", "cpu", "--quick", "--count", "all", "--only", "classical, chosen"]
    lift_choice.main([*given, *toy])
    (found,) = json.loads((tmp_path / "out" / "choice.json").read_text("utf-8"))["rows"]
    assert found["count"] == "all"
    assert found["facts"]["pictures"] == [2 * 6]  # a third of each class is held out
