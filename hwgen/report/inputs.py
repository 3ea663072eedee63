"""In: paths that a user gave. Out: the runs, results and stores there, checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hwgen.errors import InputError
from hwgen.io.json_files import read_object, reading
from hwgen.io.paths import describe_path, suggest_path
from hwgen.results.evaluation import EVALUATION_FILE, Evaluation, read_evaluation
from hwgen.results.lift import LIFT_FILE, Lift, read_lift
from hwgen.runs import Run
from hwgen.schema import from_json
from hwgen.store import Store, partial_path

BENCHMARK_FILE = "benchmark.json"
BENCHMARK_FORMAT = "hwgen-benchmark"
BENCHMARK_VERSION = 1

RUN_KINDS = ("gan", "deformation")
"""Of training runs that a page shows; see Run.kind."""

MOST_ARMS, MOST_TRIALS = 50, 1000
"""Of a benchmark, and of an arm, that a page shows; hwgen makes three arms."""


@dataclass(frozen=True)
class Interval:
    """A mean and its 95 % interval over seeds; the ends are None where there is one seed only."""

    mean: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Trial:
    """One recogniser: accuracies in [0, 1], training time in seconds."""

    seed: int
    top1: float
    top5: float
    seconds: float


@dataclass(frozen=True)
class Arm:
    """Recognisers trained on the same data with different seeds."""

    name: str
    trials: tuple[Trial, ...]
    top1: Interval
    top5: Interval


@dataclass(frozen=True)
class StoreFacts:
    """What a benchmark says of a store that it read."""

    path: str
    count: int
    charset_fingerprint: str
    content_sha256: str
    made: str = ""


@dataclass(frozen=True)
class Ratio:
    """One figure of a synthetic set with its parts a class; an interval, or a plain mean."""

    overall: Interval
    per_class: dict[str, float]


@dataclass(frozen=True)
class Worst:
    """A class that is often misread: what it is read as, and how often."""

    label: str
    accuracy: float
    count: int
    read_as: dict[str, int]


@dataclass(frozen=True)
class Benchmark:
    """A benchmark.json, checked.

    Attributes:
        path: as the user gave it.
        settings: recipe, seeds, device, precision; plain JSON.
        writers_shared: known writers of both the train and the test store.
        parameters: of the recogniser.
        flops: of the recogniser, one picture.
        differences: arm minus arm, paired by seed.
        purity: how much of the synthetic set is read as its label; None where not measured.
        diversity: variety within a class, synthetic over real; None where not measured.
    """

    path: Path
    settings: dict[str, Any]
    versions: dict[str, str]
    stores: dict[str, StoreFacts]
    writers_shared: tuple[str, ...]
    parameters: int
    flops: int
    arms: tuple[Arm, ...]
    differences: dict[str, Interval]
    purity: Ratio | None
    diversity: Ratio | None
    worst: tuple[Worst, ...]


@dataclass(frozen=True)
class Inputs:
    """Everything a report is made of, in the order given."""

    runs: tuple[Run, ...]
    benchmarks: tuple[Benchmark, ...]
    lifts: tuple[Lift, ...]
    evaluations: tuple[Evaluation, ...]
    synthetic: tuple[Store, ...]
    real: tuple[Store, ...]


def name_of(path: Path) -> str:
    """What a page calls the thing at a path: the folder's own name, for "." too."""
    return path.resolve().name


