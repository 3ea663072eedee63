"""The reader in a file, whatever its format."""

from __future__ import annotations

from pathlib import Path

import torch

from hwgen.compute.devices import pick_device
from hwgen.errors import InputError
from hwgen.recogniser.built_in import recogniser_file
from hwgen.recogniser.inference import Recogniser
from hwgen.recogniser.onnx.classifier import OnnxClassifier
from hwgen.recogniser.reader import Reader

FOREIGN = (
    ".ckpt",
    ".h5",
    ".keras",
    ".pdmodel",
    ".pdparams",
    ".pickle",
    ".pkl",
    ".pt",
    ".pth",
    ".ts",
)
"""Suffixes of formats that contain code, or need the program that wrote them."""

EXPORT = 'torch.onnx.export(model.eval(), torch.zeros(1, 1, 64, 64), "model.onnx")'
"""How a classifier of grey images of 64 pixels becomes an ONNX file."""


def load_reader(path: Path, device: torch.device) -> Reader:
    """Load what reads images: a recogniser of hwgen, or a classifier of the user as ONNX.

    Args:
        path: the file, untrusted, or a name of hwgen.recogniser.built_in. `model.onnx` may have
            `model.classes.txt` and `model.toml` beside it, see hwgen.recogniser.onnx.settings.
        device: where it runs.

    Raises:
        RunError: the file is missing, damaged, or no recogniser.
        InputError: an ONNX file is no classifier, or onnxruntime is not installed; or the file is
            of another format.
    """
    path = recogniser_file(path)
    suffix = path.suffix.lower()
    if suffix == ".onnx":
        return OnnxClassifier.load(path, device)
    if suffix in FOREIGN and path.is_file():
        raise InputError(
            "is not a recogniser of hwgen, nor ONNX; other formats may contain code",
            where=str(path),
            remedy=f"Export the classifier as ONNX, such as by {EXPORT}",
        )
    return Recogniser.load(path, device)


def load_recogniser(path: Path | str, *, device: str = "auto") -> Reader:
    """Load what reads images: `load_recogniser("benchmark/recogniser-real.safetensors")`.

    Args:
        path: a file of hwgen benchmark, or an ONNX classifier, see `load_reader`, untrusted; or
            "simulated", which comes with hwgen and learnt 3,755 characters from simulated
            handwriting.
        device: "auto", "cpu", "cuda", ...

    Raises:
        HwgenError: the file is missing, damaged, or nothing that reads images.
    """
    return load_reader(Path(path), pick_device(device))
