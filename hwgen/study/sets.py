"""The two sets of a study: where their images come from."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from hwgen.charset import UNLABELLED, Charset
from hwgen.compute.devices import pick_device
from hwgen.data import average_down, to_images, to_tensor
from hwgen.errors import InputError
from hwgen.generators.base import get_kind, load_generator
from hwgen.io.files import repair_utf8
from hwgen.io.paths import describe_path, suggest_path
from hwgen.record import Image
from hwgen.runs.models import is_model, kind_at
from hwgen.store import Store, partial_path

ImageNumbers = npt.NDArray[np.int64]


class StudySet(Protocol):
    """One of the two sets.

    Attributes:
        name: of its directory.
        kind: "run", "model", "synthetic store", "real store" or "simulated store".
        fingerprint: changes with any image of the set.
        labels: its classes in order; None without labels.
        size: of its images, pixels.
        channels: 1 for grey, 3 for colour.
    """

    name: str
    kind: str
    fingerprint: str
    labels: tuple[str, ...] | None
    size: int
    channels: int

    def capacity(self, label: str | None) -> float:
        """Number of different images of a label, or of all (None)."""
        ...

    def choose(self, label: str | None, count: int, rng: np.random.Generator) -> ImageNumbers:
        """Numbers of images, int64 [count], all different."""
        ...

    def images(self, numbers: ImageNumbers, seed: int) -> Image:
        """The images, uint8 [N, size, size(, 3)], 255 is paper."""
        ...


def open_set(path: Path) -> StudySet:
    """A trained GAN, an exported model of one, or a finished store.

    Raises:
        InputError: something else is at the path, or a run or model of another kind.
        RunError: the run is unfinished or damaged.
        StoreError: the store is unfinished or damaged.
    """
    if (path / "run.json").is_file() or is_model(path):
        return GeneratorSet(path)
    if (path / "manifest.json").is_file() or partial_path(path).exists():
        return StoreSet(path)
    found = describe_path(path)
    raise InputError(
        f"is not a run, a model or a store{found and f': {found}'}",
        where=str(path),
        remedy=suggest_path(path, "Give the output of hwgen train, synthesize or prepare-*"),
    )


class StoreSet:
    """The records of a store."""

    def __init__(self, path: Path) -> None:
        self._store = Store(path)
        self.name = repair_utf8(path.resolve().name)
        self.kind = f"{self._store.data_kind} store"
        self.fingerprint = self._store.manifest.content_sha256
        self.labels = _labels(self._store.charset)
        self.size, self.channels = self._store.size, self._store.channels

    def capacity(self, label: str | None) -> float:
        """Number of records of a class, or of all."""
        if label is None:
            return len(self._store)
        return self._store.manifest.class_counts[self._store.charset.id(label)]

    def choose(self, label: str | None, count: int, rng: np.random.Generator) -> ImageNumbers:
        """Record numbers."""
        if label is None:
            return rng.choice(len(self._store), count, replace=False)
        of_class = np.flatnonzero(self._store.labels == self._store.charset.id(label))
        return rng.choice(of_class, count, replace=False)

    def images(self, numbers: ImageNumbers, seed: int) -> Image:
        """The records' images; the seed has no effect."""
        return self._store.images(numbers)


class GeneratorSet:
    """The samples of a generator, from a run or an exported model."""

    def __init__(self, path: Path) -> None:
        kind = get_kind(kind_at(path), str(path))
        if kind.needs_source:
            raise InputError(
                f"is a {kind.title}; a study takes stores, and generators that need no images",
                where=str(path),
                remedy="Make a store from it with hwgen synthesize, and give that",
            )
        self._sampler = load_generator(path)
        self.name = repair_utf8(path.resolve().name)
        self.kind = "model" if is_model(path) else "run"
        self.fingerprint = self._sampler.provenance
        self.labels = _labels(self._sampler.charset)
        self.size, self.channels = self._sampler.size, self._sampler.channels

    def capacity(self, label: str | None) -> float:
        """Unlimited."""
        return math.inf

    def choose(self, label: str | None, count: int, rng: np.random.Generator) -> ImageNumbers:
        """Sample index * number of classes + class id."""
        classes = len(self._sampler.charset)
        if label is None:
            ids = rng.integers(classes, size=count)
        else:
            ids = np.full(count, self._sampler.charset.id(label))
        return np.arange(count) * classes + ids

    def images(self, numbers: ImageNumbers, seed: int) -> Image:
        """Samples of the generator; each seed gives others."""
        indices, ids = np.divmod(numbers, len(self._sampler.charset))
        return self._sampler.sample(ids, indices, seed=seed)


def reduced(images: Image, size: int) -> Image:
    """Images averaged down as in training: uint8 [N, size, size(, 3)]."""
    return to_images(average_down(to_tensor(images, pick_device("cpu")), size))


def _labels(charset: Charset) -> tuple[str, ...] | None:
    return None if charset == UNLABELLED else charset.labels


def describe(study_set: StudySet) -> dict[str, Any]:
    """What the answer key says about a set."""
    return {
        "name": study_set.name,
        "kind": study_set.kind,
        "fingerprint": study_set.fingerprint,
    }
