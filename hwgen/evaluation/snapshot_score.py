"""In: samples of a generator in training. Out: numbers to choose a checkpoint by.

What hwgen.generators.gan.training.train takes as `score`; hwgen.runs.snapshots.task_score makes one
of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch

from hwgen.data import average_down, to_images, to_tensor
from hwgen.errors import InputError
from hwgen.evaluation.metrics.diversity import diversity
from hwgen.evaluation.metrics.frechet import frechet_distance
from hwgen.imaging.pixel_deviation import evenly_spaced_records, pixel_deviation
from hwgen.recogniser.class_mapping import check_readable, places_of
from hwgen.recogniser.inference import ClassIds, Features, Recogniser, accuracy
from hwgen.record import Image
from hwgen.store import Store


class Scorer:
    """Scores samples against a real store.

    Args:
        recogniser: reads the samples; it may know more characters than the store.
        real: the store that the generator learns from; its variety is the measure.
        size: side of the samples.
        name: of the recogniser, such as its file's hash; scores under two names are not compared.

    Raises:
        CharsetError: the recogniser does not know all characters of the store.
        InputError: the samples are too small for the recogniser or have other channels, or no
            class of the store has two records.
    """

    def __init__(self, recogniser: Recogniser, real: Store, size: int, *, name: str = "") -> None:
        self._places = places_of(recogniser, real.charset)
        check_readable(recogniser, size, real.channels)
        if max(real.manifest.class_counts, default=0) < 2:
            raise InputError(
                "no class has two samples, so variety cannot be scored", where=str(real.path)
            )
        self._recogniser, self._real, self._size, self._name = recogniser, real, size, name
        self._truths: dict[tuple[int, ...], _Truth] = {}

    def __call__(self, images: Image, class_ids: ClassIds) -> Mapping[str, float | str]:
        """What the recogniser makes of samples.

        Args:
            images: uint8 [N, S, S], at least two a class.
            class_ids: int64 [N], places in the store's charset.

        Returns:
            "purity": the share read as its label; "diversity": the variety within a class, as a
            share of the real one; "frechet_share": the Fréchet distance of the features from those
            of real samples of the same classes, as a share of the real ones' summed variance, so
            that 1 is as far as one picture repeated; "recogniser": its name.

        Raises:
            InputError: none of these classes varies in the real store.
        """
        classes = tuple(np.unique(class_ids).tolist())
        # The same classes at every snapshot: the real ones are read once.
        if classes not in self._truths:
            self._truths[classes] = self._truth(classes)
        truth = self._truths[classes]
        deviations = {str(c): pixel_deviation(images[class_ids == c]) for c in classes}
        varieties = diversity(deviations, truth.deviations)
        if varieties is None:
            raise InputError(
                "no class has two different samples, so variety cannot be scored",
                where=str(self._real.path),
            )
        features = self._recogniser.features(images)
        probabilities = self._recogniser.classify(features)
        return {
            "purity": accuracy(probabilities, self._places[class_ids]),
            "diversity": varieties.ratio,
            "frechet_share": frechet_distance(features, truth.features) / max(truth.spread, 1e-9),
            "recogniser": self._name,
        }

    def _truth(self, classes: tuple[int, ...]) -> _Truth:
        labels = self._real.labels
        deviations: dict[str, float] = {}
        features = []
        for class_id in classes:
            stored = to_tensor(
                self._real.images(evenly_spaced_records(labels, class_id)), torch.device("cpu")
            )
            images = to_images(average_down(stored, self._size))
            if len(images) > 1:
                deviations[str(class_id)] = pixel_deviation(images)
            features.append(self._recogniser.features(images))
        everything = np.concatenate(features)
        spread = float(everything.var(axis=0, ddof=1, dtype=np.float64).sum())
        return _Truth(deviations, everything, spread)


@dataclass(frozen=True)
class _Truth:
    """Of real samples of some classes: deviation a class, features and their summed variance."""

    deviations: Mapping[str, float]
    features: Features
    spread: float
