"""docs/python.md: every line runs, on a tiny store and tiny nets."""

import sys
from dataclasses import replace
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import numpy as np
import pytest
import torch

from hwgen.charset import Charset
from hwgen.generators.gan.presets import Recipe
from hwgen.generators.gan.training import train
from hwgen.recogniser.inference import Recogniser
from hwgen.recogniser.network import RecogniserNetwork, RecogniserRecipe
from hwgen.record import Record
from hwgen.store import Store, StoreWriter
from tests.generators.refiner.toy import (
    TOY_RECIPE,
    TOY_STROKES,
    ToyStrokes,
    run_training,
)
from tests.test_readme import PAGES, blocks

CODE = "\n".join(blocks(PAGES["docs/python.md"], "python"))


def make_inputs(toy_store: Store, toy_recipe: Recipe) -> None:
    """What the page reads, in the current folder."""
    charset = Charset(tuple("永和九年"))
    with StoreWriter(Path("train"), size=16, recipe={}) as writer:
        for position, label in enumerate(charset.labels * 6):
            image = np.full((16, 16), 10 * position, np.uint8)
            writer.add(Record(image, label, writer="", source="", position=position))
        store = writer.finish(charset=charset, origin={"kind": "gnt"})
    options: dict[str, Any] = {"device": "cpu", "precision": "fp32"}
    train(store, Path("runs/first"), replace(toy_recipe, images=8, every=8), **options)
    refiner = replace(TOY_RECIPE, images=8, every=8)
    run_training(toy_store, Path("runs/refiner"), refiner, ToyStrokes(TOY_STROKES))
    recipe = RecogniserRecipe(size=16, widths=((4,), (8,)), hidden=16)
    Path("benchmark").mkdir()
    network = RecogniserNetwork(recipe, len(charset))
    Recogniser(network, recipe, charset).save(Path("benchmark/recogniser-real.safetensors"))


def lines_of(code: CodeType) -> set[int]:
    """Numbers of the lines that have code, also within functions and comprehensions."""
    inner = [lines_of(part) for part in code.co_consts if isinstance(part, CodeType)]
    return {line for _, _, line in code.co_lines() if line}.union(*inner)


def test_every_line_of_the_page_runs(
    toy_store: Store,
    toy_recipe: Recipe,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    one_thread: None,
) -> None:
    pytest.importorskip("torchvision")
    monkeypatch.chdir(tmp_path)
    make_inputs(toy_store, toy_recipe)
    code = compile(CODE, "python.md", "exec")
    seen: set[int] = set()

    def trace(frame: FrameType, event: str, _: object) -> Any:
        if frame.f_code.co_filename != "python.md":
            return None
        seen.add(frame.f_lineno)
        return trace

    names: dict[str, Any] = {}
    before = sys.gettrace()
    sys.settrace(trace)
    try:
        exec(code, names)
    finally:
        sys.settrace(before)

    assert lines_of(code) - seen == set()
    assert names["labels"] == names["recogniser"].predict(
        [names["image"], names["store"][0], names["images"][0]]
    )
    assert names["frames"].shape == (5, 4, 8, 8)
    assert names["x"].shape == (8, 1, 16, 16)
    assert not torch.equal(names["model"](names["x"]), names["scores"])
    printed = capsys.readouterr().out
    assert "Store('train': 24 real images of 4 classes, 16x16 grey)" in printed
    assert "垄" in printed
    assert "refiner, which makes any character that has strokes" in printed
    assert {"grid.png", "store.png"} <= {path.name for path in tmp_path.iterdir()}
