"""In: pictures. Out: class probabilities, by a trained network that travels with its charset."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from hwgen.charset import Charset
from hwgen.compute.tensor_files import load_network, load_texts, module_tensors, save_tensors
from hwgen.data import average_down, to_float, to_tensor
from hwgen.errors import HwgenError, InputError, RunError
from hwgen.io.json_files import parse_json
from hwgen.recogniser.network import (
    RecogniserNetwork,
    RecogniserRecipe,
    folded,
    logits,
    recipe_from_json,
    recipe_to_json,
)
from hwgen.record import Image
from hwgen.schema import from_json

FORMAT = "hwgen-recogniser"
FORMAT_VERSION = 1

READ_BATCH = {"cpu": 128, "gpu": 1024}
"""Pictures read at once: maps that stay in a CPU's caches, or enough work for a GPU."""

Probabilities = npt.NDArray[np.float32]
Features = npt.NDArray[np.float32]
ClassIds = npt.NDArray[np.int64]


class Recogniser:
    """A network, the characters it knows, and how it wants its pictures.

    Args:
        network: on the device where it shall work; put into evaluation mode, and not to be
            changed afterwards: a folded copy of it reads.
        recipe: what the network was made from.
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
        self.provenance = dict(provenance or {})
        self.device = next(network.parameters()).device

    def read(self, images: Image) -> Probabilities:
        """Class probabilities of pictures.

        Args:
            images: uint8 [N, h, w] or [N, h, w, 3], square, 255 = paper, at least the recipe's
                size; larger ones are averaged down.

        Returns:
            float32 [N, classes], each row sums to 1.

        Raises:
            InputError: the pictures have another number of channels or are too small.
        """
        return self._batches(images, self._probabilities, len(self.charset))

    def features(self, images: Image) -> Features:
        """What the last layer sees of pictures: sets of characters are compared by it.

        Args:
            images: as for `read`.

        Returns:
            float32 [N, hidden], at least 0.

        Raises:
            InputError: as for `read`.
        """
        return self._batches(images, self._features, self.recipe.hidden)

    def classify(self, features: Features) -> Probabilities:
        """Class probabilities of pictures by their `features`, as `read` gives them.

        Args:
            features: float32 [N, hidden].

        Returns:
            float32 [N, classes].
        """
        with torch.inference_mode():
            scores = self._folded[-1](torch.from_numpy(features).to(self.device))
            return scores.float().softmax(dim=1).cpu().numpy()

    def _batches(
        self, images: Image, network: Callable[[Tensor], Tensor], width: int
    ) -> npt.NDArray[np.float32]:
        """What a network makes of pictures, batch by batch: float32 [N, width]."""
        found = 1 if images.ndim == 3 else images.shape[-1]
        if found != self.channels or images.shape[1] != images.shape[2]:
            raise InputError(
                f"the recogniser reads square pictures with {self.channels} channels, found "
                f"shape {images.shape}"
            )
        out = np.empty((len(images), width), np.float32)
        batch = READ_BATCH["cpu" if self.device.type == "cpu" else "gpu"]
        for start in range(0, len(images), batch):
            part = images[start : start + batch]
            # Copied, since a caller's array may be read-only, which torch refuses.
            x = average_down(to_tensor(part.copy(), self.device), self.recipe.size)
            out[start : start + len(part)] = network(x).cpu().numpy()
        return out

    def best(self, blocks: Iterable[Image], k: int) -> ClassIds:
        """The k most probable classes of many pictures, int64 [N, k], the best first.

        Args:
            blocks: such as Store.image_blocks(): pictures as `read` takes them.
            k: at most the number of classes.
        """
        parts = [best_classes(self.read(block), k) for block in blocks]
        return np.concatenate([np.empty((0, k), np.int64), *parts])

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

        Raises:
            RunError: the file is missing, damaged, or not a recogniser's.
        """
        texts = load_texts(path)
        try:
            metadata = {name: parse_json(text) for name, text in texts.items()}
            if (metadata["format"], metadata["format_version"]) != (FORMAT, FORMAT_VERSION):
                raise ValueError(f"format {metadata['format']!r} {metadata['format_version']!r}")
            recipe = recipe_from_json(metadata["recipe"])
            charset = Charset(from_json(tuple[str, ...], metadata["charset"], "charset"))
            if not len(charset):
                raise ValueError("it has no classes")
            channels = from_json(Literal[1, 3], metadata["channels"], "channels")
            provenance = from_json(dict[str, Any], metadata["provenance"], "provenance")
        except (ValueError, KeyError, TypeError, HwgenError) as error:
            raise RunError(
                f"is not a recogniser this version of hwgen can read ({error})", where=str(path)
            ) from None
        network = load_network(
            path, "network", lambda: RecogniserNetwork(recipe, len(charset), channels)
        )
        network.to(device).to(memory_format=torch.channels_last)
        return cls(network, recipe, charset, channels=channels, provenance=provenance)

    @torch.inference_mode()
    def _probabilities(self, images: Tensor) -> Tensor:
        """uint8 [n, C, S, S] -> float32 [n, classes]; in fp32, whatever trained the network."""
        return logits(self._folded, to_float(images, self.recipe.pixels)).softmax(dim=1)

    @torch.inference_mode()
    def _features(self, images: Tensor) -> Tensor:
        """uint8 [n, C, S, S] -> float32 [n, hidden]: all layers but the last."""
        return logits(self._folded[:-1], to_float(images, self.recipe.pixels))


def best_classes(probabilities: Probabilities, k: int) -> ClassIds:
    """Ids of the k most probable classes, int64 [N, k], the best first; ties: the lower id."""
    return np.argsort(-probabilities, axis=1, kind="stable")[:, :k].astype(np.int64)


def accuracy(probabilities: Probabilities, labels: ClassIds, k: int = 1) -> float:
    """Share of pictures whose label is among the k most probable classes.

    Args:
        probabilities: float32 [N, classes].
        labels: class ids, int64 [N].
        k: how many guesses count.

    Raises:
        InputError: no pictures.
    """
    return hits(best_classes(probabilities, k), labels)


def hits(best: ClassIds, labels: ClassIds) -> float:
    """Share of rows of `best`, int64 [N, k], that hold their label.

    Raises:
        InputError: no pictures.
    """
    if not len(labels):
        raise InputError("there are no pictures to judge the recogniser on")
    return float((best == labels[:, None]).any(axis=1).mean())
