"""In: paths that a user gave. Out: the runs, results and stores there, checked."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hwgen.errors import InputError
from hwgen.places import instead, what_lies_at
from hwgen.report.evaluations import EVALUATION_FILE, Evaluation, read_evaluation
from hwgen.report.lifts import LIFT_FILE, Lift, read_lift
from hwgen.runs import Run
from hwgen.store import Store, partial_path

BENCHMARK_FILE = "benchmark.json"
BENCHMARK_FORMAT = "hwgen-benchmark"
BENCHMARK_VERSION = 1


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
            runs.append(_gan_run(path))
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
            known = what_lies_at(path)
            raise InputError(
                f"is neither a run, a benchmark, an evaluation nor a store{known and f': {known}'}",
                where=str(path),
                remedy=instead(
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


def _gan_run(path: Path) -> Run:
    run = Run(path)
    if run.kind != "gan":
        raise InputError(
            f"is a run of kind {run.kind!r}; a report shows training runs of a GAN",
            where=str(path),
            remedy="Give the folder that hwgen benchmark wrote, or the store that hwgen synthesize "
            "wrote",
        )
    return run


def read_benchmark(file: Path) -> Benchmark:
    """A benchmark.json, checked field by field.

    Raises:
        InputError: not JSON, of another format, or a field is missing or of the wrong type.
    """
    try:
        value = json.loads(file.read_text(encoding="utf-8"))
        found = (value["format"], value["format_version"])
        if found != (BENCHMARK_FORMAT, BENCHMARK_VERSION):
            raise ValueError(f"format {found[0]!r} version {found[1]!r}")
        return _benchmark(file, value)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"is not a benchmark this hwgen can read ({type(error).__name__}: {error})",
            where=str(file),
            remedy="Run hwgen benchmark again",
        ) from None


def _benchmark(file: Path, value: Mapping[str, Any]) -> Benchmark:
    purity, diversity = value["purity"], value["diversity"]
    return Benchmark(
        path=file.parent,
        settings=dict(value["settings"]),
        versions={str(name): str(version) for name, version in value["versions"].items()},
        stores={
            role: StoreFacts(
                path=str(value[role]["path"]),
                count=int(value[role]["count"]),
                charset_fingerprint=str(value[role]["charset_fingerprint"]),
                content_sha256=str(value[role]["content_sha256"]),
            )
            for role in ("train", "synthetic", "test")
            if value[role] is not None
        },
        writers_shared=tuple(str(writer) for writer in value.get("writers_shared", ())),
        parameters=int(value["network"]["parameters"]),
        flops=int(value["network"]["flops"]),
        arms=tuple(_arm(str(name), arm) for name, arm in value["arms"].items()),
        differences={str(name): _interval(d) for name, d in value["differences"].items()},
        purity=None if purity is None else Ratio(_interval(purity["top1"]), _per_class(purity)),
        diversity=None
        if diversity is None
        else Ratio(Interval(float(diversity["ratio"]), None, None), _per_class(diversity)),
        worst=tuple(
            Worst(
                label=str(row["label"]),
                accuracy=float(row["accuracy"]),
                count=int(row["count"]),
                read_as={str(other): int(times) for other, times in row["read_as"].items()},
            )
            for row in value["worst"]
        ),
    )


def _arm(name: str, value: Mapping[str, Any]) -> Arm:
    trials = tuple(
        Trial(int(run["seed"]), float(run["top1"]), float(run["top5"]), float(run["seconds"]))
        for run in value["runs"]
    )
    return Arm(name, trials, _interval(value["top1"]), _interval(value["top5"]))


def _interval(value: Mapping[str, Any]) -> Interval:
    low, high = value["low"], value["high"]
    if low is None or high is None:
        return Interval(float(value["mean"]), None, None)
    return Interval(float(value["mean"]), float(low), float(high))


def _per_class(value: Mapping[str, Any]) -> dict[str, float]:
    return {str(label): float(part) for label, part in value["per_class"].items()}
