"""Sampling and filtering of one unit of a synthetic set."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hwgen.generators.samplers import Sampler
from hwgen.record import Image
from hwgen.synthesis.filters import SampleFilter
from hwgen.synthesis.plan import Ids, Unit


@dataclass(frozen=True)
class UnitSamples:
    """The accepted samples of a unit, by class and index, and counts per slot.

    Attributes:
        images: uint8 [n, S, S(, 3)].
        classes: of each sample, its position among the requested classes, int64 [n].
        indices: sample indices, int64 [n].
        drawn: samples drawn for each slot, int64 [k].
        passed: of these, samples that the filter accepted, int64 [k]; possibly more than wanted.
    """

    images: Image
    classes: Ids
    indices: Ids
    drawn: Ids
    passed: Ids


def fill(
    unit: Unit,
    sampler: Sampler,
    class_ids: Ids,
    *,
    seed: int,
    batch: int,
    sample_filter: SampleFilter | None,
) -> UnitSamples:
    """Draw and filter in rounds until every slot is full or has used all its tries.

    A slot gets the first samples, in the order of their indices, that the filter accepts.

    Args:
        unit: what to fill.
        sampler: the generator.
        class_ids: the requested classes, positions in the sampler's charset, int64.
        seed: of the set.
        batch: images per call of the generator.
        sample_filter: None accepts all samples.
    """
    slots = np.arange(len(unit.classes))
    drawn, passed = np.zeros_like(slots), np.zeros_like(slots)
    images, rows, indices = [], [], []
    count = unit.wanted
    while count.any():
        slot = np.repeat(slots, count)
        index = (unit.first_indices + drawn)[slot] + _within(count)
        ids = class_ids[unit.classes[slot]]
        samples = sampler.sample(ids, index, seed=seed, batch=batch)
        good = np.ones(len(ids), bool) if sample_filter is None else sample_filter(samples, ids)
        images.append(samples[good])
        rows.append(slot[good])
        indices.append(index[good])
        drawn = drawn + count
        passed = passed + np.bincount(slot[good], minlength=len(slots))
        count = _next_round(unit, drawn, passed)
    everything, row, number = (np.concatenate(parts) for parts in (images, rows, indices))
    # By slot, then by index; accepted samples beyond the wanted number are dropped.
    order = np.lexsort((number, row))
    order = order[_within(passed) < unit.wanted[row[order]]]
    return UnitSamples(everything[order], unit.classes[row[order]], number[order], drawn, passed)


def _next_round(unit: Unit, drawn: Ids, passed: Ids) -> Ids:
    """Number of samples to draw next for each slot, int64 [k].

    20 % more than the acceptance so far requires, since many small rounds cost more than some
    superfluous samples; at most as many as were drawn already, and within the tries.
    """
    missing = np.maximum(0, unit.wanted - passed)
    estimate = np.ceil(1.2 * missing * drawn / np.maximum(1, passed)).astype(np.int64)
    return np.minimum(np.minimum(estimate, drawn), unit.wanted * unit.max_tries - drawn)


def _within(counts: Ids) -> Ids:
    """Numbers from 0 within each of several runs: [2, 3] -> [0, 1, 0, 1, 2]."""
    return np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
