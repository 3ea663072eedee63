"""Provenance of a synthetic store, in its manifest and in each of its samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hwgen.generators.samplers import Sampler, WriterSampler
from hwgen.store import Store
from hwgen.store.origin import GENERATED
from hwgen.synthesis.filters import SampleFilter
from hwgen.synthesis.plan import Ids

_RESULTS = ("yield", GENERATED)
"""Fields that a finished store's origin has in addition to `origin_of`."""


def origin_of(
    sampler: Sampler,
    *,
    class_ids: Ids,
    per_class: int,
    seed: int,
    sample_filter: SampleFilter | None,
    max_tries: int,
) -> dict[str, Any]:
    """The manifest's "origin": all settings that determine the samples."""
    origin: dict[str, Any] = {
        "kind": "synthetic",
        "preset": sampler.preset,
        "provenance": sampler.provenance,
        "seed": seed,
        "per_class": per_class,
        "class_ids": class_ids.tolist(),
        **({"data": sampler.data[0]} if sampler.data else {}),
        **({"more_data": list(sampler.data[1:])} if sampler.data[1:] else {}),
        **(sampler.origin if isinstance(sampler, WriterSampler) else {}),
    }
    if sample_filter is not None:
        origin["filter"] = {**sample_filter.settings, "max_tries": max_tries}
    return origin


def generated_origin(sampler: Sampler) -> dict[str, Any]:
    """What a finished store's origin says if no sample has pixels of real samples; {} else."""
    return {GENERATED: True} if getattr(sampler, "generates", False) else {}


def source_of(sampler: Sampler, seed: int) -> str:
    """The "source" of each sample; its "position" is the sample's index within the class."""
    return f"{sampler.provenance} seed {seed}"


def writers_of(sampler: Sampler, class_ids: Ids, indices: Ids, seed: int) -> Sequence[str]:
    """The "writer" of each sample; "" for generators without simulated writers."""
    if isinstance(sampler, WriterSampler):
        return sampler.writers(class_ids, indices, seed=seed)
    return [""] * len(class_ids)


def has_origin(store: Store, origin: Mapping[str, Any]) -> bool:
    """Whether a finished store was made with these settings; others in its origin are results."""
    found = store.manifest.origin
    return {name: value for name, value in found.items() if name not in _RESULTS} == origin
