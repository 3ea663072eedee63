"""In: a generator and, perhaps, a filter of its samples. Out: a synthetic store.

A class gets its first samples, in the order of their indices, that the filter lets pass; without a
filter all do. Work is cut into units of whole classes, each decided by itself, so that neither an
interruption nor the number of processes changes a set.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from hwgen.charset import Charset
from hwgen.compute.distributed import ALONE, Ranks
from hwgen.errors import InputError
from hwgen.record import Image
from hwgen.store import Store, StoreWriter, is_store, sweep
from hwgen.synthesis.acceptance import FILE, ClassAcceptance, report
from hwgen.synthesis.filters import SampleFilter

CHUNK = 1024
"""Most samples of a unit of work, between two reports of progress."""

MAX_TRIES = 10
"""Samples that are drawn for each one wanted, before a class is given up."""

Ids = npt.NDArray[np.int64]


class Source(Protocol):
    """What draws samples by class and index, such as hwgen.generators.gan.sampling.Sampler."""

    @property
    def charset(self) -> Charset:
        """Its classes."""

    @property
    def size(self) -> int:
        """Side of its pictures, pixels."""

    @property
    def channels(self) -> int:
        """1 grey, 3 colour."""

    @property
    def preset(self) -> str:
        """What kind of generator it is."""

    @property
    def provenance(self) -> str:
        """Which run and weights: what a sample's source says."""

    @property
    def data(self) -> str:
        """Content hash of the store that its samples may be copies of, "" where not known."""

    def sample(self, class_ids: Ids, indices: Ids, *, seed: int, batch: int) -> Image:
        """Samples uint8 [N, S, S(, 3)]; sample (seed, class, index) never changes."""


