"""What a recogniser gains from synthetic samples: trained on real, on both, and on synthetic alone.

Every arm has the same number of optimiser steps, or as many as help it on samples held out from the
train store, and the same seeds, and is tested on the real test store. Finished recognisers are kept
in the output directory; a rerun resumes from them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hwgen.compute.devices import describe, pick_precision
from hwgen.data import average_down, to_tensor
from hwgen.errors import InputError
from hwgen.evaluation.metrics.diversity import Diversity, diversity
from hwgen.evaluation.metrics.intervals import t_interval, wilson_interval
from hwgen.evaluation.worst_classes import worst_classes
from hwgen.experiments.step_search import TRAIN, Search
from hwgen.imaging.pixel_deviation import evenly_spaced_records, pixel_deviation
from hwgen.progress import NO_CONTROL, Control
from hwgen.recogniser.cached_training import CachedTraining
from hwgen.recogniser.inference import Recogniser
from hwgen.recogniser.mixing import LabelledImages
from hwgen.recogniser.network import (
    RecogniserNetwork,
    RecogniserRecipe,
    fine_tuned,
    flop_count,
    parameter_count,
    recipe_to_json,
)
from hwgen.recogniser.reader import ClassIds, top_k_accuracy
from hwgen.recogniser.store_checks import (
    check_alike,
    check_real,
    check_separate,
    check_unseen,
    describe_store,
    shared_writers,
    without_records,
)
from hwgen.recogniser.training import copy_weights
from hwgen.results.benchmark import (
    REAL,
    Arm,
    Benchmark,
    ByWriter,
    DiversityRatio,
    Network,
    Purity,
    StepSearch,
    Trial,
)
from hwgen.results.parts import Interval
from hwgen.results.version import versions
from hwgen.schema import check_numbers
from hwgen.store import Store

HARDWARE = ("device", "precision", "threads", "torch")
"""What each trial says of the machine that trained it; see hwgen.compute.devices.describe."""


def benchmark(
    train: Store,
    test: Store,
    synthetic: Store | None = None,
    *,
    recipe: RecogniserRecipe,
    seeds: Sequence[int],
    out: Path,
    device: torch.device,
    init_from: Recogniser | None = None,
    precision: str = "auto",
    budgets: Sequence[int] = (),
    control: Control = NO_CONTROL,
) -> Benchmark | None:
    """Train on each arm with each seed, test on the test store, and write `out`/benchmark.json.

    Args:
        train: real samples to train on.
        test: real samples to test on.
        synthetic: synthetic samples; None leaves the arm "real" alone.
        recipe: of every recogniser; with `init_from` see `fine_tuned`.
        seeds: one recogniser each, in each arm.
        out: directory of benchmark.json and of `recogniser-ARM-seedN.safetensors`.
        device: where to train and test.
        init_from: pretrained weights of all layers but the last; see `train_recogniser`.
        precision: of training: "bf16", "fp32" or "auto"; testing is always in fp32.
        budgets: numbers of steps, ascending, of which each arm gets the best one, by a first
            recogniser without a tenth of the train store, see hwgen.experiments.step_search; () for
            those of the recipe.
        control: progress in optimiser steps over all arms and seeds; asked to stop before each
            step. Finished recognisers are kept.

    Returns:
        The content of benchmark.json; None if it was stopped. Intervals are 95 %: Student's t
        over seeds (no limits with one seed); Wilson's over test samples for a single trial.
        Differences are paired by seed. The worst classes are counted over all seeds.

    Raises:
        InputError: the test store holds synthetic samples, or is the train store; the train store
            is synthetic, or too small to hold samples out; a store is empty or smaller than the
            recipe's size; no or equal seeds; `init_from` has other layers, or was trained on the
            test store.
        CharsetError: the stores' charsets differ.
        RecipeChangedError: `out` holds a recogniser that was trained with other settings.
        RunError: `out` is not a directory, or a recogniser in it cannot be read or is being trained
            by another process.
    """
    _check(train, test, synthetic, recipe=recipe, seeds=seeds)
    if init_from is not None:
        copy_weights(RecogniserNetwork(recipe, len(train.charset), train.channels), init_from)
        check_unseen(test, init_from.provenance, by="the recogniser to start from")
        recipe = fine_tuned(recipe)
    Benchmark.check_folder(out)
    out.mkdir(parents=True, exist_ok=True)
    arms = {REAL: {TRAIN: train}}
    if synthetic is not None:
        arms["real+synthetic"] = {TRAIN: train, "synthetic": synthetic}
        arms["synthetic"] = {"synthetic": synthetic}
    searches: dict[str, StepSearch] = {}
    if budgets:
        search = Search(
            train=train,
            budgets=budgets,
            recipe=recipe,
            out=out,
            device=device,
            precision=precision,
            init_from=init_from,
        )
        for arm, stores in arms.items():
            found = search.run(arm, stores, control)
            if found is None:
                return None
            searches[arm] = found
        recipe = replace(recipe, steps=searches[REAL].best)
    trainings = [
        CachedTraining(
            arm=arm,
            stores=stores,
            recipe=replace(recipe, steps=searches[arm].best) if arm in searches else recipe,
            seed=seed,
            folder=out,
            device=device,
            precision=precision,
            init_from=init_from,
        )
        for arm, stores in arms.items()
        for seed in seeds
    ]
    for training in trainings:  # before any work
        training.check()
    tested = _train_and_test(trainings, test, synthetic, control)
    if tested is None:
        return None
    began = {} if init_from is None else {"start": without_records(init_from.provenance)}
    hardware = describe(device, pick_precision(precision, device))
    settings = {"recipe": recipe_to_json(recipe), "seeds": list(seeds), **began, **hardware}
    result = _result(train, test, synthetic, tested, recipe=recipe, settings=settings)
    trained = {name: replace(arm, search=searches.get(name)) for name, arm in result.arms.items()}
    return replace(result, arms=trained).save(out)


@dataclass(frozen=True)
class _Tested:
    """What one recogniser read.

    Attributes:
        seed: of its training.
        best: most probable classes of each test sample, int64 [N, k].
        synthetic: most probable class of each synthetic sample, int64 [N, 1]; None in other arms
            than "real".
        provenance: of the recogniser.
    """

    seed: int
    best: ClassIds
    synthetic: ClassIds | None
    provenance: Mapping[str, Any]


def _train_and_test(
    trainings: Sequence[CachedTraining],
    test: Store,
    synthetic: Store | None,
    control: Control,
) -> dict[str, list[_Tested]] | None:
    """By arm; None if it was stopped."""
    tested: dict[str, list[_Tested]] = {training.arm: [] for training in trainings}
    loaded: dict[str, LabelledImages] = {}
    every = [training.recipe.steps for training in trainings]
    for number, training in enumerate(trainings):

        def report(
            done: int, _: int, loss: float, number: int = number, now: CachedTraining = training
        ) -> None:
            note = f"{now.arm}, seed {now.seed}, loss {loss:.3f}"
            control.progress(sum(every[:number]) + done, sum(every), note)

        def load(now: CachedTraining = training) -> LabelledImages:
            if now.arm not in loaded:
                loaded.clear()  # makes room on the device first
                loaded[now.arm] = now.load()
            return loaded[now.arm]

        recogniser = training.run(report, control.stop, load=load)
        if recogniser is None:
            return None
        best = recogniser.top_k(test.image_blocks(), min(5, len(test.charset)))
        read = None
        if training.arm == REAL and synthetic is not None:
            read = recogniser.top_k(synthetic.image_blocks(), 1)
        tested[training.arm].append(_Tested(training.seed, best, read, recogniser.provenance))
    return tested


def _result(
    train: Store,
    test: Store,
    synthetic: Store | None,
    tested: Mapping[str, Sequence[_Tested]],
    *,
    recipe: RecogniserRecipe,
    settings: dict[str, Any],
) -> Benchmark:
    network = RecogniserNetwork(recipe, len(train.charset), train.channels)
    purity = ratio = None
    if synthetic is not None:
        read = [one.synthetic for one in tested[REAL] if one.synthetic is not None]
        purity = _purity(read, synthetic)
        found = compare_diversity(synthetic, train, min(recipe.size, synthetic.size, train.size))
        ratio = None if found is None else DiversityRatio(found.ratio, found.per_class)
    return Benchmark(
        settings=settings,
        versions=versions(torch=torch.__version__, numpy=np.__version__),
        train=describe_store(train),
        synthetic=None if synthetic is None else describe_store(synthetic),
        test=describe_store(test),
        writers_shared=shared_writers(train, test),
        network=Network(parameter_count(network), flop_count(network, recipe.size, train.channels)),
        arms={arm: _arm(trials, test) for arm, trials in tested.items()},
        differences=_differences(tested, test.labels),
        purity=purity,
        diversity=ratio,
        worst=worst_classes([one.best for one in tested[REAL]], test.labels, test.charset),
    )


def _check(
    train: Store,
    test: Store,
    synthetic: Store | None,
    *,
    recipe: RecogniserRecipe,
    seeds: Sequence[int],
) -> None:
    """Refuse stores and seeds with which the result would be wrong or misleading."""
    if not seeds or len(set(seeds)) != len(seeds) or min(seeds) < 0:
        raise InputError(f"the seeds {list(seeds)} are not different numbers of at least 0")
    check_numbers(list(seeds), "seeds")
    check_real(
        test,
        what="the test store",
        remedy="Test on real samples",
    )
    check_real(
        train,
        what="the train store",
        remedy="Give it as --synthetic, and real samples as --train",
    )
    sources = [train] if synthetic is None else [train, synthetic]
    for store in sources:
        check_separate(store, test, of="the test store")
    check_alike(
        [*sources, test],
        charset=train.charset,
        channels=train.channels,
        size=recipe.smallest,
        owner=str(train.path),
    )


def _arm(tested: Sequence[_Tested], test: Store) -> Arm:
    """One arm: each trial with Wilson's limits of top-1, and t-intervals over trials."""
    labels = test.labels
    top1s = [top_k_accuracy(one.best[:, :1], labels) for one in tested]
    top5s = [top_k_accuracy(one.best, labels) for one in tested]
    limits = [wilson_interval(round(top1 * len(labels)), len(labels)) for top1 in top1s]
    return Arm(
        trials=tuple(
            Trial(
                seed=one.seed,
                top1=top1,
                top1_low=wilson.low,
                top1_high=wilson.high,
                top5=top5,
                seconds=one.provenance["seconds"],
                trained_on={name: one.provenance[name] for name in HARDWARE},
            )
            for one, top1, wilson, top5 in zip(tested, top1s, limits, top5s, strict=True)
        ),
        top1=_fraction(top1s),
        top5=_fraction(top5s),
        by_writer=_by_writer(tested, test),
    )


