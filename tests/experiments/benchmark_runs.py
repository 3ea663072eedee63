"""Benchmarks of toy recognisers on the CPU."""

from pathlib import Path
from typing import Any

import torch

from hwgen.experiments.benchmark import benchmark
from hwgen.recogniser.network import RecogniserRecipe
from hwgen.results.benchmark import Benchmark
from hwgen.store import Store

CPU = torch.device("cpu")


def run(
    stores: tuple[Store, ...], recipe: RecogniserRecipe, out: Path, **options: Any
) -> dict[str, Any]:
    options = {"seeds": [0, 1], "device": CPU, "precision": "fp32", **options}
    result = benchmark(*stores, recipe=recipe, out=out, **options)
    assert result is not None
    assert Benchmark.load(out) == result
    return result.to_json()
