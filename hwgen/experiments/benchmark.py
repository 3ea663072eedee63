"""In: a real train store, a real test store, a synthetic store. Out: benchmark.json: what helps.

A recogniser is trained from scratch on each arm (real, real + synthetic, synthetic alone), with the
same number of optimiser steps and several seeds, and reads the real test store. Each trained
recogniser is kept in the output directory as soon as it is finished; the same call goes on from
those that are there.
"""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

import hwgen
from hwgen.compute.devices import describe, pick_precision
from hwgen.data import average_down, to_tensor
from hwgen.errors import InputError, RecipeChangedError, RunError
from hwgen.evaluation.metrics.diversity import Diversity, diversity
from hwgen.evaluation.metrics.intervals import t_interval, wilson_interval
from hwgen.evaluation.worst_classes import worst_classes
from hwgen.imaging.pixel_deviation import evenly_spaced_records, pixel_deviation
from hwgen.io.json_files import write_json
from hwgen.io.locks import alone, only_one, sweep
from hwgen.recogniser.inference import ClassIds, Recogniser, hits
from hwgen.recogniser.network import (
    RecogniserNetwork,
    RecogniserRecipe,
    flop_count,
    parameter_count,
    recipe_to_json,
)
from hwgen.recogniser.store_checks import check_alike, check_real, check_unseen, describe_store
from hwgen.recogniser.training import from_stores, take_over, train_recogniser
from hwgen.schema import differences
from hwgen.store import Store

FORMAT = "hwgen-benchmark"
FORMAT_VERSION = 1
FILE = "benchmark.json"
REAL = "real"
"""The arm that all others are compared with."""

HARDWARE = ("device", "precision", "threads", "torch")
"""What each run says of the machine that trained it; see hwgen.compute.devices.describe."""


Progress = Callable[[float, float, str], None]
"""Called with optimiser steps done over all arms and seeds, their total, and a short note."""


