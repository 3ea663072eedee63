"""In: a generator. Out: the same as ONNX, compared with it in onnxruntime.

Inputs z float32 [N, z_dim] and, of a conditional one, label int64 [N]; output image uint8 [N, S, S]
or [N, S, S, 3], 255 is paper: what Sampler.sample gives.
"""

from __future__ import annotations

import json
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from hwgen.errors import InputError, RunError
from hwgen.generators.base import NoiseSampler
from hwgen.io.files import atomic_write

OPSET = 17
"""Of ONNX 1.12 (2022); onnxruntime has read it since 1.12."""

COMPARED = 256
"""Samples."""


@dataclass(frozen=True)
class Comparison:
    """How the pictures of onnxruntime and torch differ.

    Attributes:
        onnxruntime: its version.
        most: largest difference, grey levels.
        share: of the numbers that differ.
    """

    onnxruntime: str
    most: int
    share: float

    @property
    def said(self) -> str:
        """For a reader of the card."""
        return (
            f"Opset {OPSET}, dynamic batch. Compared with torch in onnxruntime "
            f"{self.onnxruntime} on {COMPARED} samples: they differ by {self.most} of 255 grey "
            f"levels at most, in {self.share:.2g} of all pixels."
        )


def write_onnx(file: Path, sampler: NoiseSampler) -> Comparison:
    """Write a generator, which must be on the CPU, as ONNX, and compare.

    Raises:
        InputError: onnx or onnxruntime is not installed.
        RunError: onnxruntime draws other pictures than torch.
    """
    try:
        import onnx
        import onnxruntime
    except ImportError as error:
        raise InputError(
            f"--onnx needs {error.name}", remedy="Install it with: pip install 'hwgen[onnx]'"
        ) from None
    texts = {"charset": json.dumps(list(sampler.charset), ensure_ascii=False)}
    with atomic_write(file) as temporary:
        graph = onnx.load_from_string(_written(sampler))
        onnx.helper.set_model_props(graph, {**texts, "provenance": sampler.provenance})
        onnx.checker.check_model(graph, full_check=True)
        temporary.write_bytes(graph.SerializeToString())
    # By its bytes, since onnxruntime itself opens names of UTF-8 alone.
    session = onnxruntime.InferenceSession(file.read_bytes(), providers=["CPUExecutionProvider"])
    z = sampler.sample_noise(np.random.default_rng(0), COMPARED)
    label = np.arange(COMPARED) % len(sampler.charset)
    inputs = {"z": z, "label": label} if sampler.conditional else {"z": z}
    (image,) = session.run(None, inputs)
    differences = np.abs(np.subtract(image, sampler.from_noise(z, label), dtype=np.int16))
    found = Comparison(
        onnxruntime.__version__, int(differences.max()), float(np.mean(differences > 0))
    )
    if found.most > 1:  # which is rounding
        raise RunError(
            f"onnxruntime draws other pictures than torch: {found.said}",
            where=str(file),
            remedy="Leave --onnx out, and tell us the recipe",
        )
    return found


def _written(sampler: NoiseSampler) -> bytes:
    """A generator as torch writes it, which takes names in UTF-8 alone."""
    conditional = sampler.conditional
    names = ["z", "label"] if conditional else ["z"]
    example = (
        torch.from_numpy(np.zeros_like(sampler.sample_noise(np.random.default_rng(0), 2))),
        *([torch.zeros(2, dtype=torch.int64)] if conditional else []),
    )
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        file = Path(folder) / "model.onnx"
        # That this exporter is the older one, and that sides of maps are constants in the graph,
        # which they are.
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", torch.jit.TracerWarning)
        torch.onnx.export(
            sampler.image_network(),
            example,
            str(file),
            input_names=names,
            output_names=["image"],
            dynamic_axes={name: {0: "N"} for name in (*names, "image")},
            opset_version=OPSET,
            dynamo=False,  # the newer one needs more packages, and torch 2.6 has it half done
        )
        return file.read_bytes()
