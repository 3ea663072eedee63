import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hwgen.compute.tensor_files import load_tensors, save_tensors
from hwgen.errors import CharsetError, RunError
from hwgen.generators.refiner.stroke_file import FILE, StoredStrokes, save_strokes
from hwgen.sources.strokes.rounding import fingerprint, rounded
from tests.generators.refiner.toy import TOY_STROKES, ToyStrokes


@pytest.fixture
def file(tmp_path: Path) -> Path:
    save_strokes(tmp_path / FILE, TOY_STROKES, "a toy", "under a licence")
    return tmp_path / FILE


def test_strokes_come_back_to_a_256th_of_a_unit(file: Path) -> None:
    stored = StoredStrokes(file)
    assert (stored.name, stored.notice) == ("a toy", "under a licence")
    assert set(stored.characters()) == TOY_STROKES.keys()
    found, expected = stored.load("口十"), rounded(TOY_STROKES)
    assert list(found) == ["口", "十"] or set(found) == {"口", "十"}
    for label, lines in found.items():
        assert len(lines) == len(TOY_STROKES[label])
        for line, exact, original in zip(lines, expected[label], TOY_STROKES[label], strict=True):
            np.testing.assert_array_equal(line, exact)
            np.testing.assert_allclose(line, original, atol=1 / 512)
    with pytest.raises(CharsetError, match="a toy has no strokes for 1 of 2 characters: 龘"):
        stored.load("十龘")


def test_no_strokes_are_a_file_too(tmp_path: Path) -> None:
    save_strokes(tmp_path / FILE, {}, "nothing", "")
    assert not StoredStrokes(tmp_path / FILE).characters()


def test_a_fingerprint_is_of_the_strokes_as_stored(file: Path) -> None:
    whole = fingerprint(TOY_STROKES, "一十")
    assert whole == fingerprint(StoredStrokes(file).load("一十"), "一十")
    assert whole == fingerprint({**TOY_STROKES, "丨": ()}, "一十")
    nearly = {**TOY_STROKES, "一": (TOY_STROKES["一"][0] + 0.01,)}
    split = {**TOY_STROKES, "一": (TOY_STROKES["一"][0][:2], TOY_STROKES["一"][0][2:])}
    without = {"十": TOY_STROKES["十"]}
    others = [fingerprint(strokes, "一十") for strokes in (nearly, split, without)]
    assert len({whole, *others}) == 4


FORGERIES: dict[str, tuple[dict[str, Any], dict[str, str]]] = {
    "foreign format": ({}, {"format": "hwgen-model"}),
    "labels no list": ({}, {"labels": '{"一": 1}'}),
    "labels no JSON": ({}, {"labels": "["}),
    "labels deep": ({}, {"labels": "[" * 100_000}),
    "labels of numbers": ({}, {"labels": "[1, 2, 3, 4, 5, 6]"}),
    "labels repeated": ({}, {"labels": json.dumps(["一"] * 6)}),
    "an empty label": ({}, {"labels": json.dumps(["", "a", "b", "c", "d", "e"])}),
    "a long label": ({}, {"labels": json.dumps(["x" * 1_000_000, "a", "b", "c", "d", "e"])}),
    "too few labels": ({}, {"labels": json.dumps(["一"])}),
    "points of floats": ({"points": torch.zeros(23, 2)}, {}),
    "points of bfloat16": ({"points": torch.zeros(23, 2, dtype=torch.bfloat16)}, {}),
    "points flat": ({"points": torch.zeros(46, dtype=torch.int16)}, {}),
    "no points": ({"points": torch.zeros(0, 2, dtype=torch.int16)}, {}),
    "negative lengths": ({"lengths": torch.tensor([-3, 5], dtype=torch.int32)}, {}),
    "huge lengths": ({"lengths": torch.full((9,), 2**31 - 1, dtype=torch.int32)}, {}),
    "lengths of floats": ({"lengths": torch.full((9,), float("nan"))}, {}),
    "lengths of bool": ({"lengths": torch.ones(9, dtype=torch.bool)}, {}),
    "a scalar": ({"lengths": torch.tensor(3, dtype=torch.int32)}, {}),
    "zero strokes": ({"counts": torch.zeros(6, dtype=torch.int32)}, {}),
    "huge counts": ({"counts": torch.full((6,), 10**9, dtype=torch.int32)}, {}),
    "counts of another file": ({"counts": torch.ones(6, dtype=torch.int32)}, {}),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_forged_files_are_refused(file: Path, name: str) -> None:
    tensors, texts = load_tensors(file)
    tensors_instead, texts_instead = FORGERIES[name]
    save_tensors(file, {**tensors, **tensors_instead}, {**texts, **texts_instead})
    with pytest.raises(RunError, match=r"is not a file of strokes"):
        StoredStrokes(file)


@pytest.mark.parametrize("missing", ["points", "lengths", "counts", "labels", "format"])
def test_files_with_parts_missing_are_refused(file: Path, missing: str) -> None:
    tensors, texts = load_tensors(file)
    for part in (tensors, texts):
        part.pop(missing, None)  # type: ignore[attr-defined]
    save_tensors(file, tensors, texts)
    with pytest.raises(RunError, match=r"is not a file of strokes"):
        StoredStrokes(file)


def test_missing_short_and_other_files_are_refused(file: Path, tmp_path: Path) -> None:
    content = file.read_bytes()
    for cut in (0, 5, 100, len(content) - 3):
        file.write_bytes(content[:cut])
        with pytest.raises(RunError, match="is not a readable safetensors file"):
            StoredStrokes(file)
    with pytest.raises(RunError, match="no such"):
        StoredStrokes(tmp_path / "none.safetensors")


def test_long_texts_are_cut_and_missing_ones_have_a_default(file: Path) -> None:
    tensors, texts = load_tensors(file)
    save_tensors(file, tensors, {**texts, "name": "n" * 10_000, "notice": "x" * 1_000_000})
    stored = StoredStrokes(file)
    assert len(stored.name) <= 64
    assert len(stored.notice) <= 4_000
    del texts["name"], texts["notice"]
    save_tensors(file, tensors, texts)
    assert StoredStrokes(file).name == "this file"


def test_a_character_outside_the_box_is_cut_off_at_the_files_range(tmp_path: Path) -> None:
    far = {"遠": (np.array([[-1e9, 1e9], [1e9, 0]]),)}
    save_strokes(tmp_path / FILE, far, "", "")
    line = StoredStrokes(tmp_path / FILE).load("遠")["遠"][0]
    np.testing.assert_allclose(line, [[-128, 128], [128, 0]], atol=1 / 128)
    assert ToyStrokes(far).read({"遠"})
