"""An ONNX network with one image as input, run by onnxruntime."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from hwgen.errors import InputError
from hwgen.recogniser.onnx.settings import settings_file
from hwgen.schema import MAX_SIZE

BATCH = 32
"""Images per call, where the model leaves it open; networks of users may be large."""

TYPES: dict[str, np.dtype[Any]] = {
    "tensor(float)": np.dtype(np.float32),
    "tensor(float16)": np.dtype(np.float16),
    "tensor(double)": np.dtype(np.float64),
    "tensor(uint8)": np.dtype(np.uint8),
}
"""Types of the input, as onnxruntime names them."""

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class ImageInput:
    """The input of a network.

    Attributes:
        name: of the input.
        dtype: of its values.
        channels: 1 grey, 3 colour.
        size: width and height, pixels; None for any.
        batch: images per call; None for any.
        channels_last: whether it is [N, S, S, C] instead of [N, C, S, S].
    """

    name: str
    dtype: np.dtype[Any]
    channels: int
    size: int | None
    batch: int | None
    channels_last: bool


class OnnxNetwork:
    """A session of onnxruntime.

    Args:
        content: the model with all its weights.
        path: its file, for errors.
        device: a GPU is used where the installed onnxruntime has one.

    Raises:
        InputError: onnxruntime does not accept the model, or its input is not one image.
    """

    def __init__(self, content: bytes, path: Path, device: torch.device) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.log_severity_level = 4  # errors are raised
        providers = ["CPUExecutionProvider"]
        if (
            device.type == "cuda"
            and "CUDAExecutionProvider" in onnxruntime.get_available_providers()
        ):
            providers.insert(0, "CUDAExecutionProvider")
        try:
            self._session = onnxruntime.InferenceSession(content, options, providers=providers)
        except Exception as error:  # onnxruntime's errors have no other base class
            raise InputError(
                f"is not a model that onnxruntime {onnxruntime.__version__} can run "
                f"({_first_line(error)})",
                where=str(path),
                remedy="Export the model again, or update onnxruntime",
            ) from None
        self._path = path
        self.input = _image_input(self._session.get_inputs(), path)

    def widths(self, x: Floats) -> list[int]:
        """Number of scores per image of each output; 0 for an output that is not per image.

        Args:
            x: a few images, see `__call__`.

        Raises:
            InputError: the model cannot read images of this size.
        """
        found = self._run(x[: self.step], [one.name for one in self._session.get_outputs()])
        rows = self.input.batch or len(x[: self.step])
        widths = [
            one.size // rows if isinstance(one, np.ndarray) and one.shape[:1] == (rows,) else 0
            for one in found
        ]
        if not any(widths):
            raise self._unreadable(x, f"no output is [{rows}, classes]")
        return widths

    @property
    def step(self) -> int:
        """Images per call."""
        return self.input.batch or BATCH

    def __call__(self, x: Floats, output: int) -> Floats:
        """Scores of images.

        Args:
            x: float32 [n, C, S, S], n >= 1, values of the input.
            output: which of the outputs.

        Returns:
            float32 [n, k].

        Raises:
            InputError: the model cannot read images of this size.
        """
        name = self._session.get_outputs()[output].name
        parts = []
        for start in range(0, len(x), self.step):
            part = x[start : start + self.step]
            (scores,) = self._run(part, [name])
            parts.append(np.asarray(scores, np.float32)[: len(part)].reshape(len(part), -1))
        return np.concatenate(parts)

    def _run(self, x: Floats, names: list[str]) -> list[Any]:
        """Outputs for at most `step` images; where the batch is fixed, the last is repeated."""
        missing = (self.input.batch or len(x)) - len(x)
        x = np.concatenate([x, np.repeat(x[-1:], missing, axis=0)])
        if self.input.channels_last:
            x = x.transpose(0, 2, 3, 1)
        if self.input.dtype == np.uint8:
            x = x.round().clip(0, 255)
        given = {self.input.name: np.ascontiguousarray(x, self.input.dtype)}
        try:
            outputs: list[Any] = self._session.run(names, given)
        except Exception as error:  # as above
            raise self._unreadable(x, _first_line(error)) from None
        return outputs

    def _unreadable(self, x: Floats, why: str) -> InputError:
        return InputError(
            f"cannot read {len(x)} images of {x.shape[2]} pixels ({why})",
            where=str(self._path),
            remedy=f"If it reads another size, write that into {settings_file(self._path)}, such "
            "as: size = 96",
        )


def _image_input(inputs: list[Any], path: Path) -> ImageInput:
    """The only input of a model, which must be an image.

    Raises:
        InputError: there are several, or it is no image.
    """
    shapes = ", ".join(f"{one.name} {one.type}{one.shape}" for one in inputs)
    shape = inputs[0].shape if len(inputs) == 1 else []
    expected = "expected one input [N, C, S, S] of 1 or 3 channels C and square images"
    refusal = InputError(
        f"{expected}, found {shapes:.200}", where=str(path), remedy="Export it with such an input"
    )
    if len(shape) != 4 or inputs[0].type not in TYPES:
        raise refusal
    channels_last = shape[1] not in (1, 3) and shape[3] in (1, 3)
    channels, height, width = (
        (shape[3], shape[1], shape[2]) if channels_last else (shape[1], shape[2], shape[3])
    )
    sizes = {size for size in (height, width) if isinstance(size, int)}
    if channels not in (1, 3) or len(sizes) > 1 or not all(1 <= one <= MAX_SIZE for one in sizes):
        raise refusal
    return ImageInput(
        name=inputs[0].name,
        dtype=TYPES[inputs[0].type],
        channels=channels,
        size=sizes.pop() if sizes else None,
        batch=shape[0] if isinstance(shape[0], int) and shape[0] > 0 else None,
        channels_last=channels_last,
    )


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
