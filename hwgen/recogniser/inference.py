"""A trained recogniser: class probabilities of images, load and save."""

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
from hwgen.compute.devices import pick_device
from hwgen.compute.tensor_files import load_network, load_texts, module_tensors, save_tensors
from hwgen.data import average_down, to_float, to_tensor
from hwgen.errors import HwgenError, InputError, RunError
from hwgen.imaging.channels import to_channels
from hwgen.imaging.framing import Framing
from hwgen.imaging.image_lists import Images, image_list
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
from hwgen.record import Image, check_channels
from hwgen.schema import from_json

_EXPECTED = "Give recogniser-*.safetensors, written by hwgen benchmark"

FORMAT = "hwgen-recogniser"
FORMAT_VERSION = 1

INFERENCE_BATCH = {"cpu": 128, "gpu": 1024}
"""Images per batch: small enough for the caches of a CPU, large enough to keep a GPU busy."""

Probabilities = npt.NDArray[np.float32]
Features = npt.NDArray[np.float32]
ClassIds = npt.NDArray[np.int64]


class Recogniser:
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
        self.provenance = dict(provenance or {})
        self.device = next(network.parameters()).device

    @property
    def classes(self) -> list[str]:
        """The labels, in the order of the columns of `predict_proba`."""
        return list(self.charset)

    def __repr__(self) -> str:
        colours = "grey" if self.channels == 1 else "colour"
        return (
            f"Recogniser({len(self.charset):,} classes, {self.recipe.size}x{self.recipe.size} "
            f"{colours})"
        )

    def predict(self, images: Images) -> list[str]:
        """The most probable label of each image, see `predict_proba`."""
        best = self.predict_proba(images).argmax(axis=1)
        return [self.charset[class_id] for class_id in best.tolist()]

    def predict_proba(self, images: Images) -> Probabilities:
        """Class probabilities of images of any sizes, dark ink on white paper.

        Square images are taken as those of a store, with its margin, and scaled. Others are framed
        on paper first, as `prepare-gnt` does (see hwgen.Framing). Colour becomes grey, or grey
        colour, as the recogniser needs.

        Args:
            images: arrays of uint8 [h, w], [h, w, 3], [n, h, w] or [n, h, w, 3], Pillow images,
                Records, or any number of these, such as `store[:100]`.

        Returns:
            float32 [number of images, classes], each row sums to 1.

        Raises:
            InputError: these are not images.
        """
        by_shape: dict[tuple[int, ...], list[int]] = {}
        given = [to_channels(image, self.channels) for image in image_list(images)]
        for number, image in enumerate(given):
            by_shape.setdefault(image.shape, []).append(number)
        out = np.empty((len(given), len(self.charset)), np.float32)
        for (height, width, *_), numbers in by_shape.items():
            some = [given[number] for number in numbers]
            if height != width:
                block = Framing(self.recipe.size).apply_batch(some)
            elif height < self.recipe.size:
                block = Framing(self.recipe.size, margin=0).apply_batch(some)
            else:
                block = np.stack(some)
            out[numbers] = self.read(block)
        return out

    def read(self, images: Image) -> Probabilities:
        """Class probabilities of images.

        Args:
            images: uint8 [N, S, S] or [N, S, S, 3], 255 = paper, S at least the recipe's size;
                larger ones are averaged down.

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

    def _batches(
        self, images: Image, network: Callable[[Tensor], Tensor], width: int
    ) -> npt.NDArray[np.float32]:
        """Run a network batch by batch: float32 [N, width]."""
        check_channels(1 if images.ndim == 3 else images.shape[-1], self.channels)
        if images.shape[1] != images.shape[2]:
            raise InputError(f"expected square images, found shape {images.shape}")
        out = np.empty((len(images), width), np.float32)
        batch = INFERENCE_BATCH["cpu" if self.device.type == "cpu" else "gpu"]
        for start in range(0, len(images), batch):
            part = images[start : start + batch]
            # Copied, because the caller's array can be read-only, which torch refuses.
            x = average_down(to_tensor(part.copy(), self.device), self.recipe.size)
            out[start : start + len(part)] = network(x).cpu().numpy()
        return out

    def top_k(self, blocks: Iterable[Image], k: int) -> ClassIds:
        """The k most probable classes of many images, the most probable first.

        Args:
            blocks: batches of images as for `read`, such as Store.image_blocks().
            k: at most the number of classes.

        Returns:
            int64 [N, k].
        """
        parts = [top_k_classes(self.read(block), k) for block in blocks]
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
        """Read what `save` wrote; see load_recogniser.

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
        return cls(network, recipe, charset, channels=channels, provenance=provenance)

    @torch.inference_mode()
    def _probabilities(self, images: Tensor) -> Tensor:
        """uint8 [n, C, S, S] -> float32 [n, classes]; always in fp32."""
        return logits(self._folded, to_float(images, self.recipe.pixels)).softmax(dim=1)

    @torch.inference_mode()
    def _features(self, images: Tensor) -> Tensor:
        """uint8 [n, C, S, S] -> float32 [n, hidden]: all layers but the last."""
        return logits(self._folded[:-1], to_float(images, self.recipe.pixels))


def load_recogniser(path: Path | str, *, device: str = "auto") -> Recogniser:
    """Load a trained recogniser: `load_recogniser("benchmark/recogniser-real.safetensors")`.

    Args:
        path: the file; untrusted.
        device: "auto", "cpu", "cuda", ...

    Raises:
        RunError: the file is missing, damaged, or not a recogniser.
    """
    return Recogniser.load(Path(path), pick_device(device))


def top_k_classes(probabilities: Probabilities, k: int) -> ClassIds:
    """Ids of the k most probable classes, int64 [N, k]; the lower id first in a tie."""
    return np.argsort(-probabilities, axis=1, kind="stable")[:, :k].astype(np.int64)


def accuracy(probabilities: Probabilities, labels: ClassIds, k: int = 1) -> float:
    """Top-k accuracy from probabilities.

    Args:
        probabilities: float32 [N, classes].
        labels: class ids, int64 [N].
        k: number of predictions that count.

    Raises:
        InputError: no images.
    """
    return top_k_accuracy(top_k_classes(probabilities, k), labels)


def top_k_accuracy(best: ClassIds, labels: ClassIds) -> float:
    """Fraction of images whose label is among their predictions.

    Args:
        best: predicted class ids, int64 [N, k].
        labels: class ids, int64 [N].

    Raises:
        InputError: no images.
    """
    if not len(labels):
        raise InputError("no images to test the recogniser on")
    return float((best == labels[:, None]).any(axis=1).mean())
