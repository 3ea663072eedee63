"""The foot of a report: what kinds of handwriting are on the page, and who may have it."""

from __future__ import annotations

import datetime
from collections.abc import Iterator

import hwgen
from hwgen.report.inputs import Inputs
from hwgen.report.markup import Html, tag
from hwgen.runs import Run
from hwgen.runs.training_data import stores_beside
from hwgen.store import Store
from hwgen.store.origin import data_kind, is_generated

_RIGHTS = (
    "This page can contain real handwriting. Images of CASIA-HWDB are for research only and must "
    "not be redistributed: do not pass this file on. Rerun hwgen report with --no-real to leave "
    "real images out."
)


def footer(inputs: Inputs, *, real: bool) -> Html:
    """The foot of a page; see hwgen.report.page.write_report for the arguments."""
    today = datetime.datetime.now(datetime.timezone.utc).date().isoformat()
    made = f"Written on {today} by hwgen {hwgen.__version__}. It loads nothing and runs no script."
    kinds = {kind or "real" for kind in _kinds(inputs)}  # files of earlier versions do not say
    if "real" in kinds:
        rights = _RIGHTS if real else "Real images are left out (--no-real)."
    else:
        rights = f"All handwriting on this page is {' or '.join(sorted(kinds))}." if kinds else ""
    return tag("footer", *([tag("p", rights, class_="rights")] if rights else []), tag("p", made))


def _kinds(inputs: Inputs) -> Iterator[str]:
    """Kinds of the data whose images can be on the page, see hwgen.store.origin.data_kind."""
    for store in (*inputs.synthetic, *inputs.real):
        yield from _of_store(store)
    for run in inputs.runs:
        yield from _of_run(run)
    for lift in inputs.lifts:
        yield lift.data_kinds.get("train", "")
        for settings in lift.generator_settings:
            yield "simulated" if settings.get("kind") == "simulated" else "synthetic"
    for evaluation in inputs.evaluations:
        yield from (store.data_kind for store in evaluation.stores.values())


def _of_store(store: Store) -> Iterator[str]:
    yield store.data_kind
    # Deformed samples have pixels of real ones.
    if store.is_synthetic and not is_generated(store.manifest.origin):
        yield "real"


def _of_run(run: Run) -> Iterator[str]:
    yield "synthetic"
    # A run records the kind of its first store alone.
    yield "real" if stores_beside(run.data) else data_kind(run.origin)