def _by_writer(tested: Sequence[_Tested], test: Store) -> ByWriter | None:
    """Top-1 by writer, if all are known and there are several."""
    names = test.manifest.tables["writers"]
    if len(names) < 2 or "" in names:
        return None
    right = np.mean([one.best[:, 0] == test.labels for one in tested], axis=0)
    found = {
        names[number]: float(right[test.columns["writer"] == number].mean())
        for number in np.unique(test.columns["writer"]).tolist()
    }
    return ByWriter(_fraction(list(found.values())), found)


def _fraction(values: Sequence[float]) -> Interval:
    return t_interval(values, lowest=0.0, highest=1.0)


def _differences(tested: Mapping[str, Sequence[_Tested]], labels: ClassIds) -> dict[str, Interval]:
    """Top-1 of each other arm less that of the arm "real", paired by seed."""
    top1 = {
        arm: [top_k_accuracy(one.best[:, :1], labels) for one in own] for arm, own in tested.items()
    }
    return {
        f"{arm} - {REAL}": t_interval([a - b for a, b in zip(values, top1[REAL], strict=True)])
        for arm, values in top1.items()
        if arm != REAL
    }


def _purity(best: Sequence[ClassIds], synthetic: Store) -> Purity:
    """Of a synthetic store; `best` is the most probable class of each sample, int64 [N, 1]."""
    labels = synthetic.labels
    right = np.mean([ids[:, 0] == labels for ids in best], axis=0)
    fractions = [top_k_accuracy(ids, labels) for ids in best]
    return Purity(
        trials=tuple(fractions),
        top1=_fraction(fractions),
        per_class={
            synthetic.charset[class_id]: float(right[labels == class_id].mean())
            for class_id in np.unique(labels).tolist()
        },
    )


def compare_diversity(synthetic: Store, real: Store, size: int) -> Diversity | None:
    """Variety within the classes of a synthetic store, divided by that of a real one.

    Args:
        synthetic: a store.
        real: a store of the same charset.
        size: both are averaged down to it first.
    """
    return diversity(deviations(synthetic, size), deviations(real, size))


def deviations(store: Store, size: int) -> dict[str, float]:
    """`pixel_deviation` by label, for classes of at least two samples."""
    labels = store.labels
    deviations = {}
    for class_id, label in enumerate(store.charset):
        chosen = evenly_spaced_records(labels, class_id)
        if len(chosen) > 1:
            images = to_tensor(store.images(chosen), torch.device("cpu"))
            deviations[label] = pixel_deviation(average_down(images, size).numpy())
    return deviations
