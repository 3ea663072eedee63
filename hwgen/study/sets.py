"""In: a run directory or a store. Out: one side of a study, that pictures can be drawn from."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from hwgen.charset import Charset
from hwgen.compute.devices import pick_device
from hwgen.data import average_down, to_images, to_tensor
from hwgen.errors import InputError
from hwgen.generators.gan.sampling import UNLABELLED, Sampler
from hwgen.io.files import repair_utf8
from hwgen.io.paths import describe_path, suggest_path
from hwgen.record import Image
from hwgen.runs.models import is_model, kind_at
from hwgen.store import Store, partial_path

ImageNumbers = npt.NDArray[np.int64]


class StudySet(Protocol):
    """Where the pictures of one side come from.

    Attributes:
        name: of the folder.
        kind: "run", "model", "synthetic store" or "real store".
        fingerprint: changes with any picture of it.
        labels: its classes in order; None where they say nothing.
        size: side of its pictures, pixels.
        channels: 1 for grey, 3 for colour.
    """

    name: str
    kind: str
    fingerprint: str
    labels: tuple[str, ...] | None
    size: int
    channels: int

    def capacity(self, label: str | None) -> float:
        """How many different pictures there are of a label, or in all (None)."""
        ...

    def places(self, label: str | None, count: int, rng: np.random.Generator) -> ImageNumbers:
        """Which pictures to take: int64 [count], all different."""
        ...

    def draw(self, places: ImageNumbers, seed: int) -> Image:
        """The pictures: uint8 [N, size, size(, 3)], 255 is paper."""
        ...


def open_set(path: Path) -> StudySet:
    """A trained GAN, exported or not, or a finished store, whichever lies there.

    Raises:
        InputError: neither; or a run of another kind.
        RunError: an unfinished or foreign run.
        StoreError: an unfinished or foreign store.
    """
    if (path / "run.json").is_file() or is_model(path):
        return GeneratorSet(path)
    if (path / "manifest.json").is_file() or partial_path(path).exists():
        return StoreSet(path)
    known = describe_path(path)
    raise InputError(
        f"is neither a run, a model nor a store{known and f': {known}'}",
        where=str(path),
        remedy=suggest_path(path, "Give what hwgen train, synthesize or a prepare command wrote"),
    )


class StoreSet:
    """The records of a store."""

    def __init__(self, path: Path) -> None:
        self._store = Store(path)
        manifest = self._store.manifest
        self.name = repair_utf8(path.resolve().name)
        self.kind = f"{self._store.made_as} store"
        self.fingerprint = manifest.content_sha256
        self.labels = _labels(self._store.charset)
        self.size, self.channels = self._store.size, self._store.channels

    def capacity(self, label: str | None) -> float:
        """Records of a class, or of all."""
        if label is None:
            return len(self._store)
        return self._store.manifest.class_counts[self._store.charset.id(label)]

    def places(self, label: str | None, count: int, rng: np.random.Generator) -> ImageNumbers:
        """Numbers of records."""
        if label is None:
            return rng.choice(len(self._store), count, replace=False)
        of_class = np.flatnonzero(self._store.labels == self._store.charset.id(label))
        return rng.choice(of_class, count, replace=False)

    def draw(self, places: ImageNumbers, seed: int) -> Image:
        """The records; no seed is needed."""
        return self._store.images(places)


class GeneratorSet:
    """The samples of a trained GAN, or of one that was exported, without end."""

    def __init__(self, path: Path) -> None:
        kind = kind_at(path)
        if kind != "gan":
            raise InputError(
                f"is a run of kind {kind!r}; the runs of a study are trained GANs",
                where=str(path),
                remedy="Draw a store from it with hwgen synthesize and give that",
            )
        self._sampler = Sampler.load(path)
        self.name, self.kind = (
            repair_utf8(path.resolve().name),
            "model" if is_model(path) else "run",
        )
        self.fingerprint = self._sampler.provenance
        self.labels = _labels(self._sampler.charset)
        self.size, self.channels = self._sampler.size, self._sampler.channels

    def capacity(self, label: str | None) -> float:
        """A generator does not run out."""
        return math.inf

    def places(self, label: str | None, count: int, rng: np.random.Generator) -> ImageNumbers:
        """Sample numbers with the class: index * classes + class id."""
        classes = len(self._sampler.charset)
        if label is None:
            ids = rng.integers(classes, size=count)
        else:
            ids = np.full(count, self._sampler.charset.id(label))
        return np.arange(count) * classes + ids

    def draw(self, places: ImageNumbers, seed: int) -> Image:
        """Samples of the generator; another seed gives others."""
        indices, ids = np.divmod(places, len(self._sampler.charset))
        return self._sampler.sample(ids, indices, seed=seed)


def reduced(images: Image, size: int) -> Image:
    """Pictures averaged down, as training averages them: uint8 [N, size, size(, 3)]."""
    return to_images(average_down(to_tensor(images, pick_device("cpu")), size))


def _labels(charset: Charset) -> tuple[str, ...] | None:
    return None if charset == UNLABELLED else charset.labels


def describe(side: StudySet) -> dict[str, Any]:
    """What the answer key says of a side."""
    return {"name": side.name, "kind": side.kind, "fingerprint": side.fingerprint}
