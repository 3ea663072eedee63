"""Command lines that are killed; they run in a folder beside the inputs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.robustness.kills.inputs import TOY_BEND, TOY_GAN, TOY_READER, TOY_REFINER


@dataclass(frozen=True)
class Job:
    """A command that is killed.

    Attributes:
        argv: arguments of `hwgen`.
        start: commands that are run before.
        needs: a package that it needs.
        refusal: error of the command if its output is finished already; "" if it succeeds then.
        fraction: of the kills; jobs of the same command share them.
    """

    argv: tuple[str, ...]
    start: tuple[tuple[str, ...], ...] = ()
    needs: str = ""
    refusal: str = ""
    fraction: float = 1.0


_FEW = 0.25


def _job(typed: str, *more: str, **fields: Any) -> Job:
    return Job((*typed.replace("IN/", "../inputs/").split(), "--out=out", *more), **fields)


def _prepare(typed: str, fraction: float = 1.0) -> Job:
    return _job(typed, refusal="a store is already there", fraction=fraction)


def _replacing(typed: str, start: str) -> Job:
    return _job(typed, "--overwrite", start=(_job(start).argv,), fraction=_FEW)


def _export(typed: str, needs: str = "") -> Job:
    return _job(f"export {typed}", needs=needs, fraction=_FEW)


JOBS: dict[str, Job] = {
    "prepare-gnt": _prepare("prepare-gnt IN/gnt.zip --workers=1"),
    "prepare-gnt workers": _prepare("prepare-gnt IN/gnt.zip --workers=2", fraction=_FEW),
    "prepare-gnt overwrite": _replacing(
        "prepare-gnt IN/gnt.zip --workers=1", "prepare-gnt IN/other.gnt"
    ),
    "prepare-pot": _prepare("prepare-pot IN/pot --workers=1"),
    "prepare-images": _prepare("prepare-images IN/images --workers=2"),
    "train": _job("train IN/train --images=200 --snapshot-every=40", *TOY_GAN),
    "train deformation": _job("train IN/train --images=240", *TOY_BEND, fraction=_FEW),
    "train refiner": _job(
        "train IN/train --strokes=IN/graphics.txt --images=120 --snapshot-every=40",
        *TOY_REFINER,
        fraction=_FEW,
    ),
    "synthesize": _job("synthesize IN/gan --per-class=700 --device=cpu"),
    "synthesize filter": _job(
        "synthesize IN/bend --real=IN/train --per-class=400 --classes=3 --device=cpu "
        "--recogniser=IN/reader/recogniser-real-seed0.safetensors --min-confidence=0.3 "
        "--max-tries=2",
        fraction=_FEW,
    ),
    "synthesize refiner": _job("synthesize IN/refiner --per-class=60 --device=cpu", fraction=_FEW),
    "export ocr-lmdb": _export("IN/train --format=ocr-lmdb --shard-records=40"),
    "export folder": _export("IN/train --format=folder --shard-records=40"),
    "export paddle": _export(
        "IN/train --format=paddle --shard-records=40 --split=train=0.8,test=0.2"
    ),
    "export gnt": _export("IN/train --format=gnt --shard-records=40"),
    "export gnt overwrite": _replacing(
        "export IN/train --format=gnt --shard-records=40", "export IN/test --format=gnt"
    ),
    "export webdataset": _export("IN/train --format=webdataset --shard-records=40"),
    "export parquet": _export("IN/train --format=parquet --shard-records=40", needs="pyarrow"),
    "export-model": _job("export-model IN/gan", fraction=_FEW),
    "export-curves": _job("export-curves IN/gan", needs="tensorboard", fraction=_FEW),
    "lift": _job(
        "lift --train=IN/train --test=IN/test --real-per-class=2 --trials=1 "
        "--arms=classical,classical+synthetic --synthetic-per-class=4 --held-out-per-class=1 "
        "--generator-images=64 --steps=2 --plot=curve.png",
        *TOY_READER,
    ),
    "benchmark": _job(
        "benchmark --train=IN/train --test=IN/test --synthetic=IN/synthetic --seeds=2 --steps=2",
        *TOY_READER,
        fraction=_FEW,
    ),
    "evaluate": _job(
        "evaluate IN/synthetic --real=IN/train --real-test=IN/test --cas --steps=2 "
        "--size=16 --samples=60 --device=cpu --precision=fp32",
        fraction=_FEW,
    ),
}
"""Name -> job. Numbers are small: a run takes about a second."""
