"""What reads images: the interface of recognisers of hwgen and of classifiers of the user."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from hwgen.charset import Charset
from hwgen.errors import InputError
from hwgen.imaging.channels import to_channels
from hwgen.imaging.framing import Framing
from hwgen.imaging.image_lists import Images, image_list
from hwgen.record import Image

Probabilities = npt.NDArray[np.float32]
Features = npt.NDArray[np.float32]
ClassIds = npt.NDArray[np.int64]


class Reading(NamedTuple):
    """What is read in images.

    Attributes:
        probabilities: of the classes, float32 [N, classes]; each row sums to 1.
        features: with which sets of images are compared, float32 [N, d].
    """

    probabilities: Probabilities
    features: Features


class Reader(ABC):
    """Reads images as characters.

    Attributes:
        charset: class order.
        channels: 1 grey, 3 colour: what its network reads.
        size: width and height that its network reads, pixels; None for any.
        sha256: 16 hex digits that identify it: the hash of its file. None where it has none.
        provenance: plain JSON about its training; {} if not known.
    """

    charset: Charset
    channels: int
    size: int | None
    sha256: str | None = None
    provenance: dict[str, Any]

    @abstractmethod
    def reading(self, images: Image) -> Reading:
        """Class probabilities and features of images.

        Args:
            images: uint8 [N, S, S] or [N, S, S, 3], 255 = paper, for which `check` raises nothing.

        Raises:
            InputError: the images are too small, not square, or have other channels.
        """

    @abstractmethod
    def check(self, size: int, channels: int) -> None:
        """Refuse images that it cannot read.

        Args:
            size: of the images, pixels.
            channels: of the images.

        Raises:
            InputError: they are too small, or have another number of channels.
        """

    @property
    @abstractmethod
    def remedy(self) -> str:
        """What to do where it hardly reads real samples, a sentence."""

    def suggestion(self, images: Image, labels: ClassIds) -> str:
        """Settings with which it reads images clearly better, a sentence; "" for none.

        Args:
            images: as for `read`.
            labels: their class ids in `charset`, int64 [N].
        """
        return ""

    @property
    def facts(self) -> dict[str, Any]:
        """More about it for results, plain JSON; {} where `sha256` says all.

        "file" is the name of its file, which decides nothing.
        """
        return {}

    @property
    def classes(self) -> list[str]:
        """The labels, in the order of the columns of `predict_proba`."""
        return list(self.charset)

    def size_for(self, *sizes: int) -> int:
        """Size at which images of these sizes are compared: what it reads, if not larger."""
        return min(sizes if self.size is None else (*sizes, self.size))

    def read(self, images: Image) -> Probabilities:
        """Class probabilities of images, float32 [N, classes]; see `reading`."""
        return self.reading(images).probabilities

    def features(self, images: Image) -> Features:
        """Features of images, float32 [N, d]; see `reading`."""
        return self.reading(images).features

    def top_k(self, blocks: Iterable[Image], k: int) -> ClassIds:
        """The k most probable classes of many images, the most probable first.

        Args:
            blocks: batches of images as for `read`, such as Store.image_blocks().
            k: at most the number of classes.

        Returns:
            int64 [N, k].
        """
        parts = [top_k_classes(self.read(block), k) for block in blocks]
        return np.concatenate([np.empty((0, k), np.int64), *parts])

    def predict(self, images: Images) -> list[str]:
        """The most probable label of each image, see `predict_proba`."""
        best = self.predict_proba(images).argmax(axis=1)
        return [self.charset[class_id] for class_id in best.tolist()]

    def predict_proba(self, images: Images) -> Probabilities:
        """Class probabilities of images of any sizes, dark ink on white paper.

        Square images are taken as those of a store, with its margin, and scaled. Others are framed
        on paper first, as `prepare-gnt` does (see hwgen.Framing). Colour becomes grey, or grey
        colour, as the network needs.

        Args:
            images: arrays of uint8 [h, w], [h, w, 3], [n, h, w] or [n, h, w, 3], Pillow images,
                Records, or any number of these, such as `store[:100]`.

        Returns:
            float32 [number of images, classes], each row sums to 1.

        Raises:
            InputError: these are not images.
        """
        by_shape: dict[tuple[int, ...], list[int]] = {}
        given = [to_channels(image, self.channels) for image in image_list(images)]
        for number, image in enumerate(given):
            by_shape.setdefault(image.shape, []).append(number)
        out = np.empty((len(given), len(self.charset)), np.float32)
        for (height, width, *_), numbers in by_shape.items():
            some = [given[number] for number in numbers]
            size = self.size or max(height, width)
            if height != width:
                block = Framing(size).apply_batch(some)
            elif height < size:
                block = Framing(size, margin=0).apply_batch(some)
            else:
                block = np.stack(some)
            out[numbers] = self.read(block)
        return out


def check_square(images: Image) -> None:
    """Refuse images uint8 [N, h, w(, 3)] that are not square.

    Raises:
        InputError: they are not.
    """
    if images.shape[1] != images.shape[2]:
        raise InputError(f"expected square images, found shape {images.shape}")


def top_k_classes(probabilities: Probabilities, k: int) -> ClassIds:
    """Ids of the k most probable classes, int64 [N, k]; the lower id first in a tie."""
    return np.argsort(-probabilities, axis=1, kind="stable")[:, :k].astype(np.int64)


def accuracy(probabilities: Probabilities, labels: ClassIds, k: int = 1) -> float:
    """Top-k accuracy from probabilities.

    Args:
        probabilities: float32 [N, classes].
        labels: class ids, int64 [N].
        k: number of predictions that count.

    Raises:
        InputError: no images.
    """
    return top_k_accuracy(top_k_classes(probabilities, k), labels)


def top_k_accuracy(best: ClassIds, labels: ClassIds) -> float:
    """Fraction of images whose label is among their predictions.

    Args:
        best: predicted class ids, int64 [N, k].
        labels: class ids, int64 [N].

    Raises:
        InputError: no images.
    """
    if not len(labels):
        raise InputError("no images to test the recogniser on")
    return float((best == labels[:, None]).any(axis=1).mean())