def read_inputs(paths: Sequence[Path]) -> Inputs:
    """Open what lies at each path; a path given twice counts once.

    Raises:
        InputError: no path, or one with nothing that can be reported.
        RunError: a run of a foreign format.
        StoreError: an unfinished, foreign or damaged store.
    """
    if not paths:
        raise InputError("nothing to report", remedy="Give runs, benchmarks or stores")
    runs: list[Run] = []
    benchmarks: list[Benchmark] = []
    lifts: list[Lift] = []
    evaluations: list[Evaluation] = []
    stores: list[Store] = []
    for path in {path.resolve(): path for path in paths}.values():
        if (path / "run.json").is_file():
            runs.append(_run(path))
        elif (path / BENCHMARK_FILE).is_file():
            benchmarks.append(read_benchmark(path / BENCHMARK_FILE))
        elif path.name == BENCHMARK_FILE and path.is_file():
            benchmarks.append(read_benchmark(path))
        elif (path / LIFT_FILE).is_file():
            lifts.append(read_lift(path / LIFT_FILE))
        elif path.name == LIFT_FILE and path.is_file():
            lifts.append(read_lift(path))
        elif (path / EVALUATION_FILE).is_file():
            evaluations.append(read_evaluation(path / EVALUATION_FILE))
        elif path.name == EVALUATION_FILE and path.is_file():
            evaluations.append(read_evaluation(path))
        elif (path / "manifest.json").is_file() or partial_path(path).exists():
            stores.append(Store(path))
        else:
            known = describe_path(path)
            raise InputError(
                f"is neither a run, a benchmark, an evaluation nor a store{known and f': {known}'}",
                where=str(path),
                remedy=suggest_path(
                    path, "Give what hwgen train, benchmark, evaluate or synthesize wrote"
                ),
            )
    return Inputs(
        runs=tuple(runs),
        benchmarks=tuple(benchmarks),
        lifts=tuple(lifts),
        evaluations=tuple(evaluations),
        synthetic=tuple(store for store in stores if store.is_synthetic),
        real=tuple(store for store in stores if not store.is_synthetic),
    )


def _run(path: Path) -> Run:
    run = Run(path)
    if run.kind not in RUN_KINDS:
        raise InputError(
            f"is a run of kind {run.kind!r}; a page shows those of kind {' and '.join(RUN_KINDS)}",
            where=str(path),
            remedy="Give the folder that hwgen benchmark wrote, or the store that hwgen synthesize "
            "wrote",
        )
    return run


def read_benchmark(file: Path) -> Benchmark:
    """A benchmark.json, checked field by field.

    Raises:
        InputError: not JSON, of another format, or a field is missing, of the wrong type, or more
            than a page can show.
    """
    with reading(file, "a benchmark", "Run hwgen benchmark again"):
        plain = read_object(file, BENCHMARK_FORMAT, BENCHMARK_VERSION)
        found: _File = from_json(_File, plain, "benchmark", ignore_unknown=True)
        trials = max((len(arm.runs) for arm in found.arms.values()), default=0)
        if len(found.arms) > MOST_ARMS or trials > MOST_TRIALS:
            raise ValueError(f"{len(found.arms):,} arms of up to {trials:,} runs")
    stores = {"train": found.train, "synthetic": found.synthetic, "test": found.test}
    purity, diversity = found.purity, found.diversity
    return Benchmark(
        path=file.parent,
        settings=found.settings,
        versions=found.versions,
        stores={role: store for role, store in stores.items() if store is not None},
        writers_shared=found.writers_shared,
        parameters=found.network.parameters,
        flops=found.network.flops,
        arms=tuple(Arm(name, arm.runs, arm.top1, arm.top5) for name, arm in found.arms.items()),
        differences=found.differences,
        purity=None if purity is None else Ratio(purity.top1, purity.per_class),
        diversity=None
        if diversity is None
        else Ratio(Interval(diversity.ratio, None, None), diversity.per_class),
        worst=found.worst,
    )


@dataclass(frozen=True)
class _Arm:
    runs: tuple[Trial, ...]
    top1: Interval
    top5: Interval


@dataclass(frozen=True)
class _Network:
    parameters: int
    flops: int


@dataclass(frozen=True)
class _Purity:
    top1: Interval
    per_class: dict[str, float]


@dataclass(frozen=True)
class _Diversity:
    ratio: float
    per_class: dict[str, float]


@dataclass(frozen=True)
class _File:
    """What is read of a benchmark.json."""

    settings: dict[str, Any]
    versions: dict[str, str]
    train: StoreFacts | None
    synthetic: StoreFacts | None
    test: StoreFacts | None
    network: _Network
    arms: dict[str, _Arm]
    differences: dict[str, Interval]
    purity: _Purity | None
    diversity: _Diversity | None
    worst: tuple[Worst, ...]
    writers_shared: tuple[str, ...] = ()
