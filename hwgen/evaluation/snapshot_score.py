"""Scores of a generator's samples during training, by which a snapshot is selected.

A Scorer is the argument `score` of hwgen.generators.adversarial.training.train;
hwgen.runs.snapshots.task_score combines the scores of a snapshot.
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
from hwgen.recogniser.class_mapping import map_classes
from hwgen.recogniser.reader import ClassIds, Features, Reader, accuracy
from hwgen.record import Image
from hwgen.store import Store


class Scorer:
    """Scores samples relative to a real store.

    Args:
        reader: reads the samples; it may know more characters than the store.
        real: training store of the generator.
        size: of the samples, pixels.

    Raises:
        CharsetError: the reader does not know all characters of the store.
        InputError: the samples are too small for the reader or have other channels, or no class of
            the store has two records.
    """

    def __init__(self, reader: Reader, real: Store, size: int) -> None:
        self._places = map_classes(reader, real.charset)
        reader.check(size, real.channels)
        if max(real.manifest.class_counts, default=0) < 2:
            raise InputError(
                "no class has two samples, so variety cannot be measured", where=str(real.path)
            )
        self._reader, self._real, self._size = reader, real, size
        self._references: dict[tuple[int, ...], _Reference] = {}

    def __call__(self, images: Image, class_ids: ClassIds) -> Mapping[str, float | str]:
        """Score samples.

        Args:
            images: uint8 [N, S, S], at least two per class.
            class_ids: int64 [N], positions in the store's charset.

        Returns:
            "purity": fraction read as their label; "diversity": variety within a class, relative to
            real samples; "frechet_share": Fréchet distance of the features from those of real
            samples of the same classes, divided by the summed variance of the real features, so
            that 1 is the distance of a single repeated image; "recogniser": hash of the reader, ""
            if it has none; scores by different readers are not compared.

        Raises:
            InputError: none of these classes varies in the real store.
        """
        classes = tuple(np.unique(class_ids).tolist())
        # Every snapshot has the same classes: real samples are read once.
        if classes not in self._references:
            self._references[classes] = self._reference_of(classes)
        reference = self._references[classes]
        deviations = {str(c): pixel_deviation(images[class_ids == c]) for c in classes}
        varieties = diversity(deviations, reference.deviations)
        if varieties is None:
            raise InputError(
                "no class has two different samples, so variety cannot be measured",
                where=str(self._real.path),
            )
        probabilities, features = self._reader.reading(images)
        return {
            "purity": accuracy(probabilities, self._places[class_ids]),
            "diversity": varieties.ratio,
            "frechet_share": frechet_distance(features, reference.features)
            / max(reference.spread, 1e-9),
            "recogniser": self._reader.sha256 or "",
        }

    def _reference_of(self, classes: tuple[int, ...]) -> _Reference:
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
            features.append(self._reader.features(images))
        everything = np.concatenate(features)
        spread = float(everything.var(axis=0, ddof=1, dtype=np.float64).sum())
        return _Reference(deviations, everything, spread)


@dataclass(frozen=True)
class _Reference:
    """Real samples of some classes: deviation by class, features, and their summed variance."""

    deviations: Mapping[str, float]
    features: Features
    spread: float
