"""POT files and stroke data -> the stores and arrays that the other entries read."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from hwgen.charset import Charset, gb2312_level1
from hwgen.imaging.framing import Framing
from hwgen.imaging.framing_pool import available_workers
from hwgen.imaging.ink import Ink
from hwgen.io.files import atomic_write
from hwgen.prepare import PrepareOptions, prepare_pot
from hwgen.sources.simulation.images import render_items
from hwgen.sources.simulation.samples import SimulatedSamples
from hwgen.sources.strokes.hanzi_writer import HanziWriter
from hwgen.sources.strokes.rounding import rounded
from hwgen.sources.writer_selection import WriterSelection
from hwgen.store import Store

SIZE = 64
"""Width and height of the images of all entries but paper-hwdb, pixels."""

FRAMING = Framing(SIZE)
"""Of these images."""

SEEN = 2755
"""First classes in GB2312 order that may have real samples; the 1,000 after them are unseen."""

SEED = 1
"""Seed of the simulated images that a recogniser is trained on; trainings of refiners use 0."""

Images = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Inputs:
    """What the entries read; each part is made when it is first asked for, and kept in `work`.

    Attributes:
        work: a folder. Its `data` holds `pot/*.pot` (OLHWDB1.1, writers 1001 to 1060) and
            `graphics.txt` (Make Me a Hanzi, Arphic Public License).
        classes: number of classes, the first ones of GB2312 level 1.
        train_writers: whose samples are trained on.
        test_writers: whose samples are tested on.
    """

    work: Path
    classes: int = 3755
    train_writers: str = "1001-1050"
    test_writers: str = "1051-1060"

    @property
    def unseen(self) -> int:
        """Number of last classes that are never seen: 1,000 of 3,755."""
        return self.classes - min(SEEN, round(self.classes * 0.75))

    @property
    def charset(self) -> Charset:
        """All classes."""
        return Charset(gb2312_level1().labels[: self.classes])

    @cached_property
    def strokes(self) -> HanziWriter:
        """Strokes of the classes."""
        return HanziWriter(self.work / "data" / "graphics.txt")

    def train(self, classes: int = 0, framing: Framing = FRAMING) -> Store:
        """Pen ink of the training writers; of the first `classes` classes only, if given."""
        return self._store("train", self.train_writers, classes or self.classes, framing)

    def test(self, framing: Framing = FRAMING) -> Store:
        """Pen ink of the test writers."""
        return self._store("test", self.test_writers, self.classes, framing)

    def simulated(self, per_class: int) -> Images:
        """Simulated images of all classes, uint8 [classes, per_class, 64, 64]."""
        file = self.work / f"simulated-{per_class}-of-{self.classes}.npy"
        if not file.exists():
            with atomic_write(file) as temporary, open(temporary, "wb") as out:
                np.save(out, self.render(per_class))
        images: Images = np.load(file)
        return images

    def render(self, per_class: int) -> Images:
        """What `simulated` keeps."""
        strokes = rounded(self.strokes.load(self.charset))
        start = SimulatedSamples(self.charset, strokes, FRAMING)
        items = start.items(*every_sample(self.classes, per_class), SEED)
        made = np.empty((len(items), SIZE, SIZE), np.uint8)
        done = 0
        for images in render_items(items, start.framing, workers=available_workers()):
            made[done : done + len(images)] = images
            done += len(images)
        return made.reshape(self.classes, per_class, SIZE, SIZE)

    def _store(self, name: str, writers: str, classes: int, framing: Framing) -> Store:
        path = self.work / f"{name}-{framing.size}-{writers}-{classes}-classes"
        if not path.exists():
            prepare_pot(
                [self.work / "data" / "pot"],
                path,
                ink=Ink(framing),
                writers=WriterSelection(writers),
                options=PrepareOptions(charset=Charset(self.charset.labels[:classes])),
            )
        return Store(path)


def every_sample(
    classes: int, per_class: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Class ids and indices of all samples of a set, class by class, int64 [classes * n]."""
    return np.repeat(np.arange(classes), per_class), np.tile(np.arange(per_class), classes)


def prepare(inputs: Inputs, seen: int, per_class: int) -> dict[str, float]:
    """Make what the entries with `seen` classes need; the seconds of each part."""
    parts: dict[str, Callable[[], object]] = {
        "training store": inputs.train,
        "test store": inputs.test,
        "store of seen classes": lambda: inputs.train(seen),
        "simulated images": lambda: inputs.simulated(per_class),
    }
    seconds = {}
    for name, make in parts.items():
        began = time.monotonic()
        make()
        seconds[name] = round(time.monotonic() - began, 1)
    return seconds
