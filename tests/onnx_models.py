"""Tiny classifiers exported as ONNX, for the tests that need them."""

import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

LABELS = "一丨十"


class Classifier(nn.Module):
    """A convolution, pooling over all places, and a linear layer, with random weights.

    Args:
        channels: of the input.
        classes: number of scores.
        last: after the logits.
    """

    def __init__(self, channels: int = 1, classes: int = 3, last: nn.Module | None = None) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.convolution = nn.Conv2d(channels, 8, 5, padding=2)
        self.linear = nn.Linear(16, classes)
        self.last = last or nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        maps = self.convolution(x).relu()
        pooled = torch.cat([maps.amax((2, 3)), maps.mean((2, 3))], dim=1)
        return self.last(5 * self.linear(pooled))


def trained(x: Tensor, y: Tensor) -> Classifier:
    """A classifier of images x float32 [N, 1, S, S] in their own range of values."""
    network = Classifier()
    parameters = list(network.parameters())
    for step in range(60):
        # By the signs of the gradients, whatever the range of the values; torch.optim takes long to
        # import.
        gradients = torch.autograd.grad(nn.functional.cross_entropy(network(x), y), parameters)
        with torch.no_grad():
            for parameter, gradient in zip(parameters, gradients, strict=True):
                parameter -= 0.02 * (1 - step / 60) * gradient.sign()
    return network.eval()


def needs_onnx() -> Any:
    """Skip the test where the packages are missing."""
    pytest.importorskip("onnxruntime", reason="needs hwgen[onnx]")
    return pytest.importorskip("onnx", reason="needs hwgen[onnx]")


def export(
    network: nn.Module,
    path: Path,
    *,
    channels: int = 1,
    size: int = 16,
    labels: str | None = LABELS,
    dynamic: tuple[int, ...] = (0,),
    settings: str = "",
) -> Path:
    """Write a network as ONNX, its labels and settings beside it."""
    needs_onnx()
    path.parent.mkdir(parents=True, exist_ok=True)
    axes = {place: f"axis{place}" for place in dynamic}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the older exporter, which needs no further package
        torch.onnx.export(
            network.eval(),
            (torch.zeros(1, channels, size, size),),
            str(path),
            input_names=["image"],
            dynamic_axes={"image": axes} if axes else None,
            opset_version=17,
            dynamo=False,
        )
    if labels is not None:
        path.with_suffix(".classes.txt").write_text("\n".join(labels) + "\n", encoding="utf-8")
    if settings:
        path.with_suffix(".toml").write_text(settings, encoding="utf-8")
    return path