def synthesize(
    sampler: Source,
    out: Path,
    *,
    per_class: int,
    class_ids: Sequence[int] | None = None,
    seed: int = 0,
    batch: int = 512,
    sample_filter: SampleFilter | None = None,
    max_tries: int = MAX_TRIES,
    overwrite: bool = False,
    progress: Callable[[int, int], None] | None = None,
    stop: Callable[[], bool] | None = None,
    ranks: Ranks = ALONE,
) -> Store | None:
    """Write a synthetic store, class by class.

    The same call goes on with what an interrupted one began, and returns what is finished. Several
    ranks draw units in turn, and rank 0 writes them in order: the same store.

    With a filter, what it rejects is replaced by further samples of the same class, until the class
    has `per_class` or `per_class * max_tries` were drawn: then the class stays short. The store's
    `yield.json` (see hwgen.synthesis.acceptance) tells how many were drawn and passed, and its
    origin has the sample_filter's settings under "filter" and the share that passed under "yield".

    Args:
        sampler: what draws, such as a trained generator.
        out: the new store.
        per_class: samples a class.
        class_ids: which classes; None takes all.
        seed: another seed is another set.
        batch: pictures at a time; changes a grey level by rounding at most, and so, on a filter's
            very threshold, whether a sample passes.
        sample_filter: decides which samples stay; None keeps all.
        max_tries: most samples drawn for each one wanted.
        overwrite: replace a store that is there.
        progress: called with (records that are there or given up, records in all), by rank 0.
        stop: asked after every unit of about CHUNK samples a rank; True, of any, returns None and
            keeps what is written.
        ranks: the processes that make this same call, see hwgen.compute.distributed.join.

    Raises:
        InputError: per_class or max_tries is less than 1.
        StoreError: something else is already there.
    """
    if min(per_class, max_tries) < 1:
        raise InputError(
            f"{per_class} samples a class and {max_tries} tries for each were asked for, at least "
            "1 is needed"
        )
    classes = np.arange(len(sampler.charset)) if class_ids is None else np.array(class_ids)
    tries = 1 if sample_filter is None else max_tries
    units = plan(per_class, len(classes), tries)
    total = per_class * len(classes)
    source = f"{sampler.provenance} seed {seed}"
    origin: dict[str, Any] = {
        "kind": "synthetic",
        "preset": sampler.preset,
        "provenance": sampler.provenance,
        "seed": seed,
        "per_class": per_class,
        "class_ids": classes.tolist(),
        **({"data": sampler.data} if sampler.data else {}),
    }
    if sample_filter is not None:
        origin["filter"] = {**sample_filter.settings, "max_tries": max_tries}
    finished, ledger = False, _Ledger.empty(len(classes))
    with ExitStack() as held:
        with ranks.agreed():
            if ranks.first:
                finished = not overwrite and is_store(out) and _same(Store(out), origin)
            if ranks.first and finished:
                sweep(out)
            if ranks.first and not finished:
                writer = held.enter_context(
                    StoreWriter(
                        out,
                        size=sampler.size,
                        channels=sampler.channels,
                        recipe=origin,
                        resumable=True,
                        overwrite=overwrite,
                    )
                )
                if writer.note is not None:
                    ledger = _Ledger.from_json(writer.note)
        finished, begun = ranks.gather_all((finished, ledger.units))[0]
        if finished:
            return Store(out)
        for first in range(begun, len(units), ranks.size):
            mine = units[first + ranks.rank : first + ranks.rank + 1]
            results = [_draw(sampler, classes, unit, seed, batch, sample_filter) for unit in mine]
            with ranks.agreed():
                for result in (one for several in ranks.gather(results) for one in several):
                    # A continued store may end anywhere within a unit.
                    new = slice(max(0, writer.count - ledger.records), None)
                    writer.note = ledger.to_json()
                    writer.add_batch(
                        result.images[new],
                        labels=[sampler.charset[i] for i in classes[result.places[new]].tolist()],
                        writers=[""] * len(result.images[new]),
                        sources=[source] * len(result.images[new]),
                        positions=result.indices[new],
                    )
                    ledger.add(result, units[ledger.units])
                if progress and ranks.first:
                    progress(ledger.settled, total)
            if ranks.any(stop is not None and stop()):
                return None
        with ranks.agreed():
            if ranks.first:
                labels = [sampler.charset[i] for i in classes.tolist()]
                found = ledger.yields(labels)
                reports = {}
                if sample_filter is not None:
                    reports[FILE] = report(found, per_class, origin["filter"])
                    origin["yield"] = reports[FILE]["yield"]
                writer.finish(charset=sampler.charset, origin=origin, reports=reports)
    return Store(out)


@dataclass(frozen=True)
class Unit:
    """Samples that are decided together: one slot a class, or a part of one class.

    Attributes:
        places: of the classes among those asked for, int64 [k].
        firsts: index of the first sample that may be drawn for each slot, int64 [k].
        wanted: samples for each slot, int64 [k].
        tries: most samples drawn for each one wanted.
    """

    places: Ids
    firsts: Ids
    wanted: Ids
    tries: int


def plan(per_class: int, classes: int, tries: int) -> list[Unit]:
    """All units of a set, in the order of the store.

    As many whole classes as CHUNK samples hold; a class of more is cut into parts, each with
    indices of its own, so that they can be decided apart.
    """
    part = min(per_class, CHUNK)
    starts = np.arange(0, per_class, part)
    wanted = np.minimum(part, per_class - starts)
    slots = np.arange(classes * len(starts))
    together = CHUNK // part
    return [
        Unit(
            places=some // len(starts),
            firsts=starts[some % len(starts)] * tries,
            wanted=wanted[some % len(starts)],
            tries=tries,
        )
        for some in np.split(slots, range(together, len(slots), together))
        if len(some)
    ]


@dataclass(frozen=True)
class _Drawn:
    """What a unit gave: the samples that stay, by class and index; and counts a slot."""

    images: Image
    places: Ids
    indices: Ids
    drawn: Ids
    passed: Ids


