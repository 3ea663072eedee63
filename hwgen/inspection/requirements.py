"""In: nothing. Out: which packages hwgen needs, and which command needs each optional one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

REQUIRED: Mapping[str, str] = {
    "filelock": "3.12",
    "lmdb": "3",
    "matplotlib": "3.8",
    "numpy": "1.26",
    "pillow": "10.1",
    "rich": "13.7",
    "safetensors": "0.4.3",
    "torch": "2.6",
    "typer": "0.12.4",
}
"""Packages without which hwgen does not run, and the oldest versions; as in pyproject.toml."""


@dataclass(frozen=True)
class Extra:
    """An optional part of hwgen, as in pyproject.toml.

    Attributes:
        needed_by: commands and options.
        packages: what `pip install 'hwgen[NAME]'` brings, and the oldest versions.
    """

    needed_by: str
    packages: Mapping[str, str]


EXTRAS: Mapping[str, Extra] = {
    "demo": Extra("hwgen simulate, make demo", {"kanjivg": ""}),
    "onnx": Extra("hwgen export --format model --onnx", {"onnx": "1.16", "onnxruntime": "1.18"}),
    "parquet": Extra(
        "hwgen export --format parquet, hwgen prepare-images for parquet", {"pyarrow": "15"}
    ),
    "rapidocr": Extra(
        "hwgen evaluate --reader rapidocr", {"onnxruntime": "1.18", "rapidocr": "3.10"}
    ),
    "scenes": Extra("hwgen prepare-images, for CIFAR-10", {"torchvision": "0.21"}),
    "score": Extra(
        "the inception score of CIFAR-10 in benchmarks/paper", {"torch-fidelity": "0.4"}
    ),
    "tensorboard": Extra("hwgen export --format tensorboard", {"tensorboard": "2.14"}),
    "test": Extra(
        "make test, make lint",
        {
            "hypothesis": "6.100",
            "import-linter": "2.1",
            "mypy": "1.10",
            "pytest": "8",
            "ruff": "0.6",
            "torch-fidelity": "0.4",
            "torchvision": "0.21",
        },
    ),
    "test-formats": Extra(
        "the tests of what other libraries read",
        {
            "datasets": "3",
            "onnx": "1.16",
            "onnxruntime": "1.18",
            "pyarrow": "15",
            "tensorboard": "2.14",
            "webdataset": "0.2.100",
        },
    ),
}
"""Every extra by name."""

MODULES = {"pillow": "PIL"}
"""Where a package is not imported by its own name."""
