"""Samples of a generator in training, and measures of their variety."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from hwgen.compute.devices import autocast
from hwgen.data import average_down, to_images, to_tensor
from hwgen.generators.adversarial.interface import (
    GRID_COLUMNS,
    GRID_ROWS,
    AdversarialGenerator,
    AdversarialKind,
    grid_labels,
)
from hwgen.generators.adversarial.recipe import AdversarialRecipe
from hwgen.generators.samplers import Ids
from hwgen.imaging.contact_sheets import evenly_spaced
from hwgen.imaging.pixel_deviation import SAMPLES, evenly_spaced_records, pixel_deviation
from hwgen.record import Image
from hwgen.runs import Run
from hwgen.store import Store
from hwgen.store.contact_sheets import classes_to_show

SCORED_CLASSES, SCORED_SAMPLES = 200, 20
"""Largest number of classes that are scored, and samples per class."""

Score = Callable[[Image, Ids], Mapping[str, float | str]]
"""Scores samples: uint8 [N, S, S(, 3)] and class ids int64 [N] to named numbers and texts."""


@dataclass(frozen=True)
class Observation:
    """Samples of the averaged generator at fixed noise and labels, with measures.

    Attributes:
        grid: uint8 [n, S, S(, 3)], GRID_COLUMNS per row.
        measures: "deviation", see `deviation`; and what the score gave.
    """

    grid: Image
    measures: Mapping[str, float | str]


class SampleMonitor:
    """Samples from a generator in training and measures the samples.

    Args:
        kind: of generator.
        store: that the generator is trained on.
        recipe: of the run.
        run: its seed and charset.
        device: where the generator is.
        dtype: precision of sampling.
        score: scores samples of conditional runs at snapshots; None for no scores.

    Attributes:
        labels: of the rows of a grid, see `grid_labels`.
        real_deviation: `deviation` of the store's records of the classes of the grids; None if no
            class has two.
    """

    def __init__(
        self,
        kind: AdversarialKind,
        store: Store,
        recipe: AdversarialRecipe,
        run: Run,
        *,
        device: torch.device,
        dtype: torch.dtype,
        score: Score | None = None,
    ) -> None:
        self._kind, self._recipe, self._run = kind, recipe, run
        self._device, self._dtype = device, dtype
        if recipe.conditional:
            self._grid = pairs(kind.grid_classes(store, GRID_ROWS), GRID_COLUMNS)
        else:
            self._grid = pairs([0], GRID_ROWS * GRID_COLUMNS)
        self._scored = pairs(kind.scored_classes(store, SCORED_CLASSES), SCORED_SAMPLES)
        self._score = score if recipe.conditional else None
        self.labels = grid_labels(kind, store, recipe, run.charset)
        self.real_deviation = real_deviation(store, recipe, kind.grid_classes)

    def observe(self, generator: AdversarialGenerator, *, scored: bool) -> Observation:
        """Sample and measure.

        Args:
            generator: usually the moving average.
            scored: whether to score samples, too.
        """
        sampler = self._kind.sampler(generator, self._recipe, self._run.charset, self._device)
        with autocast(self._device, self._dtype):
            grid = sampler.sample(*self._grid, seed=self._run.seed)
        found: dict[str, float | str] = {"deviation": deviation(grid, self._grid[0])}
        if self._score is not None and scored:
            with autocast(self._device, self._dtype):
                samples = sampler.sample(*self._scored, seed=self._run.seed)
            found.update(self._score(samples, self._scored[0]))
        rounded = {k: v if isinstance(v, str) else round(float(v), 5) for k, v in found.items()}
        return Observation(grid, rounded)


def pairs(class_ids: Sequence[int] | Ids, per_class: int) -> tuple[Ids, Ids]:
    """Class ids and indices of the first `per_class` samples of each class."""
    return np.repeat(class_ids, per_class), np.tile(np.arange(per_class), len(class_ids))


def deviation(images: Image, class_ids: Ids) -> float:
    """Mean over the classes of `pixel_deviation`, grey levels.

    Args:
        images: uint8 [N, ...], at least two per class.
        class_ids: int64 [N].
    """
    parts = [pixel_deviation(images[class_ids == one]) for one in np.unique(class_ids)]
    return float(np.mean(parts))


def real_deviation(
    store: Store,
    recipe: AdversarialRecipe,
    grid_classes: Callable[[Store, int], Ids] = classes_to_show,
) -> float | None:
    """`deviation` of a store's records at the recipe's size; None if no class has two.

    Args:
        store: of real images.
        recipe: size, and whether classes are told apart.
        grid_classes: see AdversarialKind.
    """
    if recipe.conditional:
        labels = store.labels
        shown = grid_classes(store, GRID_ROWS).tolist()
        chosen = [evenly_spaced_records(labels, one) for one in shown]
    else:
        chosen = [evenly_spaced(len(store), SAMPLES)]
    parts = []
    for numbers in chosen:
        if len(numbers) > 1:
            images = to_tensor(store.images(numbers), torch.device("cpu"))
            parts.append(pixel_deviation(to_images(average_down(images, recipe.size))))
    return float(np.mean(parts)) if parts else None
