"""Runs of toy nets to test with, and what two of them must have in common."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from hwgen.generators.gan.presets import Recipe
from hwgen.generators.gan.training import train
from hwgen.progress import Control
from hwgen.runs import Run
from hwgen.store import Store


def run_training(
    store: Store,
    out: Path,
    recipe: Recipe,
    *,
    stop: Callable[[], bool] | None = None,
    **options: Any,
) -> Run:
    control = {} if stop is None else {"control": Control(stop=stop)}
    return train(store, out, recipe, device="cpu", precision="fp32", **control, **options)


def stop_after(steps: int) -> Callable[[], bool]:
    left = steps

    def stop() -> bool:
        nonlocal left
        left -= 1
        return left == 0

    return stop


def timeless(log: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A log without what depends on the clock or on being resumed."""
    kept = [entry for entry in log if "began" not in entry]
    return [
        {k: v for k, v in entry.items() if k not in ("seconds", "images_per_second")}
        for entry in kept
    ]


def assert_same_files(a: Path, b: Path) -> None:
    found, expected = load_file(a), load_file(b)
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        assert torch.equal(found[name], tensor), name
