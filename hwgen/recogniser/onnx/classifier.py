"""A classifier of the user as a reader: an ONNX file with its classes.

Its features are the logarithms of its class probabilities, since an ONNX file does not say which of
its tensors are features. Many classes are projected at random, which keeps distances.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from hwgen.charset import Charset
from hwgen.data import average_down, to_tensor
from hwgen.errors import InputError
from hwgen.imaging.channels import to_channels
from hwgen.recogniser.onnx.model_file import read_model
from hwgen.recogniser.onnx.network import Floats, ImageInput, OnnxNetwork
from hwgen.recogniser.onnx.settings import (
    InputSettings,
    classes_file,
    read_classes,
    read_settings,
    settings_file,
)
from hwgen.recogniser.reader import (
    ClassIds,
    Features,
    Reader,
    Reading,
    check_square,
    top_k_accuracy,
    top_k_classes,
)
from hwgen.record import PAPER, Image
from hwgen.requirements import require

PROBE_SIZE = 64
"""Size of the images with which a model of any size is tried, pixels."""

TRIED = 64
"""Images with which other settings are tried."""

CLEARLY = 0.1
"""Other settings are suggested where they read so much more of the images, as a fraction, and twice
as much more than chance."""

FEATURES = 256
"""Largest number of features; the Fréchet distance takes time with its cube."""

_LEAST = 1e-12  # probability, whose logarithm is finite

_CPU = torch.device("cpu")

_RANGES = ((1, 0), (0, 1), (255, 0), (0, 255), (1, -1), (-1, 1))
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Values of paper and ink, and ImageNet's mean, that are tried where few images are read."""


class OnnxClassifier(Reader):
    """An ONNX classifier; see `load`.

    Args:
        network: gives the scores.
        output: number of its output with the scores.
        charset: class order.
        settings: values and size of its input.
        probabilities: whether the scores are probabilities, not logits.
        path: the file.
        model_sha256: hash of the model.
    """

    def __init__(
        self,
        network: OnnxNetwork,
        output: int,
        charset: Charset,
        settings: InputSettings,
        *,
        probabilities: bool,
        path: Path,
        model_sha256: str,
    ) -> None:
        self._network, self._output, self._settings = network, output, settings
        self._probabilities, self._path, self._model_sha256 = probabilities, path, model_sha256
        self.charset, self.channels, self.provenance = charset, network.input.channels, {}
        self.size = settings.size or network.input.size
        identity = [model_sha256, list(charset), settings.to_json()]
        text = json.dumps(identity, ensure_ascii=False, sort_keys=True)
        self.sha256 = hashlib.sha256(text.encode()).hexdigest()[:16]

    @classmethod
    def load(cls, path: Path, device: torch.device) -> OnnxClassifier:
        """Load a classifier, with the classes and settings beside it.

        Args:
            path: an ONNX file, untrusted; see hwgen.recogniser.onnx.settings for its neighbours.
            device: where it runs.

        Raises:
            InputError: onnx or onnxruntime is not installed; the model is damaged or no
                classifier, or its classes or settings do not fit it.
            RunError: the file is missing.
        """
        require(("onnx", "onnxruntime"), "onnx", "an ONNX classifier")
        model = read_model(path)
        network = OnnxNetwork(model.content, path, device)
        white = float(PAPER) if network.input.dtype == np.uint8 else 1.0
        settings = read_settings(path, network.input.channels, white)
        if settings.size and network.input.size not in (None, settings.size):
            raise InputError(
                f"size = {settings.size}, but the model reads {network.input.size} pixels",
                where=str(settings_file(path)),
                remedy="Leave it out",
            )
        probes = _prepared(_probes(settings.size or network.input.size), settings, network.input)
        widths = network.widths(probes)
        charset = read_classes(path, model.metadata, widths)
        output = widths.index(len(charset))
        return cls(
            network,
            output,
            charset,
            settings,
            probabilities=_gives_probabilities(network, output, probes, path),
            path=path,
            model_sha256=model.sha256,
        )

    def __repr__(self) -> str:
        colours = "grey" if self.channels == 1 else "colour"
        size = f"{self.size}x{self.size}" if self.size else "any size,"
        return f"OnnxClassifier({len(self.charset):,} classes, {size} {colours})"

    @property
    def facts(self) -> dict[str, Any]:
        """See Reader."""
        return {
            "format": "onnx",
            "file": self._path.name,
            "model_sha256": self._model_sha256,
            "classes": len(self.charset),
            "charset_fingerprint": self.charset.fingerprint,
            "channels": self.channels,
            "scores": "probabilities" if self._probabilities else "logits",
            **self._settings.to_json(),
            "size": self.size,
        }

    @property
    def remedy(self) -> str:
        """See Reader."""
        return (
            f"Check the order of the labels in {classes_file(self._path)}, and the values of paper "
            f"and ink in {settings_file(self._path)}"
        )

    def check(self, size: int, channels: int) -> None:
        """See Reader; images are scaled, and grey or colour is what the model reads."""

    def reading(self, images: Image) -> Reading:
        """See Reader."""
        logarithms = self._log_probabilities(images, self._settings)
        return Reading(np.exp(logarithms), _projected(logarithms))

    def suggestion(self, images: Image, labels: ClassIds) -> str:
        """See Reader: other values of paper and ink."""
        few = np.arange(min(TRIED, len(images))) * len(images) // max(1, min(TRIED, len(images)))
        images, labels = images[few], labels[few]
        found = self._fraction_read(images, labels, self._settings)
        others = [
            InputSettings((white,), (black,), size=self._settings.size) for white, black in _RANGES
        ]
        if self.channels == 3:
            others += [replace(one, mean=_MEAN, std=_STD) for one in others[:2]]
        fractions = [self._fraction_read(images, labels, one) for one in others]
        best = int(np.argmax(fractions))
        chance = np.bincount(labels).max() / len(labels)
        if fractions[best] < max(found + CLEARLY, chance + 2 * CLEARLY):
            return ""
        return (
            f"With {others[best].text} it reads {fractions[best]:.0%} of {len(images)}: write this "
            f"into {settings_file(self._path)}, a line for each"
        )

    def _fraction_read(self, images: Image, labels: ClassIds, settings: InputSettings) -> float:
        scores = self._log_probabilities(images, settings)
        return top_k_accuracy(top_k_classes(scores, 1), labels)

    def _log_probabilities(self, images: Image, settings: InputSettings) -> Features:
        check_square(images)
        out = np.empty((len(images), len(self.charset)), np.float32)
        for start in range(0, len(images), self._network.step):
            part = images[start : start + self._network.step]
            x = _prepared(part, settings, self._network.input)
            scores = torch.from_numpy(self._network(x, self._output))
            if self._probabilities:
                scores = scores.clamp(min=_LEAST).log()
            out[start : start + len(part)] = scores.log_softmax(dim=1).numpy()
        return out


