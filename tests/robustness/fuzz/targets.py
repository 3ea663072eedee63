"""All targets by name, and their numbers of inputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from tests.robustness.fuzz import images, models, raw, results, stores
from tests.robustness.fuzz.target import Target

TARGETS: Mapping[str, Callable[[Path], Target]] = {
    "gnt": raw.gnt,
    "pot": raw.pot,
    "zip": raw.zips,
    "strokes": raw.strokes,
    "images": images.files,
    "image zip": images.archive,
    "idx": images.idx,
    "cifar": images.cifar,
    "label list": images.label_list,
    "ocr lmdb": images.ocr_lmdb,
    "lsun lmdb": images.lsun,
    "parquet": images.parquet,
    "manifest": stores.manifest,
    "data": stores.data,
    "recipes": models.recipes,
    "run": models.run_folder,
    "weights": models.weights,
    "model": models.model_folder,
    "stroke file": models.stroke_file,
    "recogniser": models.recogniser,
    "checkpoint": models.checkpoint,
    "benchmark.json": results.benchmark,
    "evaluation.json": results.evaluation,
    "lift.json": results.lift,
    "pages": results.pages,
    "rows": results.rows,
    "yield.json": results.yields,
    "votes": results.votes,
    "export": results.marker,
}
"""Name -> function that makes the target in a scratch folder, which it may write to."""

COUNTS: Mapping[str, int] = {
    "gnt": 600_000,
    "pot": 600_000,
    "zip": 100_000,
    "strokes": 50_000,
    "images": 100_000,
    "image zip": 50_000,
    "idx": 50_000,
    "cifar": 50_000,
    "label list": 50_000,
    "ocr lmdb": 50_000,
    "lsun lmdb": 50_000,
    "parquet": 50_000,
    "manifest": 100_000,
    "data": 50_000,
    "recipes": 20_000,
    "run": 20_000,
    "weights": 8_000,
    "model": 8_000,
    "stroke file": 20_000,
    "recogniser": 20_000,
    "checkpoint": 20_000,
    "benchmark.json": 50_000,
    "evaluation.json": 50_000,
    "lift.json": 50_000,
    "pages": 2_000,
    "rows": 50_000,
    "yield.json": 50_000,
    "votes": 50_000,
    "export": 50_000,
}
"""Inputs of a full run: more than a million in all."""