def benchmark(
    train: Store,
    test: Store,
    synthetic: Store | None = None,
    *,
    recipe: RecogniserRecipe,
    seeds: Sequence[int],
    out: Path,
    device: torch.device,
    start: Recogniser | None = None,
    precision: str = "auto",
    progress: Progress | None = None,
    stop: Callable[[], bool] | None = None,
) -> dict[str, Any] | None:
    """Train on each arm with each seed, read the test store, and write `out`/benchmark.json.

    Args:
        train: real handwriting to learn from.
        test: real handwriting to judge on.
        synthetic: a generator's characters; None leaves the arm "real" alone.
        recipe: of every recogniser.
        seeds: one recogniser each, in each arm.
        out: directory of benchmark.json and of `recogniser-ARM-seedN.safetensors`.
        device: where to train and read.
        start: what every recogniser starts from, but for its last layer; see `train_recogniser`.
        precision: "bf16", "fp32" or "auto"; reading is always in fp32.
        progress: told of the work done.
        stop: asked before each training step; what is finished is kept.

    Returns:
        What is in benchmark.json, plain JSON; None if `stop` said so. Intervals are 95 %: Student's
        t over the seeds ("low" and "high" are null for one seed), and for a single run Wilson's
        over the test pictures. "differences" are paired by seed. "worst" counts over all seeds.

    Raises:
        InputError: the test store holds synthetic samples, or is the train store; the train store
            is synthetic; a store is empty or smaller than the recipe's size; no or equal seeds;
            `start` has other layers, or has learnt from the test store.
        CharsetError: the stores' charsets differ.
        RecipeChangedError: `out` holds a recogniser that was trained otherwise.
        RunError: `out` is no directory, or a recogniser in it cannot be read or is being trained by
            another process.
    """
    _check(train, test, synthetic, recipe, seeds)
    if start is not None:
        take_over(RecogniserNetwork(recipe, len(train.charset), train.channels), start)
        check_unseen(test, start.provenance, by="the recogniser to start from")
    if out.exists() and not out.is_dir():
        raise RunError("is not a directory", where=str(out), remedy="Give another --out")
    out.mkdir(parents=True, exist_ok=True)
    arms = {REAL: {"train": train}}
    if synthetic is not None:
        arms["real+synthetic"] = {"train": train, "synthetic": synthetic}
        arms["synthetic"] = {"synthetic": synthetic}
    hardware = describe(device, pick_precision(precision, device))
    began = {} if start is None else {"start": start.provenance}
    trainings = [
        _Training(
            arm=arm,
            seed=seed,
            path=out / f"recogniser-{arm}-seed{seed}.safetensors",
            decides={
                "recipe": recipe_to_json(recipe),
                "precision": hardware["precision"],
                "charset": train.charset.fingerprint,
                "data": {name: store.manifest.content_sha256 for name, store in parts.items()},
                **began,
            },
        )
        for arm, parts in arms.items()
        for seed in seeds
    ]
    # Whatever does not fit is refused before any work.
    for training in trainings:
        training.check_finished()

    readings: dict[str, list[_Reading]] = {arm: [] for arm in arms}
    purity: list[ClassIds] = []
    data = None
    for number, training in enumerate(trainings):

        def report(done: int, steps: int, loss: float, number: int = number) -> None:
            if progress is not None:
                now = trainings[number]
                note = f"{now.arm}, seed {now.seed}, loss {loss:.3f}"
                progress(number * steps + done, len(trainings) * steps, note)

        if training.path.exists():
            sweep(training.path)
            recogniser = Recogniser.load(training.path, device)
        else:
            if data is None or data[0] != training.arm:
                data = None  # before the next arm's pictures take their place on the device
                stores = list(arms[training.arm].values())
                data = training.arm, from_stores(stores, recipe, device)
            with alone(training.path, "training this recogniser"):
                since = time.perf_counter()
                trained = train_recogniser(
                    data[1],
                    recipe,
                    start=start,
                    seed=training.seed,
                    device=device,
                    precision=precision,
                    progress=report,
                    stop=stop,
                )
                if trained is None:
                    return None
                recogniser = trained
                recogniser.provenance |= {
                    "arm": training.arm,
                    "decides": training.decides,
                    "seconds": round(time.perf_counter() - since, 3),
                }
                recogniser.save(training.path)
        best = recogniser.best(test.image_blocks(), min(5, len(test.charset)))
        readings[training.arm].append(_Reading(training.seed, best, recogniser.provenance))
        if training.arm == REAL and synthetic is not None:
            purity.append(recogniser.best(synthetic.image_blocks(), 1))

    network = RecogniserNetwork(recipe, len(train.charset), train.channels)
    varieties = None if synthetic is None else compare_diversity(synthetic, train, recipe.size)
    result = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "settings": {"recipe": recipe_to_json(recipe), "seeds": list(seeds), **began, **hardware},
        "versions": {
            "hwgen": hwgen.__version__,
            "python": platform.python_version(),
            "torch": torch.__version__,
            "numpy": np.__version__,
        },
        "train": describe_store(train),
        "synthetic": None if synthetic is None else describe_store(synthetic),
        "test": describe_store(test),
        "writers_shared": sorted(train.writers & test.writers),
        "network": {
            "parameters": parameter_count(network),
            "flops": flop_count(network, recipe.size, train.channels),
        },
        "arms": {arm: _arm(runs, test.labels) for arm, runs in readings.items()},
        "differences": _differences(readings, test.labels),
        "purity": None if synthetic is None else _purity(purity, synthetic),
        "diversity": None if varieties is None else asdict(varieties),
        "worst": worst_classes([run.best for run in readings[REAL]], test.labels, test.charset),
    }
    result = json.loads(json.dumps(result))
    with only_one(out / f"{FILE}.lock", wait=True, tidy=True):
        write_json(out / FILE, result)
    return result


@dataclass(frozen=True)
class _Training:
    """One recogniser to be trained, or found finished."""

    arm: str
    seed: int
    path: Path
    decides: Mapping[str, Any]

    def check_finished(self) -> None:
        """Refuse a finished recogniser that was trained otherwise."""
        if not self.path.exists():
            return
        began = Recogniser.load(self.path, torch.device("cpu")).provenance.get("decides", {})
        lines = differences(began, self.decides)
        if lines:
            raise RecipeChangedError(
                "this recogniser was trained otherwise (then -> now):\n  "
                + "\n  ".join(lines)
                + "\n",
                where=str(self.path),
                remedy="Give another --out, or the options it was trained with",
            )


