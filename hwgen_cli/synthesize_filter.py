"""The filter of `hwgen synthesize`: its options, and what it accepted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

from hwgen_cli.output import print_lines

if TYPE_CHECKING:
    from hwgen.generators.samplers import Sampler
    from hwgen.store import Store
    from hwgen.synthesis.filters import SampleFilter

SHOWN_CLASSES = 10
SHOWN_SHORT = 40
"""Rows in the table of acceptance rates, and classes in the warning."""


@dataclass(frozen=True)
class Filter:
    """Options of the filter."""

    recogniser: Path | None
    min_confidence: float | None
    min_margin: float | None
    no_copies_of: Path | None
    max_tries: int | None

    def __post_init__(self) -> None:
        """Refuse options that have no effect without another one."""
        from hwgen.errors import InputError

        thresholds = (self.min_confidence, self.min_margin)
        if self.recogniser is None and any(value is not None for value in thresholds):
            raise InputError(
                "--min-confidence and --min-margin need a recogniser",
                remedy="Give one as --recogniser, or leave them out",
            )
        if self.max_tries is not None and self.recogniser is None and self.no_copies_of is None:
            raise InputError(
                "--max-tries has no effect without a filter",
                remedy="Give --recogniser FILE or --no-copies-of STORE, or leave it out",
            )

    @property
    def given(self) -> dict[str, object]:
        """All of them by their names; None if not given."""
        return {
            f"--{option.name.replace('_', '-')}": getattr(self, option.name)
            for option in fields(self)
        }

    @property
    def thresholds(self) -> dict[str, float]:
        """Those that were given, as the library names them."""
        given = {"min_confidence": self.min_confidence, "min_margin": self.min_margin}
        return {name: value for name, value in given.items() if value is not None}


def sample_filters(
    chosen: Filter,
    sampler: Sampler,
    class_ids: list[int] | None,
    *,
    device: str,
    shown: bool,
    stop: Callable[[], bool],
) -> list[SampleFilter] | None:
    """The filters that samples must pass, in this order; None if `stop` returned True."""
    from hwgen.compute.devices import pick_device
    from hwgen.progress import Control
    from hwgen.store import Store
    from hwgen.synthesis.near_copy_filter import NearCopyFilter
    from hwgen.synthesis.recogniser_filter import RecogniserFilter
    from hwgen_cli.progress import bar
    from hwgen_cli.reading import warn_of_doubt

    filters: list[SampleFilter] = []
    recogniser = None
    if chosen.recogniser is not None:
        recogniser_filter = RecogniserFilter(
            chosen.recogniser,
            sampler.charset,
            class_ids,
            size=sampler.size,
            channels=sampler.channels,
            device=pick_device(device),
            **chosen.thresholds,
        )
        filters, recogniser = [recogniser_filter], recogniser_filter.recogniser
        if shown:
            warn_of_doubt(chosen.recogniser, recogniser, sampler, class_ids)
    if chosen.no_copies_of is not None:
        with bar("Reading real samples", "classes", shown=shown) as advance:
            near_copy_filter = NearCopyFilter.of(
                Store(chosen.no_copies_of),
                sampler.charset,
                class_ids,
                size=sampler.size,
                channels=sampler.channels,
                recogniser=recogniser,
                control=Control(advance, stop),
            )
        if near_copy_filter is None:
            return None
        filters.append(near_copy_filter)
    return filters


def show_acceptance(store: Store) -> None:
    """Print acceptance rates, and which classes are not full."""
    from rich.table import Table

    from hwgen.synthesis.acceptance import FILE, read_acceptance
    from hwgen_cli.terminal import Console, escape

    report = read_acceptance(store)
    classes = report.classes
    table = Table(
        "class",
        "generated",
        "accepted",
        "acceptance rate",
        "in the store",
        title=f"Accepted: {report.rate:.1%} of all samples",
    )
    for label in sorted(classes, key=lambda label: classes[label].rate)[:SHOWN_CLASSES]:
        one = classes[label]
        table.add_row(
            escape(label), f"{one.drawn}", f"{one.passed}", f"{one.rate:.1%}", f"{one.kept}"
        )
    Console(stderr=True).print(table)
    if report.short:
        short = "".join(report.short[:SHOWN_SHORT]) + (
            "…" if len(report.short) > SHOWN_SHORT else ""
        )
        print_lines(
            f"warning: {len(report.short)} of {len(classes)} classes have fewer than "
            f"{report.per_class} samples: {short}. Raise --max-tries, lower the thresholds, or "
            f"train longer; all counts are in {store.path / FILE}",
            stderr=True,
        )
