import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest

from hwgen.errors import InputError
from hwgen.evaluation.settings import Settings
from hwgen.experiments.lift.plan import Experiment
from hwgen.exports.export import export_store
from hwgen.exports.records import Shards
from hwgen.exports.selection import Selection
from hwgen.generators.gan.presets import Recipe
from hwgen.generators.gan.training import train
from hwgen.generators.samplers import Sampler
from hwgen.imaging.ink import Ink
from hwgen.io.json_files import parse_json, read_json, write_json
from hwgen.prepare import PrepareOptions
from hwgen.recogniser.network import RecogniserRecipe
from hwgen.schema import check_numbers, check_seed, from_json
from hwgen.sources.simulation.gnt_folder import simulate
from hwgen.sources.writer_selection import WriterSelection
from hwgen.store import Store
from hwgen.study.page import write_study
from hwgen.synthesis.synthesize import synthesize
from tests.strokes import Drawn

LARGEST = 2**63 - 1
TOO_LARGE = (2**63, 2**64 - 1, -(2**63), 10**9000, math.nan, math.inf, -math.inf)


@dataclass(frozen=True)
class Nested:
    numbers: tuple[float, ...] = (1.0,)
    by_name: Any = None


@pytest.mark.parametrize("number", [0, -1, LARGEST, -LARGEST, 1e18, True])
def test_what_passes_can_be_read_again(number: float) -> None:
    check_numbers(Nested((number,), {"a": [number, "text", None]}), "nested")
    assert from_json(int, parse_json(json.dumps(int(number))), "x") == number


@pytest.mark.parametrize("number", TOO_LARGE, ids=range(len(TOO_LARGE)))
def test_numbers_that_could_not_be_read_are_named(number: float) -> None:
    for value, place in (
        (Nested((1, number)), r"nested\.numbers\[1\]"),
        (Nested(by_name={"a": [number]}), r"nested\.by_name\.a\[0\]"),
    ):
        with pytest.raises(InputError, match=f"{place} should be a finite number below 2"):
            check_numbers(value, "nested")


@pytest.mark.parametrize("seed", [-1, *TOO_LARGE], ids=range(-1, len(TOO_LARGE)))
def test_impossible_seeds_are_refused(seed: int) -> None:
    with pytest.raises(InputError, match="the seed should be"):
        check_seed(seed)
    check_seed(LARGEST)


def test_nothing_is_written_that_could_not_be_read(tmp_path: Path) -> None:
    file = tmp_path / "x.json"
    write_json(file, {"seed": LARGEST})
    for value in ({"seed": 2**63}, [-(2**63) - 1], json.loads("[" * 200 + "]" * 200)):
        with pytest.raises(InputError, match=r"x\.json: cannot be written"):
            write_json(file, value)
    assert read_json(file) == {"seed": LARGEST}


@pytest.mark.parametrize("seed", [-1, 2**63, 2**64 - 1])
def test_no_function_begins_with_a_seed_that_it_could_not_read(
    tmp_path: Path, toy_store: Store, toy_recipe: Recipe, seed: int
) -> None:
    out = tmp_path / "out"
    calls: list[Callable[[], object]] = [
        lambda: train(toy_store, out, toy_recipe, seed=seed, device="cpu"),
        lambda: synthesize(cast(Sampler, None), out, per_class=1, seed=seed),
        lambda: export_store(toy_store, "folder", out, selection=Selection(split_seed=seed)),
        lambda: WriterSelection(seed=seed),
        lambda: Settings(RecogniserRecipe(), seed=seed),
        lambda: simulate(out, characters="十", writers=range(1, 2), seed=seed, strokes=Drawn()),
        lambda: write_study(toy_store.path, toy_store.path, out, seed=seed),
        lambda: Ink(seed=seed),
    ]
    for call in calls:
        with pytest.raises(InputError, match="seed"):
            call()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("number", [2**63, 2**64])
def test_settings_beyond_64_bits_are_refused(number: int) -> None:
    makers: list[Callable[[], object]] = [
        lambda: PrepareOptions(limit=number),
        lambda: PrepareOptions(workers=number),
        lambda: Shards(records=number),
        lambda: Experiment(real_per_class=(number,)),
        lambda: Experiment(synthetic_per_class=(number,)),
        lambda: Experiment(trials=number),
        lambda: Experiment(strong_epochs=math.nan),
        lambda: RecogniserRecipe(steps=number),
        lambda: RecogniserRecipe(lr=math.inf),
        lambda: Settings(RecogniserRecipe(), samples=number),
        lambda: Selection(split=(("a", math.nan),)),
    ]
    for make in makers:
        with pytest.raises(InputError, match="should be a finite number below"):
            make()
