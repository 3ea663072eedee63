"""docs/guarantees.md names existing tests and the bounds of the code."""

import ast
import re
from pathlib import Path

import pytest

from hwgen import charset
from hwgen.io import json_files, zips
from hwgen.schema import MAX_KERNEL, MAX_SIZE, MAX_STAGES, MAX_WIDTH
from hwgen.sources import gnt
from hwgen.store import layout

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "guarantees.md").read_text(encoding="utf-8")
ROWS = [line for line in PAGE.splitlines() if line.startswith("| ")]
NAMED = re.findall(r"`(tests/[^`:]+)::(\w+)`", PAGE)


@pytest.mark.parametrize(("file", "name"), NAMED, ids=lambda part: part)
def test_a_named_test_exists(file: str, name: str) -> None:
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_every_guarantee_names_a_test() -> None:
    guarantees = [row for row in ROWS if not row.endswith("shown by |")]
    assert len(guarantees) > 40
    assert [row for row in guarantees if "`tests/" not in row] == []


@pytest.mark.parametrize(
    "bound",
    [
        gnt.MAX_PIXELS,
        zips.MAX_RATIO,
        charset.MAX_CLASSES,
        charset.MAX_LABEL_LENGTH,
        MAX_WIDTH,
        MAX_SIZE,
        MAX_KERNEL,
        MAX_STAGES,
        layout.MAX_SIZE,
        json_files.MAX_JSON_BYTES >> 20,
        zips.ALWAYS_BYTES >> 30,
    ],
)
def test_bounds_are_those_of_the_code(bound: int) -> None:
    assert re.search(rf"\b{bound:,}\b", PAGE)
