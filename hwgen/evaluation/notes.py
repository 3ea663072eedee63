"""Notes of an evaluation: how far its figures can be trusted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hwgen.evaluation.metrics.near_copies import QUANTILE, CopyResult
from hwgen.evaluation.metrics.precision_recall import K
from hwgen.results.evaluation import LeftOut
from hwgen.store import Store
from hwgen.store.overlap import shared_records

MANY_COPIES = 0.5
"""Fraction of too near samples above which a note warns."""


_SHOWN = 40


def was_trained_on(trained_on: set[str], data: Sequence[str]) -> bool | None:
    """Whether a store of these content hashes is among `trained_on`; None if not known."""
    return not trained_on.isdisjoint(data) if trained_on and data else None


def notes(
    synthetic: Store,
    real: Store,
    real_test: Store | None,
    *,
    doubt: str = "",
    recogniser_file: str | None,
    recogniser_data: set[str],
    generator_data: Sequence[str],
    epochs: float | None,
    compared: int,
    repeated: int,
    copies: CopyResult | None,
    left_out: LeftOut | None = None,
) -> list[str]:
    """One sentence or two per note.

    Args:
        synthetic: the evaluated store.
        real: the store that it was compared with.
        real_test: the reference, if it was given.
        doubt: a warning where the recogniser hardly reads real samples; "" for none.
        recogniser_file: hash of the recogniser's file, if it has one.
        recogniser_data: content hashes of the recogniser's training stores.
        generator_data: content hashes of the generator's training stores, if known.
        epochs: training epochs on `real` of a recogniser that was trained here; None for another.
        compared: matched samples per set.
        repeated: real samples left out as exact repetitions.
        copies: the copy test in pixels.
        left_out: classes that were not read, or not compared; None for none.
    """
    lines = [
        *([f"Warning: {doubt}"] if doubt else []),
        *_on_copies(synthetic, real, copies),
        *_on_recogniser(recogniser_data, generator_data, epochs),
        *_on_filters(synthetic, real, recogniser_file),
        *_on_generator(real, generator_data),
        *_on_reference(real, real_test, recogniser_data),
        *_on_classes(left_out),
        *_on_sets(compared),
        f"Too near: below the {QUANTILE:.0%} quantile of the distances of real samples to their "
        "nearest of the same class.",
    ]
    if repeated:
        lines.append(f"Left out: {repeated:,} real samples that repeat another one exactly.")
    if not synthetic.is_synthetic:
        lines.append(f"The evaluated set is marked as {synthetic.data_kind}.")
    given = {"--real": real, "--real-test": real_test}
    lines += [
        f"{name} holds simulated characters: the figures say nothing about real handwriting."
        for name, store in given.items()
        if store is not None and store.data_kind == "simulated"
    ]
    return lines


def _on_classes(left_out: LeftOut | None) -> list[str]:
    lines = []
    if left_out and left_out.unread:
        lines.append(
            f"Not read: {_named(left_out.unread)}, which the recogniser has not learnt. They do "
            "not count for purity."
        )
    if left_out and left_out.without_real:
        lines.append(
            f"Not compared: {_named(left_out.without_real)}, without real samples. "
            "They do not count for copies and variety."
        )
    return lines


def _on_sets(compared: int) -> list[str]:
    if compared <= K:
        return [
            f"Not compared as sets: {compared:,} samples of common classes are too few for {K} "
            "nearest neighbours."
        ]
    return [
        f"Compared as sets: {compared:,} samples per set, equally many of each class; manifolds of "
        f"{K} nearest neighbours."
    ]


def _named(classes: Mapping[str, int]) -> str:
    """Number of classes and samples, and the first labels."""
    labels = list(classes)
    some = "".join if all(len(label) == 1 for label in labels) else ", ".join
    shown = some(labels[:_SHOWN]) + ("…" if len(labels) > _SHOWN else "")
    noun = "class" if len(labels) == 1 else "classes"
    return f"{len(labels):,} {noun} with {sum(classes.values()):,} samples ({shown})"


def _on_copies(synthetic: Store, real: Store, copies: CopyResult | None) -> list[str]:
    lines = []
    if shared := shared_records(synthetic, real):
        lines.append(
            f"Warning: {shared:,} of the {len(synthetic):,} samples of the evaluated set are "
            "samples of --real itself, so the figures say nothing about a generator."
        )
    if copies is not None and copies.exact:
        lines.append(
            f"Warning: {copies.exact:,} of the {copies.samples:,} samples that were tested are "
            "exact copies of a sample of --real."
        )
    elif copies is not None and copies.fraction > MANY_COPIES:
        lines.append(
            f"Warning: {copies.fraction:.0%} of the samples that were tested are too near to a "
            "sample of --real."
        )
    return lines


def _on_recogniser(
    recogniser_data: set[str], generator_data: Sequence[str], epochs: float | None
) -> list[str]:
    lines = []
    if epochs is not None:
        lines.append(
            f"The recogniser was trained for {epochs:.1f} epochs on --real, fewer than hwgen "
            "benchmark uses."
        )
    same = was_trained_on(recogniser_data, generator_data)
    if same is None:
        lines.append(
            "Whether the recogniser was trained on the generator's training data is not known."
        )
    elif same:
        lines.append(
            "The recogniser was trained on the generator's training data: both may have learnt "
            "the same mistakes."
        )
    else:
        lines.append(
            "The recogniser was trained on other data than the generator (by the hashes of the "
            "stores; single samples were not compared)."
        )
    return lines


def _on_filters(synthetic: Store, real: Store, recogniser_file: str | None) -> list[str]:
    settings = synthetic.manifest.origin.get("filter")
    if not isinstance(settings, dict):
        return []
    lines = []
    if "recogniser" in settings:
        lines.append(
            "The set was filtered by this same recogniser, so its purity is high by construction. "
            "Evaluate with another recogniser."
            if settings["recogniser"] == recogniser_file
            else "The set was filtered by another recogniser."
        )
    if "no_copies" in settings:
        near = "Samples too near to a real sample"
        lines.append(
            f"{near} of --real were rejected when the set was made."
            if settings["no_copies"] == real.manifest.content_sha256
            else f"{near} of another store than --real were rejected when the set was made."
        )
    return lines


def _on_generator(real: Store, generator_data: Sequence[str]) -> list[str]:
    if not generator_data:
        return ["Whether the generator was trained on --real is not known; --run tells."]
    if real.manifest.content_sha256 not in generator_data:
        return [
            "The generator was trained on another store than --real: copies of its training data "
            "would not be detected."
        ]
    return []


def _on_reference(real: Store, real_test: Store | None, recogniser_data: set[str]) -> list[str]:
    if real_test is not None:
        lines = ["Reference: real samples of --real-test in place of the synthetic ones."]
        if was_trained_on(recogniser_data, [real_test.manifest.content_sha256]):
            lines.append("The recogniser was trained on --real-test, so the reference is too good.")
        return lines
    lines = [
        "Reference: one half of --real in place of the synthetic set, compared with the other."
    ]
    if was_trained_on(recogniser_data, [real.manifest.content_sha256]):
        lines.append(
            "The recogniser was trained on --real, so the reference is better than for new real "
            "characters; give those as --real-test."
        )
    return lines
