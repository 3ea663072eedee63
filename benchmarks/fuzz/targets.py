"""In: nothing. Out: all targets by name, and how many inputs each gets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from benchmarks.fuzz import models, pictures, raw, results, stores
from benchmarks.fuzz.target import Target

TARGETS: Mapping[str, Callable[[Path], Target]] = {
    "gnt": raw.gnt,
    "pot": raw.pot,
    "zip": raw.zips,
    "strokes": raw.strokes,
    "pictures": pictures.files,
    "picture zip": pictures.archive,
    "idx": pictures.idx,
    "cifar": pictures.cifar,
    "label list": pictures.label_list,
    "ocr lmdb": pictures.ocr_lmdb,
    "lsun lmdb": pictures.lsun,
    "parquet": pictures.parquet,
    "manifest": stores.manifest,
    "data": stores.data,
    "recipes": models.recipes,
    "run": models.run_folder,
    "weights": models.weights,
    "model": models.model_folder,
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
"""Each is made in a scratch folder that it may write to."""

COUNTS: Mapping[str, int] = {
    "gnt": 600_000,
    "pot": 600_000,
    "zip": 100_000,
    "strokes": 50_000,
    "pictures": 100_000,
    "picture zip": 50_000,
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
"""Inputs of a full run: more than a million over the parsers."""
