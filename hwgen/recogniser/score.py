"""In: samples of a generator in training. Out: purity and diversity, to choose a checkpoint by."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from hwgen.errors import CharsetError, InputError
from hwgen.metrics.diversity import diversity, pixel_deviation
from hwgen.recogniser.benchmark import deviations
from hwgen.recogniser.reader import Recogniser, accuracy
from hwgen.record import Image
from hwgen.store import Store


class Scorer:
    """Scores samples against a real store; what `hwgen.gan.training.train` takes as `score`.

    Args:
        recogniser: reads the samples.
        real: the store that the generator learns from; its variety is the measure.
        size: side of the samples.

    Raises:
        CharsetError: the recogniser's classes are not the store's.
        InputError: the samples are too small for the recogniser or have other channels, or no
            class of the store varies.
    """

    def __init__(self, recogniser: Recogniser, real: Store, size: int) -> None:
        if recogniser.charset != real.charset:
            raise CharsetError(
                f"the recogniser knows {len(recogniser.charset)} classes, the store has "
                f"{len(real.charset)}, and they are not the same in the same order",
                where=str(real.path),
                remedy="Train the recogniser on this store: hwgen benchmark --train",
            )
        if size < recogniser.recipe.size or real.channels != recogniser.channels:
            raise InputError(
                f"the recogniser reads pictures of {recogniser.recipe.size} pixels or more with "
                f"{recogniser.channels} channels, the samples have {size} and {real.channels}",
                remedy="Train a recogniser of that size: hwgen benchmark --size",
            )
        self._recogniser = recogniser
        self._real = deviations(real, size)
        if not any(self._real.values()):
            raise InputError(
                "no class has two different samples, so variety cannot be scored",
                where=str(real.path),
            )

    def __call__(self, images: Image, class_ids: npt.NDArray[np.int64]) -> Mapping[str, float]:
        """Purity, the share read as its label, and diversity, the share of the real variety.

        Args:
            images: uint8 [N, S, S], at least two a class.
            class_ids: int64 [N].
        """
        charset = self._recogniser.charset
        samples = {
            charset[class_id]: pixel_deviation(images[class_ids == class_id])
            for class_id in np.unique(class_ids).tolist()
        }
        varieties = diversity(samples, self._real)
        assert varieties is not None  # the real classes vary, and every one has samples
        return {
            "purity": accuracy(self._recogniser.read(images), class_ids),
            "diversity": varieties.ratio,
        }
