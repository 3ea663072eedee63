"""Arms: a recogniser of all classes for each training set, tested on real samples.

The first classes of GB2312 level 1 are seen: they have real samples (pen ink, writers 1001 to
1050). The last 1,000 are unseen: they have a few, or none. All are tested on writers 1051 to 1060.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.gpu.prepare import SEED, SIZE, Images, Inputs
from benchmarks.gpu.refined import (
    OutOfTimeError,
    Refiner,
    budget,
    recipe_with,
    refine,
    sampler_of,
)
from benchmarks.gpu.resnet import (
    RandomBatches,
    RecogniserSettings,
    accuracy,
    network,
    train_recogniser,
)
from hwgen.imaging.contact_sheets import evenly_spaced, save_sheet
from hwgen.record import PAPER
from hwgen.store import Store

ALL = 1 << 30
"""As a number of samples: all that there are."""

JUDGE = "judge.pt"
"""File of the recogniser of real samples of all classes."""

_SHOWN_CLASSES, _SHOWN_IMAGES = 16, 2


@dataclass(frozen=True)
class Clock:
    """When to stop.

    Attributes:
        end: value of time.monotonic().
        stopped: set by signals.
    """

    end: float
    stopped: Event

    def left(self) -> float:
        """Seconds."""
        return 0.0 if self.stopped.is_set() else self.end - time.monotonic()

    def stop(self) -> bool:
        """Whether the time is over."""
        return self.left() <= 0


@dataclass(frozen=True)
class Arm:
    """What one recogniser is trained on, besides the real samples of seen classes.

    Attributes:
        name: unique within an entry.
        made: images of all classes: "simulated", "refined", or both, as many of each.
        real: real samples of each class that is not seen.
        changes: to the recipe of the refiner.
    """

    name: str
    made: tuple[str, ...] = ()
    real: int = 0
    changes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Settings:
    """What the arms of an entry have in common.

    Attributes:
        seen: number of seen classes.
        seed: of the refiner, the recogniser and the choice of real samples.
        per_class: simulated images of each class, and refined ones.
        changes: to the recipes of all refiners.
        recogniser: network and training.
    """

    seen: int
    seed: int
    per_class: int
    changes: Mapping[str, str]
    recogniser: RecogniserSettings


class Laboratory:
    """Trains and tests the arms of one entry.

    Args:
        inputs: data.
        settings: see Settings.
        device: where to train.
        clock: ends a training with OutOfTimeError when it is over.
    """

    def __init__(
        self, inputs: Inputs, settings: Settings, device: torch.device, clock: Clock
    ) -> None:
        self._inputs, self._settings, self._device = inputs, settings, device
        self._clock, self._longest = clock, 0.0
        self._refined: tuple[str, Images, float] | None = None

    def refiner(self, arm: Arm) -> Refiner:
        """Of an arm."""
        settings = self._settings
        recipe = recipe_with({**settings.changes, **arm.changes})
        return Refiner(self._inputs, settings.seen, recipe, settings.seed)

    def measure(self, arm: Arm) -> dict[str, Any]:
        """Train what an arm needs: accuracies, and everything that it has cost.

        Raises:
            OutOfTimeError: the time is over.
        """
        inputs, settings, device = self._inputs, self._settings, self._device
        made, cost = self._made(arm)
        images, labels = real_samples(inputs.train(), settings, arm.real)
        if self._clock.left() < self._longest:  # it could not be resumed
            raise OutOfTimeError
        net, training = train_recogniser(
            mixed_batches(images.to(device), labels.to(device), inputs.classes, made),
            inputs.classes,
            settings.recogniser,
            device,
            seed=settings.seed,
            stop=self._clock.stop,
        )
        if training["steps_done"] < settings.recogniser.steps:
            raise OutOfTimeError
        self._longest = max(self._longest, training["seconds"])
        if arm.real == ALL and not made:
            torch.save(net.state_dict(), inputs.work / JUDGE)
        cost["recogniser"] = training
        cost["seconds"] = round(sum(part["seconds"] or 0 for part in cost.values()), 1)
        return {
            "accuracy": scores(net, inputs, settings.seen, device),
            "read_as_label": {
                name: purity(inputs, settings.recogniser, images) for name, images in made.items()
            },
            "real_samples": len(images),
            "budget": cost,
        }

    def save_picture(self, file: Path, arms: Sequence[Arm]) -> None:
        """Unseen classes in rows: real, simulated, and refined by each refiner that is trained."""
        refiners = {arm.name: self.refiner(arm) for arm in arms if "refined" in arm.made}
        runs = {one.path: run for one in refiners.values() if (run := one.trained())}
        inputs, test = self._inputs, self._inputs.test()
        ids = inputs.classes - inputs.unseen + evenly_spaced(inputs.unseen, _SHOWN_CLASSES)
        found = [np.flatnonzero(test.labels == number) for number in ids.tolist()]
        blank = np.full((SIZE, SIZE), PAPER, np.uint8)
        samplers = [sampler_of(run, inputs, self._device.type) for run in runs.values()]
        simulated = inputs.simulated(self._settings.per_class)
        rows = []
        for i in range(min(_SHOWN_IMAGES, self._settings.per_class)):
            real = [test.images([own[i]])[0] if i < len(own) else blank for own in found]
            rows += [np.stack(real), simulated[ids, i]]
            rows += [s.sample(ids, np.full(len(ids), i), seed=SEED) for s in samplers]
        save_sheet(file, np.concatenate(rows), len(ids))

    def _made(self, arm: Arm) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """The made images of an arm by name, and what they cost."""
        made: dict[str, Tensor] = {}
        cost: dict[str, Any] = {}
        if not arm.made:
            return made, cost
        began = time.monotonic()
        simulated = self._inputs.simulated(self._settings.per_class)
        cost["simulating or reading"] = {"seconds": round(time.monotonic() - began, 1)}
        if "simulated" in arm.made:
            made["simulated"] = torch.from_numpy(simulated).to(self._device)
        if "refined" in arm.made:
            run = self.refiner(arm).train(self._device.type, self._clock.stop)
            cost["refiner"] = budget(run)
            if self._refined is None or self._refined[0] != run.path.name:
                began = time.monotonic()
                images = refine(sampler_of(run, self._inputs, self._device.type), simulated)
                self._refined = run.path.name, images, round(time.monotonic() - began, 1)
            cost["refining"] = {"seconds": self._refined[2]}
            made["refined"] = torch.from_numpy(self._refined[1]).to(self._device)
        return made, cost


def real_samples(store: Store, settings: Settings, per_class: int) -> tuple[Tensor, Tensor]:
    """All real samples of seen classes and some of the others; more of them include fewer.

    Returns:
        Images uint8 [n, 64, 64] and labels int64 [n].
    """
    labels = store.labels
    chance = np.random.default_rng(settings.seed).random(len(labels))
    order = np.lexsort((chance, labels))
    first = np.searchsorted(labels[order], labels[order])
    rank = np.empty(len(labels), np.int64)
    rank[order] = np.arange(len(labels)) - first  # of each record within its class
    numbers = np.flatnonzero((labels < settings.seen) | (rank < per_class))
    images = store.all_images()[numbers]
    return torch.from_numpy(images), torch.from_numpy(labels[numbers])


def mixed_batches(
    images: Tensor, labels: Tensor, classes: int, made: Mapping[str, Tensor]
) -> RandomBatches:
    """Classes uniformly at random; half of the images are real where there are both.

    Classes with real images get made ones too, so that the look of made images does not reveal the
    class. Without made images, only classes with real ones appear.

    Args:
        images: real ones, uint8 [n, S, S].
        labels: int64 [n].
        classes: number of classes.
        made: kinds of images, uint8 [classes, per class, S, S]; each is equally frequent.
    """
    order = labels.argsort(stable=True)
    counts = torch.bincount(labels, minlength=classes)
    first = (counts.cumsum(0) - counts).clamp(max=len(labels) - 1)
    device, kinds = images.device, list(made.values())
    offered = torch.arange(classes, device=device) if kinds else counts.nonzero()[:, 0]

    def batch(n: int) -> tuple[Tensor, Tensor]:
        y = offered[torch.randint(len(offered), (n,), device=device)]
        place = (torch.rand(n, device=device) * counts[y]).long()
        x = images[order[first[y] + torch.minimum(place, (counts[y] - 1).clamp(min=0))]]
        is_made = (torch.rand(n, device=device) < 0.5) | (counts[y] == 0)
        which = torch.randint(max(1, len(kinds)), (n,), device=device)
        for number, some in enumerate(kinds):
            chosen = some[y, torch.randint(some.shape[1], (n,), device=device)]
            x = torch.where((is_made & (which == number))[:, None, None], chosen, x)
        return x, y

    return batch


def scores(net: nn.Module, inputs: Inputs, seen: int, device: torch.device) -> dict[str, float]:
    """Top-1 accuracy on real test images of unseen classes and of seen ones."""
    store = inputs.test()
    images = torch.from_numpy(store.all_images()).to(device)
    labels = torch.from_numpy(store.labels).to(device)
    unseen = labels >= inputs.classes - inputs.unseen
    candidates = torch.arange(inputs.classes - inputs.unseen, inputs.classes, device=device)
    known = labels < seen
    found = {
        "unseen_among_unseen": accuracy(net, images[unseen], labels[unseen], candidates),
        "unseen_among_all": accuracy(net, images[unseen], labels[unseen]),
        "seen_among_all": accuracy(net, images[known], labels[known]),
        "all": accuracy(net, images, labels),
        "test_images_unseen": int(unseen.sum()),
        "test_images_seen": int(known.sum()),
    }
    return {name: round(value, 4) for name, value in found.items()}


def purity(inputs: Inputs, recogniser: RecogniserSettings, images: Tensor) -> float | None:
    """Fraction of unseen classes' images that a recogniser of real ones reads as their label.

    None if the entry `reference` has not been run. At most 8 images of each class are read.
    """
    if not (inputs.work / JUDGE).exists():
        return None
    device, first = images.device, inputs.classes - inputs.unseen
    net = network(inputs.classes, recogniser.widths).to(device)
    net.load_state_dict(torch.load(inputs.work / JUDGE, weights_only=True, map_location=device))
    some = images[first:, :8]
    y = torch.arange(first, inputs.classes, device=device).repeat_interleave(some.shape[1])
    return round(accuracy(net.eval(), some.flatten(0, 1), y), 4)
