"""What a report is made of: the runs, results and stores at the given paths."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hwgen.errors import InputError
from hwgen.generators.base import get_kind
from hwgen.io.paths import describe_path, suggest_path
from hwgen.results.benchmark import Benchmark
from hwgen.results.evaluation import Evaluation
from hwgen.results.files import ResultFile
from hwgen.results.lift import Lift
from hwgen.runs import Run
from hwgen.store import Store, partial_path

_RESULTS: tuple[type[ResultFile], ...] = (Benchmark, Lift, Evaluation)


@dataclass(frozen=True)
class Inputs:
    """Everything that a report is made of, in the order given."""

    runs: tuple[Run, ...]
    benchmarks: tuple[Benchmark, ...]
    lifts: tuple[Lift, ...]
    evaluations: tuple[Evaluation, ...]
    synthetic: tuple[Store, ...]
    real: tuple[Store, ...]


def name_of(path: Path) -> str:
    """The name of a path on the page: the folder's own name, for "." too."""
    return path.resolve().name


def read_inputs(paths: Sequence[Path]) -> Inputs:
    """Open each path; a path that is given twice counts once.

    Raises:
        InputError: no paths, or one without anything to report.
        RunError: a run of a foreign format.
        StoreError: an unfinished, foreign or damaged store.
    """
    if not paths:
        raise InputError("nothing to report", remedy="Give runs, results or stores")
    opened = [_open(path) for path in {path.resolve(): path for path in paths}.values()]
    stores = [one for one in opened if isinstance(one, Store)]
    return Inputs(
        runs=tuple(one for one in opened if isinstance(one, Run)),
        benchmarks=tuple(one for one in opened if isinstance(one, Benchmark)),
        lifts=tuple(one for one in opened if isinstance(one, Lift)),
        evaluations=tuple(one for one in opened if isinstance(one, Evaluation)),
        synthetic=tuple(store for store in stores if store.is_synthetic),
        real=tuple(store for store in stores if not store.is_synthetic),
    )


def _open(path: Path) -> Run | ResultFile | Store:
    if (path / "run.json").is_file():
        return _run(path)
    for kind in _RESULTS:
        if (path / kind.NAME).is_file() or (path.name == kind.NAME and path.is_file()):
            return kind.load(path)
    if (path / "manifest.json").is_file() or partial_path(path).exists():
        return Store(path)
    found = describe_path(path)
    raise InputError(
        f"not a run, a benchmark, a lift, an evaluation or a store{found and f': {found}'}",
        where=str(path),
        remedy=suggest_path(
            path, "Give the output of hwgen train, benchmark, lift, evaluate or synthesize"
        ),
    )


def _run(path: Path) -> Run:
    run = Run(path)
    get_kind(run.kind, str(path))  # refuses unknown kinds
    return run
