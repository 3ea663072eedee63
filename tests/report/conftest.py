import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as PilImage

from hwgen.charset import Charset
from hwgen.generators.deformation import recipe as deformation
from hwgen.generators.gan.presets import change, preset, recipe_to_json
from hwgen.record import Record
from hwgen.runs import Run, begin_or_continue
from hwgen.store import Store, StoreWriter

LABELS = ("一", "己", "已")
LONE = {"mean": 0.9, "low": None, "high": None}  # one seed has no interval


def flat_image(value: int, size: int = 8) -> np.ndarray:
    return np.full((size, size), value, np.uint8)


@pytest.fixture
def make_store(tmp_path: Path) -> Callable[..., Store]:
    def make(
        name: str,
        *,
        kind: str,
        labels: tuple[str, ...] = LABELS,
        per_class: int = 3,
        value: int = 100,
        charset: tuple[str, ...] | None = None,
    ) -> Store:
        with StoreWriter(tmp_path / name, size=8, recipe={}) as writer:
            for label in labels:
                for i in range(per_class):
                    writer.add(Record(flat_image(value), label, "w1", "here", i))
            order = Charset(charset or labels)
            return writer.finish(charset=order, origin={"kind": kind, "seed": 3, "run": "abc"})

    return make


@pytest.fixture
def make_deformation_run(tmp_path: Path) -> Callable[..., Run]:
    def make(name: str = "bend", **changes: int) -> Run:
        recipe = deformation.recipe_to_json(deformation.DeformationRecipe())
        return begin_or_continue(
            tmp_path / name,
            kind="deformation",
            recipe={**recipe, **changes},
            seed=7,
            charset=Charset(LABELS),
            data={"content_sha256": "feed" * 16},
        )

    return make


@pytest.fixture
def make_run(tmp_path: Path) -> Callable[..., Run]:
    def make(
        name: str = "run", *, log: bool = True, scores: bool = True, grids: int = 8, **changes: str
    ) -> Run:
        recipe = recipe_to_json(change(preset("glyph-32"), changes))
        run = begin_or_continue(
            tmp_path / name,
            kind="gan",
            recipe=recipe,
            seed=7,
            charset=Charset(LABELS),
            data={"content_sha256": "feed" * 16},
        )
        for images in range(64, 64_000, 640) if log else ():
            run.log(
                {
                    "images": images,
                    "seconds": images / 10,
                    "images_per_second": 400.0,
                    "loss_d": 0.2,
                    "loss_g": 0.4,
                    "d_real": 0.6,
                    "d_fake": 0.4,
                    "r1": 0.1,
                }
            )
        if scores:
            run.log({"images": 32_000, "purity": 0.5, "diversity": 0.7})
            run.log({"images": 64_000, "purity": 0.9412, "diversity": 0.81})
        run.grids.mkdir(exist_ok=True)
        for i in range(grids):
            file = run.grids / f"{(i + 1) * 32_000:09d}.png"
            PilImage.fromarray(flat_image(10 * i, 16)).save(file)
        if grids:
            PilImage.fromarray(flat_image(200, 16)).save(run.grids / "real.png")
        return run

    return make


def interval(mean: float) -> dict[str, float]:
    return {"mean": mean, "low": mean - 0.01, "high": mean + 0.01}


def benchmark_value() -> dict[str, Any]:
    def store(name: str) -> dict[str, Any]:
        return {
            "path": name,
            "count": 1234,
            "charset_fingerprint": "0123456789abcdef",
            "content_sha256": f"{name}-hash",
            "made": "real",
        }

    def arm(top1: float) -> dict[str, Any]:
        trials = [
            {"seed": s, "top1": top1 + s / 1000, "top5": 0.99, "seconds": 100.0} for s in range(3)
        ]
        return {"runs": trials, "top1": interval(top1), "top5": interval(0.985)}

    return {
        "format": "hwgen-benchmark",
        "format_version": 1,
        "settings": {"recipe": {}, "seeds": [0, 1, 2], "device": "cpu", "precision": "bf16"},
        "versions": {"hwgen": "0.1.0"},
        "train": store("train"),
        "synthetic": store("synthetic"),
        "test": store("test"),
        "network": {"parameters": 1_234_567, "flops": 7_654_321},
        "arms": {"real": arm(0.9712), "real+synthetic": arm(0.9734), "synthetic": arm(0.85)},
        "differences": {
            "real+synthetic - real": {"mean": 0.002, "low": -0.001, "high": 0.005},
            "synthetic - real": {"mean": -0.12, "low": -0.13, "high": -0.11},
        },
        "purity": {
            "runs": [0.94, 0.95, 0.93],
            "top1": interval(0.94),
            "per_class": {"一": 0.99, "己": 0.76, "已": 0.91},
        },
        "diversity": {"ratio": 0.833, "per_class": {"一": 0.9, "己": 0.71, "已": 0.8}},
        "worst": [{"label": "己", "accuracy": 0.81, "count": 144, "read_as": {"一": 2, "已": 12}}],
    }


@pytest.fixture
def make_benchmark(tmp_path: Path) -> Callable[..., Path]:
    def make(name: str = "bench", **changes: Any) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        value = {**benchmark_value(), **changes}
        (folder / "benchmark.json").write_text(json.dumps(value), encoding="utf-8")
        return folder

    return make
