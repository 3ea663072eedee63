"""Training of a refiner: a store and strokes to a run directory."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from hwgen.charset import Charset
from hwgen.compute.distributed import ALONE, Ranks
from hwgen.data import average_down, to_images, to_tensor
from hwgen.errors import InputError
from hwgen.generators.adversarial import training
from hwgen.generators.adversarial.interface import GRID_COLUMNS, GRID_ROWS, AdversarialKind
from hwgen.generators.adversarial.sample_monitor import Score
from hwgen.generators.adversarial.snapshot_writer import OnCollapse
from hwgen.generators.refiner.generator import RefinerGenerator, build
from hwgen.generators.refiner.recipe import PRESETS, RefinerRecipe, completed
from hwgen.generators.refiner.sampling import KIND, RefinerSampler
from hwgen.generators.refiner.simulated import SimulatedSamples, simulate_classes
from hwgen.generators.refiner.stroke_file import FILE, save_strokes
from hwgen.imaging.contact_sheets import evenly_spaced
from hwgen.progress import NO_CONTROL, Control
from hwgen.record import Image
from hwgen.runs import Run
from hwgen.sources.strokes.data import StrokeData, Strokes
from hwgen.store import Store

MIN_CLASSES = 2
"""Smallest number of classes to train on."""

Ids = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Classes:
    """The classes of a training store by their use, class ids int64.

    Attributes:
        trained: with strokes and records, trained on.
        held_out: likewise, but sampled for grids and scores.
        without_strokes: with records but no strokes, left out.
    """

    trained: Ids
    held_out: Ids
    without_strokes: Ids

    @property
    def shown(self) -> Ids:
        """Those of grids and scores: held-out ones, or all where none are held out."""
        return self.held_out if len(self.held_out) else self.trained


def classes_of(store: Store, recipe: RefinerRecipe, known: frozenset[str] | set[str]) -> Classes:
    """Which classes of a store a refiner is trained on.

    Args:
        store: to train on.
        recipe: its fraction `held_out`, evenly spread over the charset.
        known: characters that have strokes.

    Raises:
        InputError: fewer than MIN_CLASSES classes have strokes and records.
    """
    counts = np.array(store.manifest.class_counts)
    filled = np.flatnonzero(counts)
    written = np.array([label in known for label in store.charset], bool)
    usable = filled[written[filled]]
    wanted = min(int(np.ceil(recipe.held_out * len(usable))), len(usable) - MIN_CLASSES)
    if wanted < 0:
        raise InputError(
            f"{len(usable)} of the {len(filled)} classes with records have strokes; a refiner "
            f"needs at least {MIN_CLASSES} to learn from",
            where=str(store.path),
            remedy="Give --strokes of these characters, or a store of other characters",
        )
    held = usable[evenly_spaced(len(usable), wanted)] if wanted else usable[:0]
    return Classes(np.setdiff1d(usable, held), held, filled[~written[filled]])


def train(
    store: Store,
    out: Path,
    recipe: RefinerRecipe,
    *,
    strokes: StrokeData,
    seed: int = 0,
    device: str = "auto",
    precision: str = "auto",
    score: Score | None = None,
    on_collapse: OnCollapse = "stop",
    control: Control = NO_CONTROL,
    ranks: Ranks = ALONE,
    cuda_graphs: bool = False,
) -> Run:
    """Train a recipe on a store, or resume the run that the same call began.

    Args:
        store: labelled real images of at least the recipe's size.
        out: run directory; it gets a copy of all strokes, for sampling any character.
        recipe: see RefinerRecipe; margin and aspect ratio are those of the store.
        strokes: of the store's characters; classes without strokes are not trained on.
        seed: of weights, data order, noise, DiffAugment and the simulated hands.
        device: see hwgen.generators.adversarial.training.train.
        precision: likewise.
        score: likewise; it is given samples of held-out classes.
        on_collapse: likewise.
        control: likewise.
        ranks: likewise.
        cuda_graphs: likewise.

    Raises:
        HwgenError: see hwgen.generators.adversarial.training.train.
        InputError: the strokes cannot be read, or too few classes have strokes.
    """
    known = strokes.characters()
    classes = classes_of(store, recipe, set(known))
    every = strokes.read(set(known))
    recipe = replace(_as_framed(recipe, store), strokes=fingerprint(every, store.charset))
    simulated = simulate_classes(every, store.charset, classes.trained, recipe, seed)
    labels = store.labels

    def begin(run: Run) -> None:
        save_strokes(run.path / FILE, every, strokes.name, strokes.notice)

    def sampler(
        g: RefinerGenerator, recipe: RefinerRecipe, charset: Charset, device: torch.device
    ) -> RefinerSampler:
        return RefinerSampler(g.net, recipe, charset, every, device)

    kind = AdversarialKind(
        name=KIND,
        presets=PRESETS,
        completed=completed,
        build=lambda recipe, count: build(recipe, count, simulated),
        sampler=sampler,
        grid_classes=lambda _, most: _spread(classes.shown, most),
        scored_classes=lambda _, most: _spread(classes.shown, most),
        references=lambda store, recipe: references(store, recipe, classes.shown, every, seed),
        records=lambda _: np.flatnonzero(np.isin(labels, classes.trained)),
        begin=begin,
    )
    return training.train(
        kind,
        store,
        out,
        recipe,
        seed=seed,
        device=device,
        precision=precision,
        score=score,
        on_collapse=on_collapse,
        control=control,
        ranks=ranks,
        cuda_graphs=cuda_graphs,
    )


def references(
    store: Store,
    recipe: RefinerRecipe,
    class_ids: Ids,
    strokes: Mapping[str, Strokes],
    seed: int,
) -> dict[str, Image]:
    """Sheets of the grid's classes: "real" records, and the "simulated" images that G starts from.

    Returns:
        Names and uint8 [rows * GRID_COLUMNS, S, S]; a class with fewer records repeats them.
    """
    rows = _spread(class_ids, GRID_ROWS)
    labels = store.labels
    records = [
        np.resize(np.flatnonzero(labels == number), GRID_COLUMNS) for number in rows.tolist()
    ]
    stored = to_tensor(store.images(np.concatenate(records)), torch.device("cpu"))
    real = to_images(average_down(stored, recipe.size))
    ids, indices = np.repeat(rows, GRID_COLUMNS), np.tile(np.arange(GRID_COLUMNS), len(rows))
    start = SimulatedSamples(store.charset, strokes, recipe.framing)
    return {"real": real, "simulated": start.images(ids, indices, seed)}


def fingerprint(strokes: Mapping[str, Strokes], labels: Sequence[str] | Charset) -> str:
    """16 hex digits of the strokes of some labels, different for other strokes."""
    digest = hashlib.sha256()
    for label in labels:
        for line in strokes.get(label, ()):
            digest.update(label.encode())
            digest.update(line.astype(np.float32).tobytes())
    return digest.hexdigest()[:16]


def _as_framed(recipe: RefinerRecipe, store: Store) -> RefinerRecipe:
    """The recipe with the margin and aspect ratio of the store's images."""
    framing = store.manifest.origin.get("framing", {})
    if recipe.margin != -1 or not isinstance(framing, dict):
        return recipe
    stretch, margin = framing.get("stretch") is True, framing.get("margin")
    if stretch or not isinstance(margin, int):
        return replace(recipe, stretch=stretch)
    return replace(recipe, margin=round(margin * recipe.size / store.size))


def _spread(class_ids: Ids, most: int) -> Ids:
    return class_ids[evenly_spaced(len(class_ids), min(most, len(class_ids)))]
