"""In: samples of a generator in training, and the log so far. Out: numbers, and what collapsed.

What was logged is the only memory, so that a resumed run judges as an uninterrupted one.

The rules were chosen on the logs of 30 runs (benchmarks/results/glyph-ablation-*, gpu-runs-*). Two
of them went bad: z was ignored from the start (variety 6 to 14 % of the real one), or ever more
(from 70 % to 17 %); both are told, and none of the others, whose variety was 36 % or more at every
snapshot. D's outputs are no sign: they saturate (means 0.97 apart, of 1) early in some of the best.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from hwgen.compute.devices import autocast
from hwgen.data import average_down, to_images, to_tensor
from hwgen.generators.gan.networks import Generator
from hwgen.generators.gan.presets import Recipe
from hwgen.generators.gan.sampling import Sampler
from hwgen.imaging.contact_sheets import evenly_spaced
from hwgen.imaging.pixel_deviation import SAMPLES, evenly_spaced_records, pixel_deviation
from hwgen.record import Image
from hwgen.runs import Run
from hwgen.store import Store
from hwgen.store.contact_sheets import classes_to_show

GRID_ROWS, GRID_COLUMNS = 10, 12
"""Classes, and samples of each, in a grid; variety is measured on them."""

SCORED_CLASSES, SCORED_SAMPLES = 200, 20
"""Most classes that are scored, evenly spread over the charset, and samples of each."""

LEAST_OF_BEST = 1 / 3
"""Least variety, as a share of the best before, or of the real one where that is less."""

LEAST_OF_REAL, YOUNG = 0.15, 0.25
"""Least variety, as a share of the real one, after this share of the run: it may start small."""

LEAST_PURITY, MUCH_PURITY = 0.5, 0.2
"""Least purity, as a share of the best before, where that was more than chance would do."""

BEYOND_MEASURE = 1e9
"""A loss, an output of D, a penalty or the size of a network above it has diverged.

