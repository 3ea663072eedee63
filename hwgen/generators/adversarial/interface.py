"""What a kind of generator provides, to be trained against a discriminator.

A new kind is a recipe class, a network G, and one AdversarialKind, which it passes to
hwgen.generators.adversarial.training.train.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy.typing as npt
import torch
from torch import Tensor, nn

from hwgen.charset import Charset
from hwgen.data import average_down, to_images, to_tensor
from hwgen.generators.adversarial.discriminator import AnyDiscriminator
from hwgen.generators.adversarial.pretrained import OneDomain
from hwgen.generators.adversarial.recipe import AdversarialRecipe
from hwgen.generators.samplers import Ids
from hwgen.recogniser.feature_maps import FeatureMaps
from hwgen.record import Image
from hwgen.runs import Run
from hwgen.sources.strokes.drawn_labels import draw_labels
from hwgen.store import Store
from hwgen.store.contact_sheets import classes_to_show, sheet_of_store

GRID_ROWS, GRID_COLUMNS = 10, 12
"""Classes, and samples per class, in a grid; variety is measured on them."""


class AdversarialGenerator(nn.Module):
    """G as training sees it.

    Parameters are trained and averaged, buffers are copied to the average, and both are saved. A
    large constant tensor, such as images to start from, should be neither: keep it as a plain
    attribute, share it with copies in __deepcopy__ (the average begins as a copy.deepcopy of G),
    and move it to the device in _apply.
    """

    def forward(
        self, z: Tensor, y: Tensor | None = None, label_weight: float | Tensor = 1.0
    ) -> Tensor:
        """Noise [N, ...] and labels int64 [N] to images [N, C, S, S] in the recipe's range.

        Nothing random may be drawn here.

        Args:
            z: rows of what `sample_noise` returned.
            y: None for an unconditional recipe.
            label_weight: factor of every Φ(y), see hwgen.generators.adversarial.steps.label_weight.
        """
        raise NotImplementedError

    def sample_noise(self, count: int, generator: torch.Generator) -> Tensor:
        """Noise of `count` images, [count, ...], on the generator's device.

        It may draw from `generator` only, so that a step can be repeated and recorded as a CUDA
        graph.
        """
        raise NotImplementedError


class ClassSampler(Protocol):
    """Samples by class and index; sample (seed, class, index) is always the same image."""

    def sample(self, class_ids: npt.ArrayLike, indices: npt.ArrayLike, *, seed: int = 0) -> Image:
        """Class ids [N] and indices [N] to uint8 [N, S, S] or [N, S, S, 3], 255 is paper."""


Build = Callable[[Any, int, FeatureMaps | None], tuple[AdversarialGenerator, AnyDiscriminator]]
"""Makes G and D, see AdversarialKind."""


def real_grid(store: Store, recipe: AdversarialRecipe) -> dict[str, Image]:
    """The sheet "real": records of the classes that `classes_to_show` chooses for grids."""
    sheet = sheet_of_store(store, rows=GRID_ROWS, columns=GRID_COLUMNS)
    smaller = average_down(to_tensor(sheet, torch.device("cpu")), recipe.size)
    return {"real": to_images(smaller)}


@dataclass(frozen=True, kw_only=True)
class AdversarialKind:
    """A kind of generator, as its training sees it.

    The classes of grids and scores are class ids of the sampler. They need not be classes of the
    training store, but then the score that is given to training must know them.

    Attributes:
        name: Run.kind of its runs.
        presets: named recipes; their learning rates are suggested when a run has diverged.
        completed: adds the fields that the JSON of a recipe of an older version lacks.
        build: recipe, number of classes, and the maps that D sees unless it sees pixels, to G and D
            on the CPU, initialised from torch's global seed; it must draw from no other source.
        sampler: of a generator in training, from that generator or its moving average, the recipe,
            the charset of the run, and the device.
        grid_classes: training store and the largest number of classes to the ids of the classes
            that grids show, and whose variety is measured; unconditional runs have none.
        scored_classes: the same for the classes that are scored.
        references: training store and recipe to named sheets, which are written to grids/NAME.png
            when a run begins, to compare the grids with; uint8 [n, S, S(, 3)], GRID_COLUMNS per
            row. Reports show "real".
        also: further stores to train on. Every batch has equally many records of each store, and
            the classes of a store are numbered on after those of the stores before it, also in
            what `build` makes; grids and scores are of the first store.
        records: a store to the numbers of its records to train on; None for all.
        domain: of the run that `init_from` names, to start from; None for all of it.
        begin: writes what belongs to a new run besides weights and grids.
    """

    name: str
    presets: Mapping[str, AdversarialRecipe]
    completed: Callable[[Mapping[str, Any]], Mapping[str, Any]]
    build: Build
    sampler: Callable[[Any, Any, Charset, torch.device], ClassSampler]
    grid_classes: Callable[[Store, int], Ids] = classes_to_show
    scored_classes: Callable[[Store, int], Ids] = classes_to_show
    references: Callable[[Store, Any], Mapping[str, Image]] = real_grid
    also: Sequence[Store] = ()
    records: Callable[[Store], Ids | None] = lambda store: None
    domain: OneDomain | None = None
    begin: Callable[[Run], None] = lambda run: None


def grid_labels(
    kind: AdversarialKind, store: Store, recipe: AdversarialRecipe, charset: Charset
) -> Image | None:
    """Images of the labels of the rows of a grid, see `save_sheet`; None for unconditional runs."""
    if not recipe.conditional:
        return None
    shown = kind.grid_classes(store, GRID_ROWS).tolist()
    return draw_labels([charset[number] for number in shown], recipe.size)