def _projected(logarithms: Features) -> Features:
    """At most FEATURES columns, with the same expected squared distances between rows."""
    columns = logarithms.shape[1]
    return logarithms if columns <= FEATURES else logarithms @ _projection(columns)


@lru_cache(4)
def _projection(columns: int) -> Floats:
    """float32 [columns, FEATURES]."""
    normal = np.random.default_rng(0).standard_normal((columns, FEATURES), np.float32)
    return normal / np.float32(np.sqrt(FEATURES))


def _prepared(images: Image, settings: InputSettings, given: ImageInput) -> Floats:
    """Images uint8 [n, S, S(, 3)] as the input of a network, float32 [n, C, size, size]."""
    channels = 1 if images.ndim == 3 else 3
    if channels != given.channels:
        images = np.stack([to_channels(image, given.channels) for image in images])
    # Copied, because the caller's array can be read-only, which torch refuses.
    x = to_tensor(images.copy(), _CPU)
    size = settings.size or given.size or x.shape[-1]
    if x.shape[-1] > size:
        x = average_down(x, size)
    x = x.float()
    if x.shape[-1] < size:
        x = F.interpolate(x, size=(size, size), mode="bilinear", align_corners=False)
    factor, summand = (torch.from_numpy(one)[:, None, None] for one in settings.linear())
    return (x * factor + summand).numpy()


def _probes(size: int | None) -> Image:
    """Images with which a model is tried, uint8 [4, S, S]: two of noise, white, black."""
    size = size or PROBE_SIZE
    noise = np.random.default_rng(0).integers(0, 256, (2, size, size), dtype=np.uint8)
    return np.concatenate(
        [noise, np.full((1, size, size), PAPER), np.zeros((1, size, size))]
    ).astype(np.uint8)


def _gives_probabilities(network: OnnxNetwork, output: int, x: Floats, path: Path) -> bool:
    """Whether the scores are probabilities, not logits.

    Raises:
        InputError: scores are not finite, depend on the other images of a batch or on chance, or
            are probabilities that do not sum to 1.
    """
    scores = network(x, output)
    if not np.isfinite(scores).all():
        raise InputError(
            "its scores are not finite",
            where=str(path),
            remedy=f"Check the values of paper and ink in {settings_file(path)}",
        )
    alike = np.abs(scores - network(x[::-1], output)[::-1]).max()
    if alike > 1e-2 * max(1e-3, np.abs(scores).max()):
        raise InputError(
            "its scores of an image depend on the other images or on chance",
            where=str(path),
            remedy="Export the model in evaluation mode: model.eval()",
        )
    if scores.min() < 0 or scores.max() > 1:
        return False
    if np.abs(scores.sum(axis=1) - 1).max() < 1e-2:
        return True
    raise InputError(
        "its scores are between 0 and 1, but do not sum to 1 over the classes",
        where=str(path),
        remedy="Export logits, or probabilities by softmax instead of sigmoid",
    )
