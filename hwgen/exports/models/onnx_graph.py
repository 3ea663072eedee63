"""Export of a generator as ONNX, and its comparison with torch.

Inputs: z float32 [N, z_dim] and, for a conditional generator, label int64 [N]. Output: image uint8
[N, S, S] or [N, S, S, 3], 255 is paper, the same as of Sampler.from_noise.
"""

from __future__ import annotations

import json
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from hwgen.errors import RunError
from hwgen.generators.samplers import NoiseSampler
from hwgen.io.files import atomic_write
from hwgen.requirements import require

OPSET = 17
"""Of ONNX 1.12 (2022); supported by onnxruntime since 1.12."""

COMPARED = 256
"""Number of samples that are compared."""


@dataclass(frozen=True)
class Comparison:
    """Differences between the images of onnxruntime and torch.

    Attributes:
        onnxruntime: its version.
        most: largest difference, grey levels.
        fraction: of the values that differ.
    """

    onnxruntime: str
    most: int
    fraction: float

    @property
    def text(self) -> str:
        """The comparison in words, for the card."""
        return (
            f"Opset {OPSET}, dynamic batch. Compared with torch in onnxruntime "
            f"{self.onnxruntime} on {COMPARED} samples: images differ by at most {self.most} of "
            f"255 grey levels, in {self.fraction:.2%} of all pixels."
        )


def check_onnx() -> None:
    """Refuse to begin without the packages.

    Raises:
        InputError: onnx or onnxruntime is not installed.
    """
    require(("onnx", "onnxruntime"), "onnx", "--onnx")


def write_onnx(file: Path, sampler: NoiseSampler) -> Comparison:
    """Write a generator, which must be on the CPU, as ONNX, and compare its images.

    Needs what `check_onnx` checks.

    Raises:
        RunError: onnxruntime gives other images than torch.
    """
    import onnx
    import onnxruntime

    texts = {"charset": json.dumps(list(sampler.charset), ensure_ascii=False)}
    with atomic_write(file) as temporary:
        graph = onnx.load_from_string(_written(sampler))
        onnx.helper.set_model_props(graph, {**texts, "provenance": sampler.provenance})
        onnx.checker.check_model(graph, full_check=True)
        temporary.write_bytes(graph.SerializeToString())
    # Loaded from bytes, since onnxruntime opens only file names in UTF-8.
    session = onnxruntime.InferenceSession(file.read_bytes(), providers=["CPUExecutionProvider"])
    z = sampler.sample_noise(np.random.default_rng(0), COMPARED)
    label = np.arange(COMPARED) % len(sampler.charset)
    inputs = {"z": z, "label": label} if sampler.conditional else {"z": z}
    (image,) = session.run(None, inputs)
    differences = np.abs(np.subtract(image, sampler.from_noise(z, label), dtype=np.int16))
    found = Comparison(
        onnxruntime.__version__, int(differences.max()), float(np.mean(differences > 0))
    )
    if found.most > 1:  # 1 is rounding
        raise RunError(
            f"onnxruntime gives other images than torch: {found.text}",
            where=str(file),
            remedy="Leave --onnx out, and report the recipe as a bug",
        )
    return found


def _written(sampler: NoiseSampler) -> bytes:
    """A generator as ONNX; a temporary file, since torch accepts only names in UTF-8."""
    conditional = sampler.conditional
    names = ["z", "label"] if conditional else ["z"]
    example = (
        torch.from_numpy(np.zeros_like(sampler.sample_noise(np.random.default_rng(0), 2))),
        *([torch.zeros(2, dtype=torch.int64)] if conditional else []),
    )
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        file = Path(folder) / "model.onnx"
        # Warnings that this exporter is the older one, and that sizes of feature maps become
        # constants in the graph, as intended.
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
            dynamo=False,  # the newer exporter needs more packages, and is incomplete in torch 2.6
        )
        return file.read_bytes()
