"""Scores of generated samples per group of classes, and their lift of recognition accuracy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from hwgen.evaluation.metrics.diversity import diversity
from hwgen.evaluation.metrics.frechet import frechet_distance
from hwgen.evaluation.metrics.nearest_neighbours import Points, nearest
from hwgen.experiments.lift.summary import Counts, interval
from hwgen.imaging.contact_sheets import evenly_spaced
from hwgen.imaging.pixel_deviation import pixel_deviation
from hwgen.recogniser.inference import Recogniser
from hwgen.recogniser.network import LIGHT
from hwgen.recogniser.training import from_stores, train_recogniser
from hwgen.record import Image
from hwgen.store import Store

GROUPS = ("all", "common", "rare")
CPU = torch.device("cpu")

Numbers = npt.NDArray[np.int64]


class Judge:
    """Scores samples by class.

    Args:
        recogniser: classifies the samples.
        classes: its id of each class.
        rare: bool [classes], which classes are rare.
        training: images of each class that the generator was trained on.
        real: images of each class that it did not see, equally many.

    Attributes:
        groups: name of each group of classes -> their numbers.
    """

    def __init__(
        self,
        recogniser: Recogniser,
        classes: Numbers,
        rare: npt.NDArray[np.bool_],
        training: Sequence[Image],
        real: Sequence[Image],
    ) -> None:
        self._recogniser, self._classes = recogniser, classes
        self._training, self._real = training, real
        everything = np.arange(len(classes))
        groups = zip(GROUPS, (everything, np.flatnonzero(~rare), np.flatnonzero(rare)), strict=True)
        self.groups = {name: group for name, group in groups if len(group)}
        if len(self.groups) == 2:  # one of them is all
            self.groups = {"all": everything}
        self._features = [recogniser.features(images) for images in real]

    def score(self, samples: Sequence[Image]) -> dict[str, dict[str, float]]:
        """Scores for each group of classes, from as many samples per class as real images.

        Returns:
            purity: fraction read as their class, of all classes that the recogniser knows.
            diversity: deviation within classes over that of real images.
            frechet: mean over the classes of the Fréchet distance to the real images, in the
                recogniser's features.
            copying: fraction of samples nearer to a training image than to any of as many unseen
                real ones; 0.5 without copying.
        """
        features = [self._recogniser.features(images) for images in samples]
        read = [self._recogniser.classify(f).argmax(axis=1) for f in features]
        right = [float((r == c).mean()) for r, c in zip(read, self._classes, strict=True)]
        distances = [frechet_distance(a, b) for a, b in zip(features, self._features, strict=True)]
        compared = zip(samples, self._training, self._real, strict=True)
        copied = [nearer_to_first(*map(_points, images)) for images in compared]
        scores = {}
        for name, group in self.groups.items():
            spread = diversity(
                {str(n): pixel_deviation(samples[n]) for n in group.tolist()},
                {str(n): pixel_deviation(self._real[n]) for n in group.tolist()},
            )
            assert spread is not None
            scores[name] = {
                "purity": float(np.mean([right[n] for n in group])),
                "diversity": spread.ratio,
                "frechet": float(np.mean([distances[n] for n in group])),
                "copying": float(np.mean([copied[n] for n in group])),
            }
        return scores


def nearer_to_first(samples: Points, first: Points, second: Points) -> float:
    """Fraction of the samples that are nearer to the first set than to the second; a tie is half.

    Equally many of each set are compared, evenly spaced, since the nearest of many is nearer.
    """
    count = min(len(first), len(second))
    to_first, to_second = (
        nearest(samples, points[evenly_spaced(len(points), count)])[0] for points in (first, second)
    )
    return float(((to_first < to_second) + 0.5 * (to_first == to_second)).mean())


def by_class(images: Image, labels: Numbers, classes: int) -> list[Image]:
    """Images of each class in turn."""
    return [images[labels == n] for n in range(classes)]


def count_right(
    training: Store,
    synthetic: Store | None,
    judged: Image,
    labels: Numbers,
    *,
    steps: int,
    seeds: int,
) -> Counts:
    """Number of judged images that light recognisers read right after training.

    They are trained with classical augmentation, all classes equally often; synthetic samples, if
    given, take half of each batch.

    Returns:
        float64 [seeds, classes].
    """
    recipe = replace(LIGHT, steps=steps, balanced=True)
    data = from_stores([training], recipe, CPU)
    made = None if synthetic is None else from_stores([synthetic], recipe, CPU)
    counts = []
    for seed in range(seeds):
        recogniser = train_recogniser(data, recipe, synthetic=made, seed=seed, device=CPU)
        assert recogniser is not None  # nothing stops the training
        right = recogniser.read(judged).argmax(axis=1) == labels
        counts.append(np.bincount(labels[right], minlength=len(training.charset)))
    return np.stack(counts).astype(np.float64)


def lift(more: Counts, less: Counts, each: int) -> dict[str, Any]:
    """Gain in accuracy with its interval over classes and the recognisers' seeds.

    Args:
        more: float64 [seeds, classes], images read right.
        less: the same for the baseline.
        each: images per class.
    """
    gain = interval(more - less, np.full_like(less, each))
    return {**asdict(gain), "runs": ((more - less).mean(axis=1) / each).tolist()}


def _points(images: Image) -> Points:
    return images.reshape(len(images), -1).astype(np.float32)
