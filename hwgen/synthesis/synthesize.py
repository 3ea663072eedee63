"""Synthesis of a store.

In: a generator and, optionally, a filter of its samples. Out: a synthetic store.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hwgen.compute.distributed import ALONE, Ranks
from hwgen.errors import InputError
from hwgen.generators.samplers import Sampler
from hwgen.progress import NO_CONTROL, Control
from hwgen.schema import check_numbers, check_seed
from hwgen.store import Store, StoreWriter, check_place, is_store, remove_leftovers
from hwgen.synthesis.acceptance import FILE, Counts, acceptance_json
from hwgen.synthesis.filters import SampleFilter
from hwgen.synthesis.plan import Ids, Unit, plan
from hwgen.synthesis.provenance import (
    generated_origin,
    has_origin,
    origin_of,
    source_of,
    writers_of,
)
from hwgen.synthesis.sampling import UnitSamples, fill

MAX_SAMPLES = 1 << 30
"""Largest number of samples in a set."""

MAX_TRIES = 10
"""Default for the most samples drawn for each one requested."""


def synthesize(
    sampler: Sampler,
    out: Path,
    *,
    per_class: int,
    class_ids: Sequence[int] | None = None,
    seed: int = 0,
    batch: int = 512,
    sample_filter: SampleFilter | None = None,
    max_tries: int = MAX_TRIES,
    overwrite: bool = False,
    inputs: Sequence[Path] = (),
    control: Control = NO_CONTROL,
    ranks: Ranks = ALONE,
) -> Store | None:
    """Write a synthetic store, class by class.

    The same call resumes an interrupted set and returns a finished one. Several ranks sample units
    in turn, and rank 0 writes them in order; the store is the same for any number of ranks.

    Samples that the filter rejects are replaced by further ones of their class, until the class
    has `per_class` samples or `per_class * max_tries` were drawn; then the class stays short. The
    store's yield.json (see hwgen.synthesis.acceptance) counts samples drawn and accepted; its
    origin has the filter's settings ("filter") and the accepted fraction ("yield").
    It also says if no sample has pixels of real samples ("generated").

    Args:
        sampler: a trained generator.
        out: output directory of the store.
        per_class: samples per class.
        class_ids: which classes; None for all.
        seed: each seed gives another set.
        batch: images per call of the generator; rounding may change a grey level by 1.
        sample_filter: None accepts all samples.
        max_tries: most samples drawn for each one requested.
        overwrite: replace a store at `out`.
        inputs: stores that are read, and are never replaced.
        control: progress in records settled, by rank 0; asked to stop after about 1,024 samples.
        ranks: the processes that make this same call, see hwgen.compute.distributed.join.

    Returns:
        The store; None if it was stopped on any rank, with all finished units written.

    Raises:
        InputError: a number is less than 1 or too large, see MAX_SAMPLES.
        RecipeChangedError: an unfinished set with other settings is at `out`.
        StoreError: something else is at `out`.
    """
    check_seed(seed)
    classes = np.arange(len(sampler.charset)) if class_ids is None else np.array(class_ids)
    _check_numbers(per_class, batch, max_tries, len(classes))
    units = plan(per_class, len(classes), 1 if sample_filter is None else max_tries)
    origin = origin_of(
        sampler,
        class_ids=classes,
        per_class=per_class,
        seed=seed,
        sample_filter=sample_filter,
        max_tries=max_tries,
    )
    finished, output = False, None
    with ExitStack() as stack:
        with ranks.agreed():
            if ranks.first:
                finished = not overwrite and is_store(out) and has_origin(Store(out), origin)
                if finished:
                    remove_leftovers(out)
                else:
                    check_place(out, overwrite=overwrite, inputs=inputs)
                    output = _Output.open(stack, out, sampler, classes, origin, overwrite=overwrite)
        finished, begun = ranks.gather_all((finished, output.counts.units if output else 0))[0]
        if finished:
            return Store(out)
        for first in range(begun, len(units), ranks.size):
            mine = units[first + ranks.rank : first + ranks.rank + 1]
            samples = [
                fill(unit, sampler, classes, seed=seed, batch=batch, sample_filter=sample_filter)
                for unit in mine
            ]
            with ranks.agreed():
                gathered = [one for several in ranks.gather(samples) for one in several]
                if output is not None:
                    for unit, one in zip(units[first:], gathered, strict=False):
                        output.write(unit, one)
                    control.progress(output.counts.settled, per_class * len(classes), "")
            if ranks.any(control.stop()):
                return None
        with ranks.agreed():
            if output is not None:
                output.finish()
    return Store(out)


def _check_numbers(per_class: int, batch: int, max_tries: int, classes: int) -> None:
    if per_class * classes > MAX_SAMPLES:
        raise InputError(
            f"{per_class:,} samples of each of {classes:,} classes are more than the maximum of "
            f"{MAX_SAMPLES:,} samples",
            remedy="Make several sets with different seeds",
        )
    if min(per_class, batch, max_tries) < 1:
        raise InputError(
            "samples per class, images per batch and tries must be at least 1, found "
            f"{per_class} samples, {batch} images and {max_tries} tries"
        )
    check_numbers(batch, "the number of images per batch")
    check_numbers(per_class * max_tries * classes, "the number of samples drawn for all classes")


@dataclass
class _Output:
    """The store that is being written, by rank 0.

    Attributes:
        writer: of the store.
        sampler: the generator.
        classes: requested classes, int64.
        origin: of the store.
        counts: over the units written so far.
    """

    writer: StoreWriter
    sampler: Sampler
    classes: Ids
    origin: dict[str, Any]
    counts: Counts

    @classmethod
    def open(
        cls,
        stack: ExitStack,
        out: Path,
        sampler: Sampler,
        classes: Ids,
        origin: dict[str, Any],
        *,
        overwrite: bool,
    ) -> _Output:
        """Begin a store, or resume one."""
        writer = stack.enter_context(
            StoreWriter(
                out,
                size=sampler.size,
                channels=sampler.channels,
                recipe=origin,
                resumable=True,
                overwrite=overwrite,
            )
        )
        saved = writer.note
        counts = Counts.zero(len(classes)) if saved is None else Counts.from_json(saved)
        return cls(writer, sampler, classes, origin, counts)

    @property
    def labels(self) -> list[str]:
        return [self.sampler.charset[class_id] for class_id in self.classes.tolist()]

    def write(self, unit: Unit, samples: UnitSamples) -> None:
        # A resumed store may end in the middle of a unit.
        new = slice(max(0, self.writer.count - self.counts.records), None)
        labels, seed = self.labels, self.origin["seed"]
        classes, indices = samples.classes[new], samples.indices[new]
        self.writer.note = self.counts.to_json()
        self.writer.add_batch(
            samples.images[new],
            labels=[labels[place] for place in classes.tolist()],
            writers=writers_of(self.sampler, self.classes[classes], indices, seed),
            sources=[source_of(self.sampler, seed)] * len(classes),
            positions=indices,
        )
        self.counts.add(unit, samples)

    def finish(self) -> None:
        reports = {}
        if "filter" in self.origin:
            found = self.counts.by_label(self.labels)
            report = acceptance_json(found, self.origin["per_class"], self.origin["filter"])
            reports[FILE] = report
            self.origin["yield"] = report["yield"]
        self.origin.update(generated_origin(self.sampler))
        self.writer.finish(charset=self.sampler.charset, origin=self.origin, reports=reports)
