"""Stores of three classes and a way to run `hwgen lift` on them in this process."""

import sys
from pathlib import Path

import numpy as np
import pytest

from hwgen.charset import Charset
from hwgen.generators.deformation.recipe import DeformationRecipe
from hwgen.generators.deformation.training import train_deformation
from hwgen.record import Record
from hwgen.store import Store, StoreWriter
from hwgen_cli.__main__ import main

TOY = DeformationRecipe(size=16, z_dim=2, width=4, grid=4, batch=8, steps=2)


def make_store(
    path: Path,
    counts: tuple[int, ...],
    *,
    labels: str = "一丨十",
    kind: str = "gnt",
    writer: str = "",
    simulated: bool = False,
) -> Path:
    rng = np.random.default_rng(len(path.name))
    with StoreWriter(path, size=16, recipe={}) as store:
        for label, count in zip(labels, counts, strict=True):
            for index in range(count):
                image = rng.integers(200, 256, (16, 16), dtype=np.uint8)
                image[:: labels.index(label) + 2] = 0
                store.add(Record(image, label, writer, path.name, index))
        store.finish(charset=Charset(tuple(labels)), origin={"kind": kind, "simulated": simulated})
    return path


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    settings = ["--size", 16, "--device", "cpu", "--precision", "fp32", "--steps", 1]
    everything = ["hwgen", *arguments, *settings, "--recogniser-preset", "light"]
    monkeypatch.setattr(sys, "argv", list(map(str, everything)))
    monkeypatch.setenv("COLUMNS", "200")
    with pytest.raises(SystemExit) as leaving:
        main()
    return int(leaving.value.code or 0)


def store_options(folder: Path) -> list[object]:
    """Options --train and --test, with stores of two common classes and a rare one."""
    train = make_store(folder / "train", (9, 9, 5), writer="w")
    test = make_store(folder / "testing", (2, 2, 2), writer="w")
    return ["--train", train, "--test", test]


def learnt_run(folder: Path) -> Path:
    """A deformation model, trained on another store."""
    other = Store(make_store(folder / "other", (4, 4, 4)))
    return train_deformation(other, folder / "learnt", TOY, device="cpu").path