Of 210 logs and 76 checkpoints, of all kinds of losses and presets, the largest size of a run that
did not diverge was 1.4e3, and the largest mean loss 2.8e4, of 50 steps with ten times the rate of
glyph-32, after which the run came to itself: a single step of it was 1.4e6 at most. One that did
diverge was at 4e23 in its first 50 steps.
"""

Ids = npt.NDArray[np.int64]

Score = Callable[[Image, Ids], Mapping[str, float | str]]
"""Judges samples: uint8 [N, S, S(, 3)] and class ids int64 [N] to named numbers and texts."""


@dataclass(frozen=True)
class Examination:
    """What the average generator draws at fixed z and labels, and numbers of it.

    Attributes:
        grid: GRID_COLUMNS a row, uint8 [n, S, S(, 3)].
        found: "deviation", see `deviation`; and what the score gave.
    """

    grid: Image
    found: Mapping[str, float | str]


class Examiner:
    """Draws from a generator and measures what it drew.

    Args:
        store: that the generator learns from.
        recipe: of the run.
        run: its seed and charset.
        device: where the generator is.
        dtype: precision of drawing.

    Attributes:
        real: deviation of the store's records, grey levels; None where no class has two.
    """

    def __init__(
        self, store: Store, recipe: Recipe, run: Run, device: torch.device, dtype: torch.dtype
    ) -> None:
        self._recipe, self._run, self._device, self._dtype = recipe, run, device, dtype
        if recipe.conditional:
            self._shown = pairs(classes_to_show(store, GRID_ROWS), GRID_COLUMNS)
        else:
            self._shown = pairs([0], GRID_ROWS * GRID_COLUMNS)
        self._scored = pairs(classes_to_show(store, SCORED_CLASSES), SCORED_SAMPLES)
        self.real = real_deviation(store, recipe)

    def examine(self, generator: Generator, score: Score | None) -> Examination:
        """Draw and measure; a score is asked of conditional runs only."""
        sampler = Sampler(generator, self._recipe, self._run.charset, self._device)
        with autocast(self._device, self._dtype):
            grid = sampler.sample(*self._shown, seed=self._run.seed)
        found: dict[str, float | str] = {"deviation": deviation(grid, self._shown[0])}
        if score is not None and self._recipe.conditional:
            with autocast(self._device, self._dtype):
                samples = sampler.sample(*self._scored, seed=self._run.seed)
            found.update(score(samples, self._scored[0]))
        rounded = {k: v if isinstance(v, str) else round(float(v), 5) for k, v in found.items()}
        return Examination(grid, rounded)


def pairs(class_ids: Sequence[int] | Ids, per_class: int) -> tuple[Ids, Ids]:
    """Class ids and indices of the first `per_class` samples of each class."""
    return np.repeat(class_ids, per_class), np.tile(np.arange(per_class), len(class_ids))


def deviation(images: Image, class_ids: Ids) -> float:
    """Mean over the classes of `pixel_deviation`, grey levels.

    Args:
        images: uint8 [N, ...], at least two of each class.
        class_ids: int64 [N].
    """
    parts = [pixel_deviation(images[class_ids == one]) for one in np.unique(class_ids)]
    return float(np.mean(parts))


def real_deviation(store: Store, recipe: Recipe) -> float | None:
    """The same of a store's records at the recipe's size; None where no class has two."""
    if recipe.conditional:
        labels = store.labels
        chosen = [
            evenly_spaced_records(labels, one) for one in classes_to_show(store, GRID_ROWS).tolist()
        ]
    else:
        chosen = [evenly_spaced(len(store), SAMPLES)]
    parts = []
    for numbers in chosen:
        if len(numbers) > 1:
            images = to_tensor(store.images(numbers), torch.device("cpu"))
            parts.append(pixel_deviation(to_images(average_down(images, recipe.size))))
    return float(np.mean(parts)) if parts else None


def size(tensors: Iterable[Tensor]) -> float:
    """Norm of all weights and statistics of a network together."""
    return float(torch.nn.utils.get_total_norm([t for t in tensors if t.is_floating_point()]))


def diverged(numbers: Mapping[str, float]) -> str:
    """Which of these have diverged, in words; empty where none has.

    Args:
        numbers: losses, outputs of D, penalties or sizes, by name.
    """
    wrong = [name for name, value in numbers.items() if not math.isfinite(value)]
    if wrong:
        return f"{', '.join(wrong)} {'is' if len(wrong) == 1 else 'are'} no longer finite"
    large = [f"{k} is {v:.1e}" for k, v in numbers.items() if abs(v) > BEYOND_MEASURE]
    return f"{', '.join(large)}, and no sound run comes to {BEYOND_MEASURE:.0e}" if large else ""


def collapse(
    found: Mapping[str, Any],
    before: Sequence[Mapping[str, Any]],
    *,
    real: float | None,
    done: float,
) -> str:
    """What has collapsed, in words; empty where nothing has.

    Args:
        found: of an examination.
        before: the run's log.
        real: deviation of real records, grey levels, where it is known.
        done: share of the run that is over, 0 to 1.
    """
    now = found["deviation"]
    best = max((entry["deviation"] for entry in before if "deviation" in entry), default=0.0)
    if now < LEAST_OF_BEST * min(best, best if real is None else real):
        return (
            f"the samples of a class have become alike: they differ by {now:.1f} grey levels, "
            f"and by {best:.1f} at the best snapshot"
        )
    if real is not None and done >= YOUNG and now < LEAST_OF_REAL * real:
        return (
            f"the samples of a class are alike: they differ by {now:.1f} grey levels, and real "
            f"ones by {real:.1f}"
        )
    if "purity" in found:
        same_reader = [
            entry["purity"]
            for entry in before
            if "purity" in entry and entry.get("recogniser") == found.get("recogniser")
        ]
        purest = max(same_reader, default=0.0)
        if purest > MUCH_PURITY and found["purity"] < LEAST_PURITY * purest:
            return (
                f"the samples are not legible any more: {found['purity']:.1%} are read as their "
                f"label, and {purest:.1%} were"
            )
    return ""


def good_snapshots(log: Sequence[Mapping[str, Any]], *, real: float | None) -> list[int]:
    """Images of the logged snapshots that had not collapsed, oldest first.

    A young one, too, must have variety: it may start small, but is not good until it has grown.

    Args:
        log: a run's.
        real: deviation of real records, grey levels, where it is known.
    """
    seen = [entry for entry in log if "deviation" in entry]
    return [
        found["images"]
        for n, found in enumerate(seen)
        if not collapse(found, seen[:n], real=real, done=1.0)
    ]