@dataclass(frozen=True)
class _Reading:
    """What one recogniser made of the test store: best is int64 [N, k]."""

    seed: int
    best: ClassIds
    provenance: Mapping[str, Any]


def _check(
    train: Store,
    test: Store,
    synthetic: Store | None,
    recipe: RecogniserRecipe,
    seeds: Sequence[int],
) -> None:
    """Raise for whatever would make the result mean something else than it says."""
    if not seeds or len(set(seeds)) != len(seeds) or min(seeds) < 0:
        raise InputError(f"the seeds {list(seeds)} are not distinct numbers from 0")
    check_real(
        test,
        what="the test store",
        remedy="Only real handwriting can say what a recogniser is worth",
    )
    check_real(
        train,
        what="the train store",
        remedy="Give it as --synthetic, and real handwriting as --train",
    )
    sources = [train] if synthetic is None else [train, synthetic]
    for store in sources:
        if store.manifest.content_sha256 == test.manifest.content_sha256:
            raise InputError(
                "holds exactly the samples of the test store",
                where=str(store.path),
                remedy="Train on other samples than are tested",
            )
    check_alike(
        [*sources, test],
        charset=train.charset,
        channels=train.channels,
        size=recipe.size,
        whose=str(train.path),
    )


def _arm(runs: Sequence[_Reading], labels: ClassIds) -> dict[str, Any]:
    """The figures of one arm: each run with Wilson limits of top-1, and t-intervals over runs."""
    described = []
    top1s = [hits(run.best[:, :1], labels) for run in runs]
    top5s = [hits(run.best, labels) for run in runs]
    for run, top1, top5 in zip(runs, top1s, top5s, strict=True):
        wilson = wilson_interval(round(top1 * len(labels)), len(labels))
        described.append(
            {
                "seed": run.seed,
                "top1": top1,
                "top1_low": wilson.low,
                "top1_high": wilson.high,
                "top5": top5,
                "seconds": run.provenance["seconds"],
                "trained_on": {name: run.provenance[name] for name in HARDWARE},
            }
        )
    return {
        "runs": described,
        "top1": _share(top1s),
        "top5": _share(top5s),
    }


def _share(values: Sequence[float]) -> dict[str, Any]:
    return asdict(t_interval(values, lowest=0.0, highest=1.0))


def _differences(
    readings: Mapping[str, Sequence[_Reading]], labels: ClassIds
) -> dict[str, dict[str, Any]]:
    """Top-1 of each other arm less that of the arm "real", paired by seed."""
    top1 = {arm: [hits(run.best[:, :1], labels) for run in runs] for arm, runs in readings.items()}
    return {
        f"{arm} - {REAL}": asdict(
            t_interval([a - b for a, b in zip(values, top1[REAL], strict=True)])
        )
        for arm, values in top1.items()
        if arm != REAL
    }


def _purity(best: Sequence[ClassIds], synthetic: Store) -> dict[str, Any]:
    """How the recognisers trained on real data read the synthetic set, int64 [N, 1] a seed."""
    labels = synthetic.labels
    right = np.mean([ids[:, 0] == labels for ids in best], axis=0)
    runs = [hits(ids, labels) for ids in best]
    return {
        "runs": runs,
        "top1": _share(runs),
        "per_class": {
            synthetic.charset[class_id]: float(right[labels == class_id].mean())
            for class_id in np.unique(labels).tolist()
        },
    }


def compare_diversity(synthetic: Store, real: Store, size: int) -> Diversity | None:
    """Variety within the classes of a synthetic store as a share of that of a real one.

    Args:
        synthetic: a store.
        real: a store of the same charset.
        size: both are averaged down to it first.
    """
    return diversity(deviations(synthetic, size), deviations(real, size))


def deviations(store: Store, size: int) -> dict[str, float]:
    """`pixel_deviation` by label, for classes of at least two pictures."""
    labels = store.labels
    deviations = {}
    for class_id, label in enumerate(store.charset):
        chosen = evenly_spaced_records(labels, class_id)
        if len(chosen) > 1:
            images = to_tensor(store.images(chosen), torch.device("cpu"))
            deviations[label] = pixel_deviation(average_down(images, size).numpy())
    return deviations
