"""Strokes of some characters, for tests without stroke data; and toy runs that use them."""

import json
from collections.abc import Mapping, Set
from dataclasses import replace
from pathlib import Path

import numpy as np

from hwgen.charset import Charset
from hwgen.generators.adversarial.recipe import Stage
from hwgen.generators.refiner.recipe import PRESETS, RefinerRecipe, RefinerSpec
from hwgen.generators.refiner.sampling import RefinerSampler
from hwgen.generators.refiner.training import train
from hwgen.progress import Control
from hwgen.runs import Run
from hwgen.runs.models import Model
from hwgen.runs.snapshots import find_model
from hwgen.sources.strokes.data import StrokeData, Strokes
from hwgen.store import Store
from tests.trainings import stop_after


def _line(*points: tuple[float, float]) -> np.ndarray:
    return np.array(points, np.float64)


_ACROSS = _line((12, 52), (55, 50.003), (97, 48))
_DOWN = _line((54, 10), (55, 60), (54, 100))
TOY_STROKES: dict[str, Strokes] = {
    "一": (_ACROSS,),
    "丨": (_DOWN,),
    "十": (_ACROSS, _DOWN),
    "二": (_line((30, 30), (80, 29)), _line((12, 80), (97, 79))),
    "口": (
        _line((25, 25), (27, 85)),
        _line((25, 25), (84, 24), (82, 84)),
        _line((27, 80), (82, 79)),
    ),
    "刁": (_line((20, 20), (80, 18), (78, 90), (66, 84)), _line((40, 60), (70, 45))),
}

_PRESET = PRESETS["refiner-32"]
TOY_RECIPE = replace(
    _PRESET,
    size=16,
    generator=RefinerSpec(widths=(4, 6), z_dim=5),
    discriminator=replace(
        _PRESET.discriminator, stages=(Stage(4, 4, 2), Stage(6, 4, 2)), hidden=8, recogniser_steps=0
    ),
    hands=3,
    batch=4,
    images=40,
    every=20,
)


class ToyStrokes(StrokeData):
    """Some of these characters."""

    name = "a toy"
    notice = "Drawn for a test, under a licence"

    def __init__(self, strokes: Mapping[str, Strokes]) -> None:
        self.strokes = dict(strokes)

    def characters(self) -> Set[str]:
        return self.strokes.keys()

    def read(self, characters: Set[str]) -> dict[str, Strokes]:
        return {character: self.strokes[character] for character in characters}


def write_graphics(path: Path, labels: str = "一丨十二口刁") -> Path:
    """These characters as a file like graphics.txt of Make Me a Hanzi."""
    lines = []
    for label in labels:
        medians = [
            [[round(x * 1024 / 109), round(900 - y * 1024 / 109)] for x, y in line]
            for line in TOY_STROKES[label]
        ]
        lines.append(json.dumps({"character": label, "medians": medians}) + "\n")
    path.write_text("".join(lines), encoding="utf-8")
    return path


def run_training(
    store: Store,
    out: Path,
    recipe: RefinerRecipe,
    strokes: ToyStrokes,
    *,
    stop: int = 0,
    **options: object,
) -> Run:
    """Train; stop after `stop` steps, if given."""
    control = {"control": Control(stop=stop_after(stop))} if stop else {}
    given = {"device": "cpu", "precision": "fp32", **control, **options}
    return train(store, out, recipe, strokes=strokes, **given)  # type: ignore[arg-type]


def sampler_of(
    run: Run | Model,
    labels: str = "",
    *,
    hand: int | None = None,
    strokes: ToyStrokes | None = None,
) -> RefinerSampler:
    charset = Charset(tuple(labels)) if labels else None
    model = run if isinstance(run, Model) else find_model(run, "last")
    return RefinerSampler.of_model(model, "cpu", charset=charset, strokes=strokes, hand=hand)
