"""Sampling from a trained GAN.

The noise of a sample is a function of (seed, class, index) alone, so that neither the batch size
nor an interruption changes a synthetic set.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from hwgen.charset import UNLABELLED, Charset
from hwgen.compute.devices import pick_device
from hwgen.compute.tensor_files import load_network
from hwgen.data import to_images, to_uint8
from hwgen.errors import InputError, RunError
from hwgen.generators.gan.networks import Generator, build_generator
from hwgen.generators.gan.presets import GeneratorSpec, Recipe, recipe_from_json
from hwgen.generators.samplers import Labels, SamplerBase, check_hand, ids_and_indices
from hwgen.record import Image
from hwgen.runs import Run
from hwgen.runs.models import Model
from hwgen.runs.snapshots import find_model
from hwgen.store.origin import framing

_OF_HANDS = 1  # third number of a seed; that of samples has two
_PARALLEL = 1e-6  # sine of the angle below which two z have no great circle


def noise(spec: GeneratorSpec, seed: int, class_id: int, count: int) -> npt.NDArray[np.float32]:
    """Z of the first `count` samples of a class: float32 [count, z_dim].

    More samples begin with the same ones.
    """
    return sample_noise(spec, np.random.default_rng((seed, class_id)), count)


def sample_noise(
    spec: GeneratorSpec, rng: np.random.Generator, count: int
) -> npt.NDArray[np.float32]:
    """Noise from a random source: float32 [count, z_dim]."""
    if spec.z == "normal":
        return rng.standard_normal((count, spec.z_dim), dtype=np.float32)
    return rng.random((count, spec.z_dim), dtype=np.float32) * 2 - 1


def hand_noise(spec: GeneratorSpec, seed: int, hand: int) -> npt.NDArray[np.float32]:
    """Z of a hand, the same for all classes: float32 [1, z_dim]."""
    return sample_noise(spec, np.random.default_rng((seed, hand, _OF_HANDS)), 1)


def between(
    first: npt.NDArray[np.float32], last: npt.NDArray[np.float32], steps: int, kind: str
) -> npt.NDArray[np.float32]:
    """Z from one to another in equal steps: along a great circle if normal, a line if uniform.

    Args:
        first: float32 [1, z_dim].
        last: float32 [1, z_dim].
        steps: number of z, with both ends.
        kind: distribution of z.

    Returns:
        float32 [steps, z_dim].
    """
    t = np.linspace(0, 1, steps)[:, None]
    weights = 1 - t, t
    if kind == "normal":  # points on a line between two are nearer to 0 than normal noise is
        cosine = float(np.sum(first * last)) / float(np.linalg.norm(first) * np.linalg.norm(last))
        angle = np.arccos(np.clip(cosine, -1, 1))
        if np.sin(angle) > _PARALLEL:
            weights = np.sin((1 - t) * angle) / np.sin(angle), np.sin(t * angle) / np.sin(angle)
    return (weights[0] * first + weights[1] * last).astype(np.float32)


class Sampler(SamplerBase):
    """A trained generator with its class table.

    Args:
        generator: G, or its moving average.
        recipe: that it was trained with.
        charset: class order of the run.
        device: to sample on; the generator is moved there.
        provenance: run and snapshot, for the source of every sample.
        data: content hashes of the training stores, () if not known.
    """

    title = "GAN"
    generates = True

    def __init__(
        self,
        generator: Generator,
        recipe: Recipe,
        charset: Charset,
        device: torch.device,
        provenance: str = "",
        data: tuple[str, ...] = (),
    ) -> None:
        self.generator = generator.to(device)
        self.recipe = recipe
        self.charset = charset if recipe.conditional else UNLABELLED
        self.device = device
        self.provenance, self.data = provenance, data
        self.size, self.channels, self.preset = recipe.size, recipe.channels, recipe.preset

    @classmethod
    def load(cls, run: Run | Path | str, snapshot: str = "last", device: str = "auto") -> Sampler:
        """Load a run's generator, or an exported one; they give the same samples.

        Args:
            run: a run, its directory, or a model folder of `hwgen export`.
            snapshot: "last", "best" (needs scores), or the number of images of a snapshot.
            device: "auto", "cpu", "cuda", ...

        Raises:
            RunError: no such run, snapshot or model, its files do not fit together, or it is not a
                GAN.
            InputError: its recipe is invalid.
        """
        return cls.of_model(find_model(run, snapshot), device)

    @classmethod
    def of_model(cls, model: Model, device: str = "auto") -> Sampler:
        """The generator of a snapshot or of an exported model.

        Raises:
            RunError: the weights do not fit the recipe, or are not those of a GAN.
            InputError: the recipe is invalid.
        """
        if model.kind != "gan":
            raise RunError(
                f"is of kind {model.kind!r:.40}, expected a GAN", where=str(model.weights)
            )
        recipe, classes = recipe_from_json(model.recipe), len(model.charset)
        generator = load_network(model.weights, "g", lambda: build_generator(recipe, classes))
        generator.requires_grad_(False)
        chosen = pick_device(device)
        sampler = cls(generator, recipe, model.charset, chosen, model.provenance, model.stores_seen)
        sampler.framing = framing(model.origin)
        return sampler

    def sample(
        self,
        labels: Labels,
        indices: npt.ArrayLike | None = None,
        *,
        hand: int | None = None,
        seed: int = 0,
        batch: int = 512,
    ) -> Image:
        """See hwgen.generators.samplers.Sampler.sample.

        A hand is one z for all classes, so that a character is the same image each time it occurs.
        """
        ids, numbers = ids_and_indices(self.charset, labels, indices)
        check_hand(hand, seed)
        if hand is not None:
            z = np.repeat(hand_noise(self.recipe.generator, seed, hand), len(ids), axis=0)
            return self.from_noise(z, ids, batch)
        z = np.empty((len(ids), self.recipe.generator.z_dim), np.float32)
        for class_id in np.unique(ids):
            places = np.flatnonzero(ids == class_id)
            own = numbers[places]
            z[places] = noise(self.recipe.generator, seed, int(class_id), int(own.max()) + 1)[own]
        return self.from_noise(z, ids, batch)

    def sample_text(self, text: Sequence[str], *, seed: int = 0) -> Image:
        """`sample` of text or labels."""
        return self.sample(text, seed=seed)

    def interpolate(
        self, labels: Labels, hands: tuple[int, int], *, steps: int = 8, seed: int = 0
    ) -> Image:
        """See hwgen.generators.samplers.Sampler.interpolate."""
        ids, _ = ids_and_indices(self.charset, labels)
        if steps < 2:
            raise InputError(f"expected at least 2 steps, found {steps}")
        for hand in hands:
            check_hand(hand, seed)
        first, last = (hand_noise(self.recipe.generator, seed, hand) for hand in hands)
        z = between(first, last, steps, self.recipe.generator.z)
        images = self.from_noise(np.repeat(z, len(ids), axis=0), np.tile(ids, steps))
        return images.reshape(steps, len(ids), *images.shape[1:])

    @property
    def conditional(self) -> bool:
        """Whether the images depend on the label."""
        return self.recipe.conditional

    def sample_noise(self, rng: np.random.Generator, count: int) -> npt.NDArray[np.float32]:
        """Noise from a random source: float32 [count, z_dim]."""
        return sample_noise(self.recipe.generator, rng, count)

    def image_network(self) -> nn.Module:
        """Z float32 [N, z_dim], and label int64 [N] if conditional, to images as in `sample`."""
        return _ImageNetwork(self.generator, self.recipe).eval()

    @torch.no_grad()
    def from_noise(
        self, z: npt.NDArray[np.float32], class_ids: npt.NDArray[np.int64], batch: int = 512
    ) -> Image:
        """Images from noise.

        Args:
            z: float32 [N, z_dim].
            class_ids: int64 [N], positions in `charset`.
            batch: images at a time.

        Returns:
            uint8 [N, S, S] or [N, S, S, 3], 255 is paper.
        """
        size, channels = self.recipe.size, self.recipe.channels
        training = self.generator.training
        self.generator.eval()  # running statistics, so that a sample does not depend on the others
        parts = [torch.empty((0, channels, size, size), dtype=torch.uint8)]
        for start in range(0, len(z), batch):
            part = torch.from_numpy(z[start : start + batch]).to(self.device)
            y = torch.from_numpy(class_ids[start : start + batch]).to(self.device)
            x = self.generator(part, y if self.recipe.conditional else None)
            # A GPU copies them while it computes the next ones.
            parts.append(to_uint8(x, self.recipe.pixels).to("cpu", non_blocking=True))
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        self.generator.train(training)
        return to_images(torch.cat(parts))


class _ImageNetwork(nn.Module):
    """A generator that returns images as uint8, channels last."""

    def __init__(self, generator: Generator, recipe: Recipe) -> None:
        super().__init__()
        self.generator, self.recipe = generator, recipe

    def forward(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        x = to_uint8(self.generator(z, label), self.recipe.pixels)
        return x[:, 0] if self.recipe.channels == 1 else x.permute(0, 2, 3, 1)
