from collections.abc import Callable

import numpy as np
import pytest

from hwgen.charset import Charset
from hwgen.recogniser.doubt import SAMPLES, doubt, doubt_of_store
from hwgen.recogniser.reader import ClassIds, Reader, Reading
from hwgen.record import Image
from hwgen.store import Store

MakeStore = Callable[..., Store]


class FirstPixel(Reader):
    """Reads the class that an image's first pixel names, or that of `always`."""

    channels, size = 1, None

    def __init__(self, labels: str, always: int | None = None) -> None:
        self.charset, self.provenance, self.always = Charset(tuple(labels)), {}, always
        self.seen = 0

    def reading(self, images: Image) -> Reading:
        self.seen += len(images)
        read = images[:, 0, 0] if self.always is None else np.full(len(images), self.always)
        probabilities = np.eye(len(self.charset), dtype=np.float32)[read]
        return Reading(probabilities, probabilities)

    def check(self, size: int, channels: int) -> None:
        pass

    @property
    def remedy(self) -> str:
        return "Train it"


def images(labels: ClassIds) -> Image:
    return np.repeat(labels, 4).reshape(-1, 2, 2).astype(np.uint8)


def test_a_reader_that_always_reads_one_class_is_in_doubt() -> None:
    labels = np.arange(90) % 3
    assert doubt(FirstPixel("一丨十"), images(labels), labels, "samples") == ""
    text = doubt(FirstPixel("一丨十", always=0), images(labels), labels, "samples of x")
    assert text == (
        "33% of 90 samples of x are read as their label, where chance gives 33%. Train it"
    )


@pytest.mark.parametrize(("right", "doubted"), [(30, True), (35, True), (36, False), (90, False)])
def test_a_tenth_of_the_way_from_chance_is_enough(right: int, doubted: bool) -> None:
    labels = np.arange(90) % 3
    shown = np.where(np.arange(90) < right, labels, (labels + 1) % 3)
    assert bool(doubt(FirstPixel("一丨十"), images(shown), labels, "samples")) == doubted


def test_one_class_is_never_in_doubt() -> None:
    labels = np.zeros(9, np.int64)
    assert doubt(FirstPixel("一丨", always=1), images(labels), labels, "samples") == ""


def test_a_few_samples_of_known_classes_of_a_store_are_read(make_store: MakeStore) -> None:
    store = make_store("real", size=16, per_class=200)
    reader = FirstPixel("丨永十", always=1)
    assert f"0% of {SAMPLES} samples of {store.path} are read" in doubt_of_store(reader, store)
    assert reader.seen == SAMPLES
    assert doubt_of_store(FirstPixel("永人", always=1), store) == ""
