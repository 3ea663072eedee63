"""Training of a refiner: a store and strokes to a run directory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
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
from hwgen.generators.adversarial.sample_monitor import Score, pairs
from hwgen.generators.adversarial.snapshot_writer import OnCollapse
from hwgen.generators.refiner.classes import Classes
from hwgen.generators.refiner.domains import Domains, domains_of, for_domains
from hwgen.generators.refiner.generator import RefinerGenerator, build
from hwgen.generators.refiner.one_domain import domain_to_start_from
from hwgen.generators.refiner.recipe import PRESETS, RefinerRecipe, completed
from hwgen.generators.refiner.sampling import KIND, RefinerSampler
from hwgen.generators.refiner.simulated import simulate_classes
from hwgen.generators.refiner.stroke_file import FILE, save_strokes
from hwgen.imaging.framing_pool import available_workers
from hwgen.progress import NO_CONTROL, Control, Pace
from hwgen.record import Image
from hwgen.runs import Run
from hwgen.sources.simulation.samples import SimulatedSamples
from hwgen.sources.strokes.data import StrokeData, Strokes
from hwgen.sources.strokes.rounding import fingerprint, rounded
from hwgen.store import Store
from hwgen.store.origin import framing as framing_of

Ids = npt.NDArray[np.int64]


def train(
    store: Store,
    out: Path,
    recipe: RefinerRecipe,
    *,
    strokes: StrokeData,
    also: Sequence[Store] = (),
    seed: int = 0,
    device: str = "auto",
    precision: str = "auto",
    score: Score | None = None,
    on_collapse: OnCollapse = "stop",
    control: Control = NO_CONTROL,
    ranks: Ranks = ALONE,
    cuda_graphs: bool = False,
    init_from: Path | None = None,
    domain: str | None = None,
) -> Run:
    """Train a recipe on a store, or resume the run that the same call began.

    Args:
        store: labelled real images of at least the recipe's size, like those that samples are for.
        out: run directory; it gets a copy of all strokes, for sampling any character.
        recipe: see RefinerRecipe; margin and aspect ratio are those of the stores.
        strokes: of the stores' characters; classes without strokes are not trained on.
        also: further stores, each a domain, see hwgen.generators.refiner.domains. Every batch has
            equally many records of each store.
        seed: of weights, data order, noise, DiffAugment and the simulated hands.
        device: see hwgen.generators.adversarial.training.train, as for what follows.
        precision: likewise.
        score: it is given samples of held-out classes.
        on_collapse: likewise.
        control: likewise.
        ranks: likewise.
        cuda_graphs: likewise.
        init_from: likewise; then one class is enough.
        domain: name of the store of that run to start from, or its number from 1, where it has
            several and this one has one.

    Raises:
        HwgenError: see hwgen.generators.adversarial.training.train.
        InputError: the strokes cannot be read, too few classes have strokes, the stores have other
            margins or aspect ratios, or see hwgen.generators.refiner.one_domain.
    """
    kind, fitted = _kind(
        store,
        recipe,
        strokes,
        also=also,
        seed=seed,
        control=control,
        ranks=ranks,
        init_from=init_from,
        domain=domain,
    )
    return training.train(
        kind,
        store,
        out,
        fitted,
        seed=seed,
        device=device,
        precision=precision,
        score=score,
        on_collapse=on_collapse,
        control=control,
        ranks=ranks,
        cuda_graphs=cuda_graphs,
        init_from=init_from,
    )


def check_training(
    store: Store,
    out: Path,
    recipe: RefinerRecipe,
    *,
    strokes: StrokeData,
    also: Sequence[Store] = (),
    seed: int = 0,
    device: str = "auto",
    precision: str = "auto",
    ranks: Ranks = ALONE,
    cuda_graphs: bool = False,
    init_from: Path | None = None,
    domain: str | None = None,
) -> None:
    """Refuse what `train` would refuse before its first step, writing nothing; see there."""
    kind, fitted = _kind(
        store,
        recipe,
        strokes,
        also=also,
        seed=seed,
        ranks=ranks,
        init_from=init_from,
        domain=domain,
    )
    training.check_training(
        kind,
        store,
        out,
        fitted,
        seed=seed,
        device=device,
        precision=precision,
        ranks=ranks,
        cuda_graphs=cuda_graphs,
        init_from=init_from,
    )


def _kind(
    store: Store,
    recipe: RefinerRecipe,
    strokes: StrokeData,
    *,
    also: Sequence[Store],
    seed: int,
    control: Control = NO_CONTROL,
    ranks: Ranks,
    init_from: Path | None,
    domain: str | None,
) -> tuple[AdversarialKind, RefinerRecipe]:
    """A refiner as its training sees it, and the recipe fitted to stores and strokes; see train."""
    stores = (store, *also)
    with ranks.agreed():
        start = domain_to_start_from(init_from, domain, stores=len(stores))
    recipe, domains, every = _fitted(stores, recipe, strokes, init_from)
    classes, rows = domains.classes[0], domains.rows

    @cache  # a training that is rolled back builds its networks again
    def simulated() -> torch.Tensor:
        with ranks.agreed():
            return simulate_classes(
                every,
                domains.charset,
                domains.trained,
                recipe,
                seed,
                workers=max(1, available_workers() // ranks.size),
                control=_while_simulating(control, recipe.images, ranks),
            )

    def begin(run: Run) -> None:
        save_strokes(run.path / FILE, every, strokes.name, strokes.notice)
        if not any("without_strokes" in entry for entry in run.read_log()):
            run.log({"images": 0, **domains.labels()})

    def sampler(
        g: RefinerGenerator, recipe: RefinerRecipe, charset: Charset, device: torch.device
    ) -> RefinerSampler:
        return RefinerSampler(g.net, recipe, charset, every, device)

    def shown(_: Store, most: int) -> Ids:
        return classes.some_shown(most)

    kind = AdversarialKind(
        name=KIND,
        presets=PRESETS,
        completed=completed,
        build=lambda recipe, count, maps: build(recipe, count, simulated(), rows, maps),
        sampler=sampler,
        grid_classes=shown,
        scored_classes=shown,
        references=lambda store, recipe: references(store, recipe, classes, every, seed),
        also=also,
        records=domains.records,
        domain=start,
        begin=begin,
    )
    return kind, recipe


def _fitted(
    stores: Sequence[Store],
    recipe: RefinerRecipe,
    strokes: StrokeData,
    init_from: Path | None,
) -> tuple[RefinerRecipe, Domains, Mapping[str, Strokes]]:
    """The recipe with what it takes from stores and strokes, the classes, and all strokes."""
    known = strokes.characters()
    domains = domains_of(stores, recipe, known, few=init_from is not None)
    every = rounded(strokes.read(known))
    framed = _as_framed(for_domains(recipe, len(stores)), stores)
    return replace(framed, strokes=fingerprint(every, domains.charset)), domains, every


def references(
    store: Store,
    recipe: RefinerRecipe,
    classes: Classes,
    strokes: Mapping[str, Strokes],
    seed: int,
) -> dict[str, Image]:
    """Sheets of the grid's classes: "real" records, and the "simulated" images that G starts from.

    Returns:
        Names and uint8 [rows * GRID_COLUMNS, S, S]; a class with fewer records repeats them.
    """
    labels, rows = store.labels, classes.some_shown(GRID_ROWS)
    records = [
        np.resize(np.flatnonzero(labels == number), GRID_COLUMNS) for number in rows.tolist()
    ]
    stored = to_tensor(store.images(np.concatenate(records)), torch.device("cpu"))
    real = to_images(average_down(stored, recipe.size))
    start = SimulatedSamples(store.charset, strokes, recipe.framing)
    return {"real": real, "simulated": start.images(*pairs(rows, GRID_COLUMNS), seed)}


def _as_framed(recipe: RefinerRecipe, stores: Sequence[Store]) -> RefinerRecipe:
    """The recipe with the margin and aspect ratio of the images of all stores.

    Raises:
        InputError: they differ.
    """
    framed = _framed(recipe, stores[0])
    for store in stores[1:]:
        if (other := _framed(recipe, store)) != framed:
            raise InputError(
                f"expected images with margin {framed.margin} and stretch "
                f"{str(framed.stretch).lower()} at {recipe.size} pixels, as in {stores[0].path}, "
                f"found {other.margin} and {str(other.stretch).lower()}",
                where=str(store.path),
                remedy="Prepare both with the same options, or choose a margin for both with "
                "--set margin=N",
            )
    return framed


def _framed(recipe: RefinerRecipe, store: Store) -> RefinerRecipe:
    """The recipe with the margin and aspect ratio of the store's images."""
    framing = framing_of(store.manifest.origin)
    if recipe.margin != -1 or recipe.stretch:
        return recipe
    stretch, margin = framing.get("stretch") is True, framing.get("margin")
    if stretch or not isinstance(margin, int):
        return replace(recipe, stretch=stretch)
    return replace(recipe, margin=round(margin * recipe.size / store.size))


def _while_simulating(control: Control, total: int, ranks: Ranks) -> Control:
    """Progress of simulation as a note about a training that has not begun."""
    pace = Pace("characters")

    def show(done: float, of: float, _: str) -> None:
        if ranks.first:
            state = (f"{done:,.0f} of {of:,.0f}", pace.text(done, of))
            control.progress(0, total, f"simulating characters: {', '.join(filter(None, state))}")

    return Control(show, control.stop)
