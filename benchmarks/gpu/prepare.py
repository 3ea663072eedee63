"""POT files and stroke data -> the stores and arrays that the other entries read."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import numpy.typing as npt

from hwgen.charset import Charset, gb2312_level1
from hwgen.imaging.framing import Framing
from hwgen.imaging.ink import Ink
from hwgen.prepare import PrepareOptions, prepare_pot
from hwgen.sources.simulation.handwriting import simulate_writer
from hwgen.sources.strokes.data import Strokes
from hwgen.sources.strokes.hanzi_writer import HanziWriter
from hwgen.sources.writer_selection import WriterSelection
from hwgen.store import Store

TRAIN_WRITERS = "1001-1050"
TEST_WRITERS = "1051-1060"
SEEN = 2755
"""Number of classes with real samples: the first ones in GB2312 order, as in zero-shot papers."""


@dataclass(frozen=True)
class Inputs:
    """Everything that the other entries read, made once per machine in one folder.

    Attributes:
        work: the folder.
        classes: number of classes, the first ones of GB2312 level 1.
        seen: number of first classes with real training samples.
        hands: simulated hands per class.
    """

    work: Path
    classes: int
    seen: int
    hands: int

    @property
    def train64(self) -> Path:
        """Store of pen ink at 64 pixels, writers 1001 to 1050."""
        return self.work / "train64"

    @property
    def test64(self) -> Path:
        """The same characters by writers 1051 to 1060."""
        return self.work / "test64"

    @property
    def train28(self) -> Path:
        """Store of pen ink stretched to 28x28 as in the papers, writers 1001 to 1050."""
        return self.work / "train28"

    @property
    def test28(self) -> Path:
        """The same characters by writers 1051 to 1060."""
        return self.work / "test28"

    def simulated(self) -> npt.NDArray[np.uint8]:
        """Simulated images, uint8 [classes, hands, 64, 64]."""
        images: npt.NDArray[np.uint8] = np.load(self.work / "simulated64.npy", mmap_mode="r")
        return images


def arrays(store: Path) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """Images uint8 [n, S, S] and labels int64 [n] of a whole store."""
    opened = Store(store)
    return opened.all_images(), opened.labels


def prepare(
    data: Path, work: Path, *, classes: int = 3755, hands: int = 64, tiny: bool = False
) -> Inputs:
    """Make everything that is missing in `work`.

    Args:
        data: folder with `pot/*.pot` (OLHWDB1.1, writers 1001 to 1060) and `graphics.txt` (Make Me
            a Hanzi, Arphic Public License).
        work: where to write.
        classes: how many of GB2312 level 1, in code order.
        hands: simulated hands.
        tiny: three training writers and one test writer, for a dry run.
    """
    work.mkdir(parents=True, exist_ok=True)
    inputs = Inputs(work, classes, min(SEEN, round(classes * 0.75)), hands)
    labels = gb2312_level1().labels[:classes]
    charset = Charset(labels)
    seconds = {}
    train = "1001-1003" if tiny else TRAIN_WRITERS
    test = "1051" if tiny else TEST_WRITERS
    for store, writers, framing in (
        (inputs.train64, train, Framing(64)),
        (inputs.test64, test, Framing(64)),
        (inputs.train28, train, Framing(28, stretch=True)),
        (inputs.test28, test, Framing(28, stretch=True)),
    ):
        began = time.monotonic()
        if not store.exists():
            prepare_pot(
                [data / "pot"],
                store,
                ink=Ink(framing),
                writers=WriterSelection(writers),
                options=PrepareOptions(charset=charset),
            )
        seconds[store.name] = round(time.monotonic() - began, 1)
    began = time.monotonic()
    if not (work / "simulated64.npy").exists():
        strokes = HanziWriter(data / "graphics.txt").load(labels)
        with ProcessPoolExecutor(os.cpu_count(), get_context("fork")) as pool:
            made = list(pool.map(_hand, [(hand, labels, strokes) for hand in range(hands)]))
        np.save(work / "simulated64.npy", np.stack(made, axis=1))
    seconds["simulated64"] = round(time.monotonic() - began, 1)
    (work / "prepare.json").write_text(json.dumps({"seconds": seconds}) + "\n")
    print("prepared", seconds, flush=True)
    return inputs


def _hand(job: tuple[int, tuple[str, ...], Mapping[str, Strokes]]) -> npt.NDArray[np.uint8]:
    """All classes in one simulated hand: uint8 [classes, 64, 64]."""
    hand, labels, strokes = job
    images = [image for _, image in simulate_writer(0, hand + 1, labels, strokes)]
    return Framing(64).apply_batch(images)