def _draw(
    sampler: Source,
    classes: Ids,
    unit: Unit,
    seed: int,
    batch: int,
    sample_filter: SampleFilter | None,
) -> _Drawn:
    """Draw and filter in rounds until every slot is full or has used its tries."""
    slots = np.arange(len(unit.places))
    drawn, passed = np.zeros_like(slots), np.zeros_like(slots)
    images, rows, indices = [], [], []
    count = unit.wanted
    while count.any():
        slot = np.repeat(slots, count)
        index = (unit.firsts + drawn)[slot] + _within(count)
        ids = classes[unit.places[slot]]
        pictures = sampler.sample(ids, index, seed=seed, batch=batch)
        good = np.ones(len(ids), bool) if sample_filter is None else sample_filter(pictures, ids)
        images.append(pictures[good])
        rows.append(slot[good])
        indices.append(index[good])
        drawn = drawn + count
        passed = passed + np.bincount(slot[good], minlength=len(slots))
        count = _next_round(unit, drawn, passed)
    everything, row, number = (np.concatenate(parts) for parts in (images, rows, indices))
    # Slot after slot, by index; what passed beyond the wanted number was drawn in vain.
    order = np.lexsort((number, row))
    order = order[_within(passed) < unit.wanted[row[order]]]
    return _Drawn(everything[order], unit.places[row[order]], number[order], drawn, passed)


def _next_round(unit: Unit, drawn: Ids, passed: Ids) -> Ids:
    """How many to draw now for each slot, int64 [k].

    A fifth more than the yield so far promises, since many small rounds cost more than some
    samples in vain; at most as many as were drawn already, and within the tries.
    """
    missing = np.maximum(0, unit.wanted - passed)
    promised = np.ceil(1.2 * missing * drawn / np.maximum(1, passed)).astype(np.int64)
    return np.minimum(np.minimum(promised, drawn), unit.wanted * unit.tries - drawn)


def _within(counts: Ids) -> Ids:
    """Numbers from 0 within each of several runs: [2, 3] -> [0, 1, 0, 1, 2]."""
    return np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)


@dataclass
class _Ledger:
    """What all units so far gave; the writer keeps it with its blocks.

    Attributes:
        units: units done.
        records: records of them.
        settled: records wanted of them.
        drawn: samples drawn, a class.
        passed: samples that passed, a class.
        kept: samples in the store, a class.
    """

    units: int
    records: int
    settled: int
    drawn: Ids
    passed: Ids
    kept: Ids

    @classmethod
    def empty(cls, classes: int) -> _Ledger:
        return cls(0, 0, 0, *np.zeros((3, classes), np.int64))

    @classmethod
    def from_json(cls, note: Mapping[str, Any]) -> _Ledger:
        counts: dict[str, Any] = {
            k: np.array(v) if isinstance(v, list) else v for k, v in note.items()
        }
        return cls(**counts)

    def to_json(self) -> dict[str, Any]:
        return {k: v.tolist() if isinstance(v, np.ndarray) else v for k, v in vars(self).items()}

    def add(self, result: _Drawn, unit: Unit) -> None:
        self.units += 1
        self.records += len(result.places)
        self.settled += int(unit.wanted.sum())
        np.add.at(self.drawn, unit.places, result.drawn)
        np.add.at(self.passed, unit.places, result.passed)
        np.add.at(self.kept, result.places, 1)

    def yields(self, labels: Sequence[str]) -> dict[str, ClassAcceptance]:
        counts = zip(self.drawn.tolist(), self.passed.tolist(), self.kept.tolist(), strict=True)
        return {label: ClassAcceptance(*c) for label, c in zip(labels, counts, strict=True)}


def _same(store: Store, origin: Mapping[str, Any]) -> bool:
    """Whether a store was made by these settings; its yield came out of them."""
    return {k: v for k, v in store.manifest.origin.items() if k != "yield"} == origin
