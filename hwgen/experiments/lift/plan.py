"""The plan of a lift: which trials, and how their recognisers are trained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from hwgen.errors import InputError
from hwgen.experiments.lift.arms import ARMS, Arm
from hwgen.experiments.lift.generators import Generator
from hwgen.recogniser.network import STRONG, AugmentationSpec, RecogniserRecipe, fine_tuned
from hwgen.results.lift import ALL, NONE
from hwgen.results.trials import Trial
from hwgen.schema import check_numbers, key
from hwgen.suggestions import suggest

STRONG_EPOCHS, PRETRAINED_STRONG_EPOCHS = 25.0, 200.0
"""Passes over the real samples from which STRONG augmentation pays: from scratch, and from
pretrained weights. On held-out training scans of HWDB (benchmarks/lift_choice.py) it does better at
36 passes and worse at 14, and better at 240 and worse at 72. With 3,755 classes it costs 11 points
at 14 passes, more at fewer, and none at 41."""

NO_AUGMENTATION = AugmentationSpec(rotate=0, shear=0, scale=0, translate=0, elastic=0)


@dataclass(frozen=True)
class Experiment:
    """Which trials, and how their recognisers are trained.

    Attributes:
        kind: "few-shot": `real_per_class` samples of every class. "rare": so many of the rare
            classes, and all of the others. There every class has the same probability in a batch,
            in every arm.
        rare: labels of the rare classes; () for those with few records, see subsets.rare_classes.
        real_per_class: real samples per class; ALL is all, NONE is none. Without any real sample
            there are only arms with synthetic ones, whose batches are all synthetic.
        trials: repetitions with other samples and seeds.
        arms: names in ARMS.
        synthetic_per_class: numbers of synthetic samples, each a trial of its own in the arms that
            have them. The advice is about the first.
        recipe: of every recogniser; its augmentation is the classical one.
        steps: several numbers of training steps, each a trial of its own; () for the recipe's.
            Then each arm counts with the number that is best on held-out samples, if there are any.
        until_converged: an arm is trained for the next one of `steps` only if the last one helped
            on held-out samples, see hwgen.experiments.lift.convergence.
        strong_epochs: passes over the real samples from which an arm that trains from scratch has
            STRONG as its classical augmentation; None: never. So has one without real samples.
        pretrained_strong_epochs: the same for an arm that starts from pretrained weights.
        held_out_per_class: samples per class that no trial trains on; see subsets.held_out.
        evaluate_on: "test": the test store. "held-out": those samples, to choose settings on.
    """

    kind: Literal["few-shot", "rare"] = "few-shot"
    rare: tuple[str, ...] = field(default=(), metadata=key("rare", left_out=()))
    real_per_class: tuple[int, ...] = field(default=(5, 10, 20, 50, ALL), metadata=key("counts"))
    trials: int = field(default=3, metadata=key("draws"))
    arms: tuple[str, ...] = tuple(name for name, arm in ARMS.items() if not arm.pretrained)
    synthetic_per_class: tuple[int, ...] = field(default=(100,), metadata=key("amounts"))
    recipe: RecogniserRecipe = field(default_factory=RecogniserRecipe)
    steps: tuple[int, ...] = field(default=(), metadata=key("steps", left_out=()))
    until_converged: bool = field(default=False, metadata=key("until_converged", left_out=False))
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
        if self.rare and self.kind != "rare":
            raise InputError(
                f"{len(self.rare)} classes are named as rare, but the {self.kind} experiment has "
                "few samples of every class",
                remedy="Give --experiment rare, or leave --rare out",
            )
        if not self.real_per_class or min(self.real_per_class) < NONE:
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
        if self.steps and min(self.steps) < 1:
            raise InputError(f"numbers of steps {list(self.steps)}; expected 1 or more")
        if self.until_converged and (len(self.steps) < 2 or self.held_out_per_class < 1):
            raise InputError(
                "held-out samples say whether more steps help, but no samples are held out",
                remedy="Raise --held-out-per-class, or give --steps N",
            )
        if self.evaluate_on == "held-out" and self.held_out_per_class < 1:
            raise InputError("evaluation on held-out samples, but no samples are held out")

    def all_trials(self, generators: Mapping[str, Generator]) -> list[Trial]:
        """Every trial, one seed after the other, so that an early stop leaves whole comparisons.

        Raises:
            InputError: none is possible.
        """
        trials = [
            Trial(count, seed, arm, amount, name, steps)
            for seed in range(self.trials)
            for count in self.real_per_class
            for arm in self.arms
            for name, amount in self._samples(count, ARMS[arm], generators)
            for steps in self.steps or (0,)
        ]
        if not trials:
            raise InputError(
                "without real samples there is no trial: no arm has synthetic samples that need "
                "none",
                remedy="Add an arm with synthetic samples, or a --generator that was trained on "
                "other characters",
            )
        return trials

    def _samples(
        self, count: int, arm: Arm, generators: Mapping[str, Generator]
    ) -> list[tuple[str, int]]:
        """Generators and numbers of samples of an arm; ("", 0) for none, [] if impossible."""
        rare = self.kind == "rare"  # then the common classes have real samples
        if not arm.synthetic:
            return [("", 0)] if rare or count != NONE else []
        return [
            (name, amount)
            for name, generator in generators.items()
            if count != NONE or generator.works_without_real(others=rare)
            for amount in self.synthetic_per_class
        ]

    def samples(self, trial: Trial, classes: int, free: int) -> int:
        """Number of training samples that decides about the augmentation of a trial.

        Those of the real ones; where classes are balanced, as many as there were if every class had
        as few as the rare ones. Rare classes without real samples do not count. Without any real
        sample 0, which makes augmentation strong: synthetic samples vary less than real ones.

        Args:
            trial: of the experiment.
            classes: number of classes.
            free: real samples that are not held out.
        """
        if trial.count == NONE and self.kind != "rare":
            return 0
        return free if trial.count in (ALL, NONE) else trial.count * classes

    def recipe_of(self, arm: Arm, samples: float, steps: int = 0) -> RecogniserRecipe:
        """The recipe of a recogniser.

        Args:
            arm: how it is trained.
            samples: see `samples`.
            steps: of its training; 0 for those of the recipe.
        """
        recipe = replace(self.recipe, balanced=self.kind == "rare")
        recipe = replace(recipe, steps=steps or recipe.steps)
        if arm.pretrained:
            recipe = fine_tuned(recipe)
        if not arm.augmented:
            return replace(recipe, augmentation=NO_AUGMENTATION)
        least = self.pretrained_strong_epochs if arm.pretrained else self.strong_epochs
        strong = least is not None and recipe.steps * recipe.batch >= least * samples
        return replace(recipe, augmentation=STRONG) if strong else recipe
