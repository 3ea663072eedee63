"""In: what was compared with what. Out: sentences on how far the figures may be believed."""

from __future__ import annotations

from hwgen.evaluation.metrics.near_copies import QUANTILE
from hwgen.evaluation.metrics.precision_recall import K
from hwgen.store import Store


def knows(saw: set[str], data: str | None) -> bool | None:
    """Whether the store with content hash `data` is among those in `saw`; None: not known."""
    return None if data is None or not saw else data in saw


def notes(
    synthetic: Store,
    real: Store,
    real_test: Store | None,
    *,
    judge: str | None,
    saw: set[str],
    data: str | None,
    epochs: float | None,
    compared: int,
    repeated: int,
) -> list[str]:
    """What a reader of the figures must know.

    Args:
        synthetic: what was judged.
        real: what it was compared with.
        real_test: the floor, if it was given.
        judge: hash of the recogniser's file, if it has one.
        saw: content hashes of what the recogniser was trained on.
        data: content hash of what the generator was trained on, if known.
        epochs: passes of the recogniser over the real store, if it was trained here.
        compared: samples a side that were compared as sets.
        repeated: real samples that were left out since they repeat another one.
    """
    lines = []
    if epochs is not None:
        lines.append(
            f"The recogniser was trained here, {epochs:.1f} passes over --real: fewer than "
            "hwgen benchmark takes."
        )
    lines.append(
        {
            True: "The recogniser was trained on the generator's own training data: the two may "
            "share what they learnt wrong.",
            False: "The recogniser was trained on other data than the generator (another set; "
            "single samples were not compared).",
            None: "Whether the recogniser was trained on the generator's training data is not "
            "known.",
        }[knows(saw, data)]
    )
    filtered = synthetic.manifest.origin.get("filter")
    kept = filtered if isinstance(filtered, dict) else {}
    if "recogniser" in kept:
        by = kept["recogniser"]
        lines.append(
            "The set was filtered by this same recogniser: its purity is what the filter asked "
            "for, and says little. Judge it with another one."
            if by == judge
            else "The set was filtered by another recogniser."
        )
    if "no_copies" in kept:
        same = kept["no_copies"] == real.manifest.content_sha256
        lines.append(
            "Samples too near to a real one of --real were rejected when the set was drawn."
            if same
            else "Samples too near to a real one were rejected when the set was drawn, by another "
            "store than --real."
        )
    if data is None:
        lines.append(
            "Whether --real is what the generator was trained on is not known; --run tells."
        )
    elif data != real.manifest.content_sha256:
        lines.append(
            "The generator was trained on another store than --real: copies of its training data "
            "would not be seen."
        )
    if real_test is not None:
        lines.append("The floor: real samples of --real-test in place of the synthetic ones.")
        if knows(saw, real_test.manifest.content_sha256):
            lines.append("The recogniser was trained on --real-test: its floor flatters.")
    else:
        lines.append("The floor: one half of --real in place of the synthetic set, the other real.")
        if knows(saw, real.manifest.content_sha256):
            lines.append(
                "The recogniser was trained on --real, so that the floor is better than new real "
                "characters would get; --real-test gives an honest one."
            )
    lines.append(
        f"Compared as sets: {compared:,} samples a side, as many of each class on both; "
        f"neighbour {K} ends a ball. Too near: below the {QUANTILE:.0%} quantile of "
        "the distances of real samples to their nearest of the same class."
    )
    if repeated:
        lines.append(f"Left out: {repeated:,} real samples that repeat another one exactly.")
    if not synthetic.is_synthetic:
        lines.append(f"The judged set says that it is {synthetic.made_as}.")
    simulated = {"--real": real, "--real-test": real_test}
    lines += [
        f"{name} holds simulated characters: the figures say nothing of real handwriting."
        for name, store in simulated.items()
        if store is not None and store.made_as == "simulated"
    ]
    return lines
