"""How much synthetic samples raise the accuracy of a recogniser, by the number of real samples.

Several processes may share one directory: each takes trials that no other one is working on. The
trials of a killed process are taken by the next, which resumes the training of their recognisers.

draws/train.store, test.store  the classes that generators can write, if not all
draws/n10-draw0.store          the real samples of a trial, for recogniser and generator alike
generators/n10-draw0/          the generator's run; n10-draw0-NAME/ for one of several
synthetic/n10-draw0-100.store  its samples, 100 per class; n10-draw0-NAME-100.store likewise
rows/n10-draw0-classical.json  a finished trial
lift.json                      the result, once all trials are finished
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

import hwgen
from hwgen.compute.devices import describe, pick_precision
from hwgen.errors import InputError, RunError
from hwgen.experiments.lift.arms import ARMS
from hwgen.experiments.lift.checks import (
    check_rare,
    check_sharpness,
    check_start,
    check_stores,
    check_unseen_by,
)
from hwgen.experiments.lift.convergence import about_training, needed
from hwgen.experiments.lift.correct_counts import count_correct
from hwgen.experiments.lift.generators import Generator, generator_facts
from hwgen.experiments.lift.plan import Experiment
from hwgen.experiments.lift.subsets import Ids, choose, held_out, rare_classes, write_subset
from hwgen.experiments.lift.summary import summarise
from hwgen.io.locks import file_lock
from hwgen.progress import NO_CONTROL, Control
from hwgen.recogniser.checkpoint import TrainingCheckpoint
from hwgen.recogniser.inference import Recogniser
from hwgen.recogniser.network import (
    RecogniserRecipe,
    recipe_to_json,
)
from hwgen.recogniser.store_checks import shared_writers, without_records
from hwgen.recogniser.training import from_stores, train_recogniser
from hwgen.results.lift import (
    ALL,
    AMONG_RARE,
    COMMON,
    RARE,
    GeneratorFacts,
    Lift,
    TestStore,
    baseline_of,
)
from hwgen.results.trials import Trial, TrialResult
from hwgen.schema import to_json
from hwgen.store import Store

_WAIT_SECONDS = 1.0


def run_experiment(
    train: Store,
    test: Store,
    experiment: Experiment,
    generators: Mapping[str, Generator],
    out: Path,
    *,
    device: torch.device,
    init_from: Recogniser | None = None,
    precision: str = "auto",
    control: Control = NO_CONTROL,
    so_far: bool = False,
    left_out: Sequence[str] = (),
) -> Lift | None:
    """Run the trials that are not finished, and sum up once all are.

    Args:
        train: real samples, from which each trial takes a subset.
        test: real samples of other writers, with the same charset.
        experiment: see Experiment.
        generators: they make the synthetic samples of each trial. A single one has the name "";
            of several, the first is the one that the others are compared with.
        out: directory, see the first lines of this module; several processes may share it.
        device: of the recognisers.
        init_from: a recogniser of other characters, whose weights the pretrained arms start from.
        precision: of their training.
        control: progress in trials, of which there are more once an arm is given more steps.
            Finished trials are kept when it stops.
        so_far: run nothing, and sum up the finished trials; `Lift.missing` names the others.
        left_out: classes that the stores do not have any more, for the result; see
            hwgen.experiments.lift.left_out.

    Returns:
        The content of lift.json; None if it was stopped.

    Raises:
        CharsetError: the stores' charsets differ.
        InputError: a store is synthetic, or too small, or a class has too few samples, also to hold
            some out where these say how long to train; a
            generator or `init_from` was trained on one of the stores; an arm is pretrained and
            there is no `init_from`; with `so_far`, no trial is finished.
        RecipeChangedError: `out` holds trials of other settings.
    """
    check_stores(train, test, experiment.recipe)
    check_unseen_by(generators.values(), init_from, stores=(train, test))
    check_start(train, experiment.recipe, experiment.arms, init_from)
    Lift.check_folder(out)
    work = _Work(
        train=train,
        test=test,
        experiment=experiment,
        generators=generators,
        out=out,
        device=device,
        init_from=init_from,
        precision=precision,
    )
    trials = work.trials
    results = {trial: work.finished(trial) for trial in trials}  # refuses other settings first
    if not so_far:
        work.check([trial for trial, result in results.items() if result is None])
    while not so_far and (missing := [one for one in work.needed(results) if results[one] is None]):
        taken = False
        for trial in missing:
            now = work.needed(results)
            done, total = sum(results[one] is not None for one in now), len(now)

            def report(
                what: str,
                fraction: float,
                done: int = done,
                total: int = total,
                trial: Trial = trial,
            ) -> None:
                control.progress(done + min(fraction, 0.99), total, f"{trial.name}: {what}")

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
    used = work.needed(results)
    found = replace(work.lift({trial: results[trial] for trial in used}), left_out=tuple(left_out))
    lift = found.save(out)
    control.progress(len(used), len(used), "done")
    return lift


@dataclass
class _Work:
    """What all trials share."""

    train: Store
    test: Store
    experiment: Experiment
    generators: Mapping[str, Generator]
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
            self._rare = rare_classes(labels, self.train.charset, self.experiment.rare)
            rare, common = (np.flatnonzero(one).tolist() for one in (self._rare, ~self._rare))
            self.groups = {RARE: rare, AMONG_RARE: rare, COMMON: common, **self.groups}
        self.trials = self.experiment.all_trials(self.generators)
        # Subsets that are too large are refused before any work.
        for trial in self.trials:
            choose(labels, self._free, self._counts(trial), trial.seed, self.train.charset)
        self._judge, self._held_out = self.test, None
        judged_there = self.experiment.evaluate_on == "held-out"
        if self.experiment.until_converged and not reserved.any():
            raise InputError(
                "no class has enough samples to hold some out, which say whether more steps help",
                where=str(self.train.path),
                remedy="Give --steps N",
            )
        if judged_there or (len(self.experiment.steps) > 1 and reserved.any()):
            with file_lock(self.out / "locks" / "held-out.lock", wait=True):
                path = self.out / "draws" / "held-out.store"
                self._held_out = write_subset(self.train, np.flatnonzero(reserved), path)
        if judged_there:
            assert self._held_out is not None
            self._judge = self._held_out
        if RARE in self.groups:
            check_rare(self._judge, self.groups[RARE])
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
        if self.experiment.rare:
            self.config["rare"] = self.train.charset.subset(self.groups[RARE]).fingerprint

    def needed(self, results: Mapping[Trial, TrialResult | None]) -> list[Trial]:
        """The trials to run, finished ones included, as far as these say."""
        return needed(self.trials, results) if self.experiment.until_converged else self.trials

    def finished(self, trial: Trial) -> TrialResult | None:
        """The result of a trial, if it is finished."""
        path = self._path(trial)
        if not path.exists():
            self._checkpoint(trial).check()
            return None
        self._checkpoint(trial).remove()  # that of a process killed before it did
        found = TrialResult.load(path, self._config(trial))
        if found.trial != trial or len(found.total) != len(self.train.charset):
            raise RunError("is the file of another trial", where=str(path), remedy="Remove it")
        return found

    def check(self, trials: Sequence[Trial]) -> None:
        """Refuse subsets that the generator cannot learn from, before any training."""
        synthetic = [trial for trial in trials if ARMS[trial.arm].synthetic]
        each = {(trial.count, trial.generator): trial for trial in reversed(synthetic)}
        for trial in each.values():
            generator = self.generators[trial.generator]
            generator.check(self._real(trial), self._run(trial), seed=trial.seed)

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
        check_sharpness([store for store in stores if len(store)], recipe)
        loss = float("nan")

        def watch(done: int, steps: int, mean: float) -> None:
            nonlocal loss
            loss = mean
            report(f"recogniser, loss {mean:.2f}", done / steps)

        generated = time.monotonic()
        checkpoint = self._checkpoint(trial)
        data = [from_stores([store], recipe, self.device) for store in stores if len(store)]
        trained = train_recogniser(
            data[0],
            recipe,
            synthetic=data[1] if len(data) > 1 else None,
            init_from=self.init_from if arm.pretrained else None,
            seed=trial.seed,
            device=self.device,
            precision=self.precision,
            progress=watch,
            stop=stop,
            checkpoint=checkpoint,
        )
        if trained is None:
            return None
        counts = count_correct(trained, self._judge, self.groups)
        chosen_on = None
        if self._held_out is not None and trial.steps:
            chosen = count_correct(trained, self._held_out)
            chosen_on = sum(chosen.correct) / sum(chosen.total)
        generator = self.generators[trial.generator] if arm.synthetic else None
        seconds = checkpoint.seconds_before + time.monotonic() - generated
        result = TrialResult(
            trial=trial,
            config=self._config(trial),
            correct=counts.correct,
            total=counts.total,
            held_out=chosen_on,
            correct_among_rare=counts.among_rare,
            by_writer=counts.by_writer,
            facts={
                "pictures": [len(store) for store in stores],
                "loss": round(loss, 4),
                "seconds": round(seconds, 1),
                "generator_seconds": round(generated - began, 1),
                "generator": None
                if generator is None
                else dict(generator.cost(self._run(trial), trial.seed)),
                **self._hardware,
            },
        )
        result.save(self._path(trial))
        checkpoint.remove()
        return result

    def lift(self, results: Mapping[Trial, TrialResult | None]) -> Lift:
        """The finished trials, summed up."""
        finished = tuple(result for result in results.values() if result is not None)
        found = summarise(
            finished,
            self.groups,
            self.experiment.synthetic_per_class[0],
            baseline_of(self.experiment.arms),
            generators=tuple(self.generators),
            kind=self.train.data_kind,
        )
        generators = self._facts(finished)
        init_from, train, test = self.init_from, self.train, self.test
        steps = 0 if self.experiment.steps else self.experiment.recipe.steps
        training = about_training(found.accuracy, next(iter(self.groups)), steps)
        seen = [one.seen for one in generators]
        writers = shared_writers(train, test)
        shared = 0 if init_from is None else len(set(init_from.charset) & set(train.charset))
        return Lift(
            version=hwgen.__version__,
            experiment=to_json(self.experiment),
            config=self.config,
            generator=generators[0].settings,
            generators=generators,
            start=None if init_from is None else without_records(init_from.provenance),
            start_classes_shared=shared,
            train=str(train.path),
            test=TestStore(str(test.path), None if writers is None else len(writers)),
            data_kinds={"train": train.data_kind, "test": test.data_kind},
            accuracy_entries=found.accuracy,
            difference_entries=found.differences,
            generator_difference_entries=found.generator_differences,
            advice=" ".join(filter(None, [found.advice, training, *seen])),
            missing=tuple(trial.name for trial, result in results.items() if result is None),
            rows=finished,
        )

    def _facts(self, finished: Sequence[TrialResult]) -> tuple[GeneratorFacts, ...]:
        own = [row for row in finished if ARMS[row.trial.arm].synthetic]
        return tuple(
            generator_facts(
                name,
                generator,
                self.train.charset,
                [row.facts.get("generator") for row in own if row.trial.generator == name],
            )
            for name, generator in self.generators.items()
        )

    def _path(self, trial: Trial) -> Path:
        return self.out / "rows" / f"{trial.name}.json"

    def _checkpoint(self, trial: Trial) -> TrainingCheckpoint:
        return TrainingCheckpoint(self._path(trial), {**self._config(trial), "trial": trial.name})

    def _config(self, trial: Trial) -> dict[str, Any]:
        arm = ARMS[trial.arm]
        pretrained = self.init_from if arm.pretrained else None
        start = None if pretrained is None else without_records(pretrained.provenance)
        generator = self.generators[trial.generator].settings if arm.synthetic else None
        config = {**self.config, "start": start, "generator": generator}
        if arm.augmented or trial.steps:
            config["recipe"] = recipe_to_json(self._recipe(trial))
        return config

    def _recipe(self, trial: Trial) -> RecogniserRecipe:
        samples = self.experiment.samples(trial, len(self.train.charset), int(self._free.sum()))
        return self.experiment.recipe_of(ARMS[trial.arm], samples, trial.steps)

    def _counts(self, trial: Trial) -> Ids:
        return np.where(self._rare, trial.count, ALL)

    def _real(self, trial: Trial) -> Store:
        path = self.out / trial.real_store
        with file_lock(self.out / "locks" / f"draw-{trial.subset}.lock", wait=True):
            records = choose(
                self.train.labels, self._free, self._counts(trial), trial.seed, self.train.charset
            )
            return write_subset(self.train, records, path)

    def _run(self, trial: Trial) -> Path:
        return self.out / "generators" / trial.run

    def _synthetic(
        self,
        trial: Trial,
        real: Store,
        report: Callable[[str, float], None],
        stop: Callable[[], bool],
    ) -> Store | None:
        # One lock for all amounts: they share a run.
        with file_lock(self.out / "locks" / f"generator-{trial.run}.lock") as ours:
            if not ours:
                return None
            return self.generators[trial.generator](
                real,
                self._run(trial),
                self.out / trial.synthetic_store,
                amount=trial.amount,
                seed=trial.seed,
                progress=report,
                stop=stop,
            )
