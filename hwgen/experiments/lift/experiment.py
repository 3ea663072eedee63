"""How much synthetic samples raise the accuracy of a recogniser, by the number of real samples.

Several processes may share one directory: each takes trials that no other one is working on. The
trials of a killed process are taken by the next.

draws/n10-draw0.store          the real samples of a trial, for recogniser and generator alike
generators/n10-draw0/          the generator's run
synthetic/n10-draw0-100.store  its samples, 100 per class
rows/n10-draw0-classical.json  a finished trial
lift.json                      the result, once all trials are finished
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

import hwgen
from hwgen.compute.devices import describe, pick_precision
from hwgen.errors import InputError, RunError
from hwgen.experiments.lift.arms import ARMS, Arm, all_trials
from hwgen.experiments.lift.checks import check_start, check_stores, check_unseen_by
from hwgen.experiments.lift.generators import Generator
from hwgen.experiments.lift.subsets import Ids, choose, held_out, rare_classes, write_subset
from hwgen.experiments.lift.summary import summarise
from hwgen.io.locks import file_lock
from hwgen.progress import NO_CONTROL, Control
from hwgen.recogniser.inference import Recogniser
from hwgen.recogniser.network import (
    STRONG,
    Augmentation,
    RecogniserRecipe,
    recipe_to_json,
)
from hwgen.recogniser.store_checks import shared_writers, without_records
from hwgen.recogniser.training import from_stores, train_recogniser
from hwgen.results.lift import ALL, Lift, TestStore
from hwgen.results.trials import Trial, TrialResult
from hwgen.schema import check_numbers, key, to_json
from hwgen.store import Store
from hwgen.suggestions import suggest

STRONG_EPOCHS, PRETRAINED_STRONG_EPOCHS = 25.0, 200.0
"""Passes over the real samples from which STRONG augmentation pays: from scratch, and from
pretrained weights. On held-out training scans of HWDB (benchmarks/lift_choice.py) it does better at
36 passes and worse at 14, and better at 240 and worse at 72. With 3,755 classes it costs 11 points
at 14 passes, more at fewer, and none at 41."""

NO_AUGMENTATION = Augmentation(rotate=0, shear=0, scale=0, translate=0, elastic=0)

_WAIT_SECONDS = 1.0


@dataclass(frozen=True)
class Experiment:
    """Which trials, and how their recognisers are trained.

    Attributes:
        kind: "few-shot": `real_per_class` samples of every class. "rare": so many of the rare
            classes, and all of the others; see rare_classes. There every class has the same
            probability in a batch, in every arm.
        real_per_class: real samples per class; ALL is all.
        trials: repetitions with other samples and seeds.
        arms: names in ARMS.
        synthetic_per_class: numbers of synthetic samples, each a trial of its own in the arms that
            have them. The advice is about the first.
        recipe: of every recogniser; its augmentation is the classical one.
        strong_epochs: passes over the real samples from which an arm that trains from scratch has
            STRONG as its classical augmentation; None: never.
        pretrained_strong_epochs: the same for an arm that starts from pretrained weights.
        held_out_per_class: samples per class that no trial trains on; see subsets.held_out.
        evaluate_on: "test": the test store. "held-out": those samples, to choose settings on.
    """

    kind: Literal["few-shot", "rare"] = "few-shot"
    real_per_class: tuple[int, ...] = field(default=(5, 10, 20, 50, ALL), metadata=key("counts"))
    trials: int = field(default=3, metadata=key("draws"))
    arms: tuple[str, ...] = tuple(name for name, arm in ARMS.items() if not arm.pretrained)
    synthetic_per_class: tuple[int, ...] = field(default=(100,), metadata=key("amounts"))
    recipe: RecogniserRecipe = field(default_factory=RecogniserRecipe)
    strong_epochs: float | None = field(default=None, metadata=key("strong_views"))
    pretrained_strong_epochs: float | None = field(
        default=None, metadata=key("started_strong_views")
    )
    held_out_per_class: int = field(default=40, metadata=key("held_out"))
    evaluate_on: Literal["test", "held-out"] = field(default="test", metadata=key("judged_on"))

    def __post_init__(self) -> None:
        check_numbers(self, "experiment")
        unknown = sorted(set(self.arms) - set(ARMS))
        if not self.arms:
            raise InputError("no arms", remedy=f"Give some of {', '.join(ARMS)}")
        if unknown:
            raise InputError(f"unknown arm {unknown[0]!r}", remedy=suggest(unknown[0], ARMS))
        if not self.real_per_class or min(self.real_per_class) < 0:
            raise InputError(
                f"numbers of real samples {list(self.real_per_class)}; expected at least one, 0 or "
                "more"
            )
        if self.trials < 1:
            raise InputError(f"{self.trials} trials; expected at least 1")
        if min(self.synthetic_per_class, default=0) < 1:
            raise InputError(
                f"numbers of synthetic samples {list(self.synthetic_per_class)}; expected at least "
                "one, 1 or more"
            )
        if self.evaluate_on == "held-out" and self.held_out_per_class < 1:
            raise InputError("evaluation on held-out samples, but no samples are held out")

    def all_trials(self) -> list[Trial]:
        """Every trial of the experiment."""
        return all_trials(self.real_per_class, self.trials, self.arms, self.synthetic_per_class)

    def recipe_of(self, arm: Arm, samples: float) -> RecogniserRecipe:
        """The recipe of a recogniser.

        Args:
            arm: how it is trained.
            samples: real training samples; where classes are balanced, as many as there were if
                every class had as few as the rare ones.
        """
        recipe = replace(self.recipe, balanced=self.kind == "rare")
        if not arm.augmented:
            return replace(recipe, augmentation=NO_AUGMENTATION)
        least = self.pretrained_strong_epochs if arm.pretrained else self.strong_epochs
        strong = least is not None and recipe.steps * recipe.batch / samples >= least
        return replace(recipe, augmentation=STRONG) if strong else recipe


def run_experiment(
    train: Store,
    test: Store,
    experiment: Experiment,
    generator: Generator,
    out: Path,
    *,
    device: torch.device,
    init_from: Recogniser | None = None,
    precision: str = "auto",
    control: Control = NO_CONTROL,
    so_far: bool = False,
) -> Lift | None:
    """Run the trials that are not finished, and sum up once all are.

    Args:
        train: real samples, from which each trial takes a subset.
        test: real samples of other writers, with the same charset.
        experiment: see Experiment.
        generator: makes the synthetic samples of each trial from its real ones.
        out: directory, see the first lines of this module; several processes may share it.
        device: of the recognisers.
        init_from: a recogniser of other characters, whose weights the pretrained arms start from.
        precision: of their training.
        control: progress in trials. Finished trials are kept when it stops.
        so_far: run nothing, and sum up the finished trials; `Lift.missing` names the others.

    Returns:
        The content of lift.json; None if it was stopped.

    Raises:
        CharsetError: the stores' charsets differ.
        InputError: a store is synthetic, or too small, or a class has too few samples; the
            generator or `init_from` was trained on one of the stores; an arm is pretrained and
            there is no `init_from`; with `so_far`, no trial is finished.
        RecipeChangedError: `out` holds trials of other settings.
    """
    check_stores(train, test, experiment.recipe)
    check_unseen_by(generator, init_from, stores=(train, test))
    check_start(train, experiment.recipe, experiment.arms, init_from)
    Lift.check_folder(out)
    work = _Work(
        train=train,
        test=test,
        experiment=experiment,
        generator=generator,
        out=out,
        device=device,
        init_from=init_from,
        precision=precision,
    )
    trials = experiment.all_trials()
    results = {trial: work.finished(trial) for trial in trials}  # refuses other settings first
    if not so_far:
        work.check([trial for trial, result in results.items() if result is None])
    while not so_far and (missing := [one for one, result in results.items() if result is None]):
        taken = False
        for trial in missing:
            done = sum(result is not None for result in results.values())

            def report(what: str, fraction: float, done: int = done, trial: Trial = trial) -> None:
                done_now = done + min(fraction, 0.99)
                control.progress(done_now, len(trials), f"{trial.name}: {what}")

            if control.stop():
                return None
            with file_lock(out / "locks" / f"{trial.name}.lock") as ours:
                if ours:
                    results[trial] = work.finished(trial) or work.run(trial, report, control.stop)
                    taken = taken or results[trial] is not None
        if not taken and not control.stop():
            time.sleep(_WAIT_SECONDS)  # other processes run what is missing
    if not any(results.values()):
        raise InputError("no trial is finished", where=str(out), remedy="Run the experiment first")
    lift = work.lift(results).save(out)
    control.progress(len(trials), len(trials), "done")
    return lift


@dataclass
class _Work:
    """What all trials share."""

    train: Store
    test: Store
    experiment: Experiment
    generator: Generator
    out: Path
    device: torch.device
    init_from: Recogniser | None
    precision: str

    def __post_init__(self) -> None:
        labels = self.train.labels
        reserved = held_out(labels, self.experiment.held_out_per_class)
        self._free = ~reserved
        classes = len(self.train.charset)
        self._rare = np.ones(classes, bool)
        self.groups: dict[str, list[int]] = {"all": list(range(classes))}
        if self.experiment.kind == "rare":
            self._rare = rare_classes(labels, classes)
            self.groups = {
                "rare": np.flatnonzero(self._rare).tolist(),
                "common": np.flatnonzero(~self._rare).tolist(),
                **self.groups,
            }
        # Subsets that are too large are refused before any work.
        for trial in self.experiment.all_trials():
            choose(labels, self._free, self._counts(trial), trial.seed)
        self._judge = self.test
        if self.experiment.evaluate_on == "held-out":
            with file_lock(self.out / "locks" / "held-out.lock", wait=True):
                path = self.out / "draws" / "held-out.store"
                self._judge = write_subset(self.train, np.flatnonzero(reserved), path)
        recipe = replace(self.experiment.recipe, balanced=self.experiment.kind == "rare")
        precision = pick_precision(self.precision, self.device)
        self._hardware = describe(self.device, precision)
        self.config = {
            "kind": self.experiment.kind,
            "recipe": recipe_to_json(recipe),
            "held_out": self.experiment.held_out_per_class,
            "train": self.train.manifest.content_sha256,
            "judged_on": self._judge.manifest.content_sha256,
            "precision": self._hardware["precision"],
        }

    def finished(self, trial: Trial) -> TrialResult | None:
        """The result of a trial, if it is finished."""
        path = self._path(trial)
        if not path.exists():
            return None
        found = TrialResult.load(path, self._config(trial))
        if found.trial != trial or len(found.total) != len(self.train.charset):
            raise RunError("is the file of another trial", where=str(path), remedy="Remove it")
        return found

    def check(self, trials: Sequence[Trial]) -> None:
        """Refuse subsets that the generator cannot learn from, before any training."""
        synthetic = [trial for trial in trials if ARMS[trial.arm].synthetic]
        for trial in {trial.count: trial for trial in reversed(synthetic)}.values():
            self.generator.check(self._real(trial), self._run(trial), seed=trial.seed)

    def run(
        self, trial: Trial, report: Callable[[str, float], None], stop: Callable[[], bool]
    ) -> TrialResult | None:
        """Generate, train, test.

        Returns:
            None if stopped, or if another process is making the synthetic samples.
        """
        arm = ARMS[trial.arm]
        real = self._real(trial)
        stores = [real]
        began = time.monotonic()
        if arm.synthetic:
            synthetic = self._synthetic(trial, real, report, stop)
            if synthetic is None:
                return None
            stores.append(synthetic)
        recipe = self._recipe(trial)
        loss = float("nan")

        def watch(done: int, steps: int, mean: float) -> None:
            nonlocal loss
            loss = mean
            report(f"recogniser, loss {mean:.2f}", done / steps)

        generated = time.monotonic()
        data = [from_stores([store], recipe, self.device) for store in stores]
        trained = train_recogniser(
            data[0],
            recipe,
            synthetic=data[1] if arm.synthetic else None,
            init_from=self.init_from if arm.pretrained else None,
            seed=trial.seed,
            device=self.device,
            precision=self.precision,
            progress=watch,
            stop=stop,
        )
        if trained is None:
            return None
        labels = self._judge.labels
        best = trained.top_k(self._judge.image_blocks(), 1)[:, 0]
        classes = len(self.train.charset)
        result = TrialResult(
            trial=trial,
            config=self._config(trial),
            correct=np.bincount(labels[best == labels], minlength=classes).tolist(),
            total=np.bincount(labels, minlength=classes).tolist(),
            facts={
                "pictures": [len(store) for store in stores],
                "loss": round(loss, 4),
                "seconds": round(time.monotonic() - generated, 1),
                "generator_seconds": round(generated - began, 1),
                **self._hardware,
            },
        )
        result.save(self._path(trial))
        return result

    def lift(self, results: Mapping[Trial, TrialResult | None]) -> Lift:
        """The finished trials, summed up."""
        finished = tuple(result for result in results.values() if result is not None)
        found = summarise(finished, self.groups, self.experiment.synthetic_per_class[0])
        init_from, train, test = self.init_from, self.train, self.test
        writers = shared_writers(train, test)
        shared = 0 if init_from is None else len(set(init_from.charset) & set(train.charset))
        return Lift(
            version=hwgen.__version__,
            experiment=to_json(self.experiment),
            config=self.config,
            generator=dict(self.generator.settings),
            start=None if init_from is None else without_records(init_from.provenance),
            start_classes_shared=shared,
            train=str(train.path),
            test=TestStore(str(test.path), None if writers is None else len(writers)),
            data_kinds={"train": train.data_kind, "test": test.data_kind},
            accuracy_entries=found.accuracy,
            difference_entries=found.differences,
            advice=found.advice,
            missing=tuple(trial.name for trial, result in results.items() if result is None),
            rows=finished,
        )

    def _path(self, trial: Trial) -> Path:
        return self.out / "rows" / f"{trial.name}.json"

    def _config(self, trial: Trial) -> dict[str, Any]:
        arm = ARMS[trial.arm]
        pretrained = self.init_from if arm.pretrained else None
        start = None if pretrained is None else without_records(pretrained.provenance)
        generator = self.generator.settings if arm.synthetic else None
        config = {**self.config, "start": start, "generator": generator}
        if arm.augmented:
            config["recipe"] = recipe_to_json(self._recipe(trial))
        return config

    def _recipe(self, trial: Trial) -> RecogniserRecipe:
        free = int(self._free.sum())
        samples = free if trial.count == ALL else trial.count * len(self.train.charset)
        return self.experiment.recipe_of(ARMS[trial.arm], samples)

    def _counts(self, trial: Trial) -> Ids:
        return np.where(self._rare, trial.count, ALL)

    def _real(self, trial: Trial) -> Store:
        path = self.out / "draws" / f"{trial.subset}.store"
        with file_lock(self.out / "locks" / f"draw-{trial.subset}.lock", wait=True):
            records = choose(self.train.labels, self._free, self._counts(trial), trial.seed)
            return write_subset(self.train, records, path)

    def _run(self, trial: Trial) -> Path:
        return self.out / "generators" / trial.subset

    def _synthetic(
        self,
        trial: Trial,
        real: Store,
        report: Callable[[str, float], None],
        stop: Callable[[], bool],
    ) -> Store | None:
        # One lock for all amounts: they share a run.
        with file_lock(self.out / "locks" / f"generator-{trial.subset}.lock") as ours:
            if not ours:
                return None
            return self.generator(
                real,
                self._run(trial),
                self.out / "synthetic" / f"{trial.subset}-{trial.amount}.store",
                amount=trial.amount,
                seed=trial.seed,
                progress=report,
                stop=stop,
            )
