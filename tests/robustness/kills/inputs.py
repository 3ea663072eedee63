"""Small inputs for every command, made by hwgen from random strokes.

gnt.zip, other.gnt   scans of 20 writers, and of 2 others
pot/, images/        trajectories; PNG files in one folder per class
graphics.txt         strokes of the characters
train, test          stores of 32 pixels, of 8 writers and of the 2 others
gan, bend, refiner   runs: a toy GAN, a toy deformation model, and a toy refiner
reader/              a recogniser, in the folder of a benchmark
synthetic            a store sampled from the deformation model
"""

from __future__ import annotations

import io
import json
import re
import shutil
import zipfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image as PilImage

from hwgen.imaging.framing import Framing
from hwgen.imaging.ink import Ink, Trajectory
from hwgen.record import Image
from hwgen.sources.gnt import encode_record
from hwgen.sources.pot import encode_trajectory, read_pot
from tests.robustness.kills.child import rehearse

CHARACTERS = "的一是不了在"
WRITERS = 20
SAMPLES = 4
"""Samples per writer and character."""

COPIES = 3
"""Copies of each scan in the GNT files, with different grain."""

TOY_GAN = [
    "--preset=glyph-32",
    "--set=size=8",
    "--set=generator.start=[6, 4]",
    '--set=generator.stages=[{"channels": 4, "kernel": 3, "stride": 2},'
    ' {"channels": 1, "kernel": 3, "stride": 1}]',
    "--set=generator.z_dim=6",
    "--set=generator.label_dim=5",
    '--set=discriminator.stages=[{"channels": 4, "kernel": 4, "stride": 2},'
    ' {"channels": 6, "kernel": 3, "stride": 1}]',
    "--set=discriminator.hidden=8",
    "--set=discriminator.label_dim=5",
    "--batch=4",
    "--on-collapse=ignore",
    "--device=cpu",
    "--precision=fp32",
]
TOY_BEND = [
    "--preset=deformation-32",
    "--set=size=16",
    "--set=width=4",
    "--set=grid=4",
    "--set=z_dim=2",
    "--batch=8",
    "--device=cpu",
]
TOY_REFINER = [
    "--preset=refiner-32",
    "--set=generator.widths=[4, 6, 8]",
    "--set=generator.z_dim=5",
    '--set=discriminator.stages=[{"channels": 4, "kernel": 3, "stride": 2},'
    ' {"channels": 6, "kernel": 3, "stride": 1}]',
    "--set=discriminator.hidden=8",
    "--set=discriminator.recogniser_steps=3",
    "--set=hands=3",
    "--batch=4",
    "--on-collapse=ignore",
    "--device=cpu",
    "--precision=fp32",
]
"""Of 32 pixels, the least that D's recogniser reads."""

TOY_READER = ["--recogniser-preset=light", "--size=16", "--device=cpu", "--precision=fp32"]

_MADE = {
    "train": ("prepare-pot", "pot", "--size=32", "--workers=1", "--writers=1001-1008"),
    "test": ("prepare-gnt", "other.gnt", "--size=32", "--charset=train"),
    "gan": ("train", "train", *TOY_GAN, "--images=80", "--snapshot-every=40"),
    "bend": ("train", "train", *TOY_BEND, "--images=400"),
    "refiner": (
        *("train", "train", *TOY_REFINER, "--strokes=graphics.txt"),
        *("--images=40", "--snapshot-every=40"),
    ),
    "reader": (
        "benchmark",
        *("--train=train", "--test=test", *TOY_READER, "--seeds=1", "--steps=60"),
    ),
    "synthetic": ("synthesize", "bend", "--real=train", "--per-class=20", "--device=cpu"),
}
"""Name -> command; each needs only names above it."""


def make_inputs(
    folder: Path,
    commands: Iterable[str],
    *,
    gnt: Path | None = None,
    pot: Path | None = None,
) -> None:
    """Write the inputs that are listed above.

    Args:
        folder: must not exist.
        commands: text of the commands that need them; other inputs are left out.
        gnt: a zip of real GNT files to use in place of the made ones.
        pot: a folder of real POT files, likewise.
    """
    folder.mkdir(parents=True)
    _write_files(folder)
    words = set(re.findall(r"\w+", " ".join(commands)))
    needed: list[tuple[str, ...]] = []
    for name, argv in reversed(_MADE.items()):  # each may need names above it
        if name in words:
            needed.insert(0, (*argv, f"--out={name}"))
            words.update(re.findall(r"\w+", " ".join(argv)))
    for argv in needed:
        rehearse(argv, folder)
    for real, name in ((gnt, "gnt.zip"), (pot, "pot")):
        if real is not None:
            place = folder / name
            shutil.rmtree(place) if place.is_dir() else place.unlink()
            place.symlink_to(real.resolve())


def _write_files(folder: Path) -> None:
    """Scans, trajectories and image files of the same writers."""
    rng = np.random.default_rng(0)
    shapes = [rng.integers(100, 900, (3, 4, 2)) for _ in CHARACTERS]
    strokes = [
        json.dumps({"character": label, "medians": shape.tolist()})
        for label, shape in zip(CHARACTERS, shapes, strict=True)
    ]
    (folder / "graphics.txt").write_text("\n".join(strokes), "utf-8")
    ink = Ink(framing=Framing(40))
    (folder / "pot").mkdir()
    with zipfile.ZipFile(folder / "gnt.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for writer in range(1001, 1001 + WRITERS):
            pot = _hand(shapes, rng, SAMPLES)
            (folder / "pot" / f"{writer}.pot").write_bytes(pot)
            scans = _scans(pot, ink)
            grainy = (_encoded(scans, rng) for _ in range(COPIES))
            archive.writestr(f"{writer}-f.gnt", b"".join(grainy))
            for number, (label, image) in enumerate(scans):
                _save(folder / "images" / label / f"{writer}-{number}.png", image)
    (folder / "other.gnt").write_bytes(_encoded(_scans(_hand(shapes, rng, 8), ink), rng))


def _hand(shapes: list[np.ndarray], rng: np.random.Generator, samples: int) -> bytes:
    """A POT file of one writer."""
    lean = rng.normal(0, 40, (3, 4, 2))
    return b"".join(
        encode_trajectory(label, np.trunc(hand).astype(int).tolist())
        for label, shape in zip(CHARACTERS, shapes, strict=True)
        for hand in shape + lean + rng.normal(0, 25, (samples, *shape.shape))
    )


def _scans(pot: bytes, ink: Ink) -> list[tuple[str, Image]]:
    read = read_pot(io.BytesIO(pot), source="", writer="")
    written = [item for item in read if isinstance(item, Trajectory)]
    images = ink.apply_batch([item.raw for item in written])
    return [(item.label, image) for item, image in zip(written, images, strict=True)]


def _encoded(scans: list[tuple[str, Image]], rng: np.random.Generator) -> bytes:
    """A GNT file of scans, each with different grain."""
    return b"".join(
        encode_record(label, image - rng.integers(0, 16, image.shape, np.uint8) * (image > 15))
        for label, image in scans
    )


def _save(path: Path, image: Image) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    PilImage.fromarray(image).save(path)
