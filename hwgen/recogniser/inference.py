"""A trained recogniser: class probabilities of images, load and save."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from hwgen.charset import Charset
from hwgen.compute.tensor_files import (
    file_hash,
    load_network,
    load_texts,
    module_tensors,
    save_tensors,
)
from hwgen.data import average_down, enlarge, to_float, to_tensor
from hwgen.errors import HwgenError, InputError, RunError
from hwgen.io.json_files import parse_json
from hwgen.io.paths import describe_path, suggest_path
from hwgen.recogniser.network import (
    RecogniserNetwork,
    RecogniserRecipe,
    folded,
    logits,
    recipe_from_json,
    recipe_to_json,
)
from hwgen.recogniser.reader import Features, Probabilities, Reader, Reading, check_square
from hwgen.record import Image, check_channels
from hwgen.schema import from_json

_EXPECTED = "Give recogniser-*.safetensors, written by hwgen benchmark, or simulated"

FORMAT = "hwgen-recogniser"
FORMAT_VERSION = 1

INFERENCE_BATCH = {"cpu": 128, "gpu": 1024}
"""Images per batch: small enough for the caches of a CPU, large enough to keep a GPU busy."""


class Recogniser(Reader):
    """A trained network with its charset and recipe.

    Args:
        network: on the device where it runs; set to evaluation mode. Do not change it afterwards:
            inference uses a copy with folded norms.
        recipe: of the network and its training.
        charset: class order.
        channels: 1 grey, 3 colour.
        provenance: plain JSON about the training: data, seed, hardware.
    """

    def __init__(
        self,
        network: RecogniserNetwork,
        recipe: RecogniserRecipe,
        charset: Charset,
        *,
        channels: int = 1,
        provenance: Mapping[str, Any] | None = None,
    ) -> None:
        self.network = network.eval()
        self._folded = folded(network)
        self.recipe, self.charset, self.channels = recipe, charset, channels
        self.size = recipe.size
        self.provenance = dict(provenance or {})
        self.device = next(network.parameters()).device

    def __repr__(self) -> str:
        colours = "grey" if self.channels == 1 else "colour"
        return (
            f"Recogniser({len(self.charset):,} classes, {self.recipe.size}x{self.recipe.size} "
            f"{colours})"
        )

    def read(self, images: Image) -> Probabilities:
        """Class probabilities of images.

        Args:
            images: uint8 [N, S, S] or [N, S, S, 3], 255 = paper, S at least half of the recipe's
                size; larger images than that are averaged down, smaller ones enlarged.

        Returns:
            float32 [N, classes], each row sums to 1.

        Raises:
            InputError: the images are too small, not square, or have other channels.
        """
        return self._batches(images, self._probabilities, len(self.charset))

    def features(self, images: Image) -> Features:
        """Input of the last layer for each image, with which sets of images are compared.

        Args:
            images: as for `read`.

        Returns:
            float32 [N, hidden], at least 0.

        Raises:
            InputError: as for `read`.
        """
        return self._batches(images, self._features, self.recipe.hidden)

    def reading(self, images: Image) -> Reading:
        """See Reader."""
        features = self.features(images)
        return Reading(self.classify(features), features)

    def classify(self, features: Features) -> Probabilities:
        """Class probabilities from `features`, equal to those of `read`.

        Args:
            features: float32 [N, hidden].

        Returns:
            float32 [N, classes].
        """
        with torch.inference_mode():
            scores = self._folded[-1](torch.from_numpy(features).to(self.device))
            return scores.float().softmax(dim=1).cpu().numpy()

    def check(self, size: int, channels: int) -> None:
        """See Reader."""
        if channels != self.channels:
            colours = {1: "grey", 3: "colour"}
            raise InputError(
                f"the recogniser reads {colours[self.channels]} images, found "
                f"{colours[channels]} ones",
                remedy="Train a recogniser on such images: hwgen benchmark",
            )
        if size < (least := self.recipe.smallest):
            raise InputError(
                f"the recogniser reads images of at least {least} pixels, found {size}",
                remedy="Train a recogniser for such images: hwgen benchmark --size",
            )

    @property
    def remedy(self) -> str:
        """See Reader."""
        return "Give a recogniser that was trained longer, and on such samples: hwgen benchmark"

    def _batches(
        self, images: Image, network: Callable[[Tensor], Tensor], width: int
    ) -> npt.NDArray[np.float32]:
        """Run a network batch by batch: float32 [N, width]."""
        check_channels(1 if images.ndim == 3 else images.shape[-1], self.channels)
        check_square(images)
        self.check(images.shape[1], self.channels)
        size = self.recipe.size
        fit = enlarge if images.shape[1] < size else average_down
        out = np.empty((len(images), width), np.float32)
        batch = INFERENCE_BATCH["cpu" if self.device.type == "cpu" else "gpu"]
        for start in range(0, len(images), batch):
            part = images[start : start + batch]
            # Copied, because the caller's array can be read-only, which torch refuses.
            x = fit(to_tensor(part.copy(), self.device), size)
            out[start : start + len(part)] = network(x).cpu().numpy()
        return out

    def save(self, path: Path) -> None:
        """Write weights, recipe, charset and provenance to one safetensors file, atomically."""
        metadata = {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "recipe": recipe_to_json(self.recipe),
            "charset": list(self.charset.labels),
            "channels": self.channels,
            "provenance": self.provenance,
        }
        texts = {name: json.dumps(value, ensure_ascii=False) for name, value in metadata.items()}
        save_tensors(path, module_tensors("network", self.network), texts)

    @classmethod
    def load(cls, path: Path, device: torch.device) -> Recogniser:
        """Read what `save` wrote.

        Args:
            path: the file; untrusted.
            device: where it runs.

        Raises:
            RunError: the file is missing, damaged, or not a recogniser.
        """
        if not path.is_file():
            found = describe_path(path) or "it is a folder"
            remedy = suggest_path(path, _EXPECTED)
            raise RunError(f"no recogniser here: {found}", where=str(path), remedy=remedy)
        if path.suffix.lower() == ".onnx":
            raise RunError(
                "is an ONNX classifier, from which no training starts; it only reads",
                where=str(path),
                remedy=_EXPECTED,
            )
        texts = load_texts(path)
        try:
            metadata = {name: parse_json(text) for name, text in texts.items()}
            if (metadata["format"], metadata["format_version"]) != (FORMAT, FORMAT_VERSION):
                raise ValueError(f"format {metadata['format']!r} {metadata['format_version']!r}")
            recipe = recipe_from_json(metadata["recipe"])
            charset = Charset(from_json(tuple[str, ...], metadata["charset"], "charset"))
            if not len(charset):
                raise ValueError("no classes")
            channels = from_json(Literal[1, 3], metadata["channels"], "channels")
            provenance = from_json(dict[str, Any], metadata["provenance"], "provenance")
        except (ValueError, KeyError, TypeError, HwgenError) as error:
            raise RunError(
                f"is not a recogniser this version of hwgen can read ({error})",
                where=str(path),
                remedy=_EXPECTED,
            ) from None
        network = load_network(
            path, "network", lambda: RecogniserNetwork(recipe, len(charset), channels)
        )
        network.to(device).to(memory_format=torch.channels_last)
        loaded = cls(network, recipe, charset, channels=channels, provenance=provenance)
        loaded.sha256 = file_hash(path)
        return loaded

    @torch.inference_mode()
    def _probabilities(self, images: Tensor) -> Tensor:
        """uint8 [n, C, S, S] -> float32 [n, classes]; always in fp32."""
        return logits(self._folded, to_float(images, self.recipe.pixels)).softmax(dim=1)

    @torch.inference_mode()
    def _features(self, images: Tensor) -> Tensor:
        """uint8 [n, C, S, S] -> float32 [n, hidden]: all layers but the last."""
        return logits(self._folded[:-1], to_float(images, self.recipe.pixels))
