"""In: a setting of the ring experiment, seeds. Out: samples of G, step by step.

The networks and settings are those of the authors' stability_comparison/mixture_gaussian
(REFERENCE 1f): G takes 256 normal numbers to a point in the plane through two layers of 128 tanh,
D a point to a number through two more; orthogonal weights of gain 1.4, biases 0, no batch norm.

All seeds are trained together: every parameter has a leading seed axis, the loss is the sum over
the seeds of each one's own, and Adam works by element, so that this is as many independent
trainings. All random numbers of a seed are its own, so that its company does not matter.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from hwgen.generators.gan.losses import discriminator_loss, generator_loss
from hwgen.generators.gan.presets import Loss

MODES = 8
Z_DIM = 256
HIDDEN = 128
GAIN = 1.4
BATCH = 512
BETAS = (0.5, 0.999)

Points = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Setting:
    """What is trained on what.

    Attributes:
        loss: of D and G.
        uneven: one mode has double weight, as in the authors' data: they take nine angles from 0
            to 2 pi, both ends included, so that the first and the last are one mode.
        radius: of the ring.
        sd: standard deviation of a mode in each direction.
        alternating: G steps after D, against the new D. Without it both step from one pass over
            the same samples, as in the authors' code.
        lr_g: Adam's step size for G.
        lr_d: Adam's step size for D.
    """

    loss: Loss
    uneven: bool = False
    radius: float = 1.0
    sd: float = 0.01
    alternating: bool = False
    lr_g: float = 1e-3
    lr_d: float = 1e-4

    def centres(self) -> Tensor:
        """Of the modes, [MODES, 2]."""
        angles = torch.arange(MODES) * (2 * math.pi / MODES)
        return self.radius * torch.stack((angles.sin(), angles.cos()), dim=1)

    def probabilities(self) -> Tensor:
        """Of the modes, [MODES]."""
        weights = torch.ones(MODES)
        if self.uneven:
            weights[0] = 2
        return weights / weights.sum()


def draw_data(setting: Setting, count: int, generator: torch.Generator) -> Tensor:
    """Points of the true distribution, [count, 2]."""
    modes = torch.multinomial(setting.probabilities(), count, True, generator=generator)
    return setting.centres()[modes] + setting.sd * torch.randn(count, 2, generator=generator)


class Perceptrons:
    """As many perceptrons of tanh units as seeds, each with weights of its own.

    Args:
        sizes: units of each layer, the input's first.
        generators: one a seed, for its initial weights.
        device: where the weights are.
        dtype: theirs.
    """

    def __init__(
        self,
        sizes: Sequence[int],
        generators: Sequence[torch.Generator],
        device: torch.device,
        dtype: torch.dtype,
    ) -> None:
        self.parameters: list[Tensor] = []
        for into, out in pairwise(sizes):
            weight = torch.empty(len(generators), into, out, dtype=dtype)
            for own, generator in zip(weight, generators, strict=True):
                torch.nn.init.orthogonal_(own, GAIN, generator)
            bias = torch.zeros(len(generators), 1, out, dtype=dtype)
            self.parameters += [t.to(device).requires_grad_() for t in (weight, bias)]

    def __call__(self, x: Tensor) -> Tensor:
        """[seeds, N, in] -> [seeds, N, out]."""
        *hidden, (weight, bias) = zip(self.parameters[::2], self.parameters[1::2], strict=True)
        for w, b in hidden:
            x = torch.tanh(torch.baddbmm(b, x, w))
        return torch.baddbmm(bias, x, weight)


class Players:
    """G and D of every seed, and their optimisers.

    Args:
        setting: what is trained.
        generators: one a seed, for its initial weights.
        device: where.
        dtype: of the weights.
    """

    def __init__(
        self,
        setting: Setting,
        generators: Sequence[torch.Generator],
        device: torch.device,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self._setting = setting
        self.g = Perceptrons((Z_DIM, HIDDEN, HIDDEN, 2), generators, device, dtype)
        self.d = Perceptrons((2, HIDDEN, HIDDEN, 1), generators, device, dtype)
        self._adam_g = torch.optim.Adam(self.g.parameters, setting.lr_g, BETAS, fused=True)
        self._adam_d = torch.optim.Adam(self.d.parameters, setting.lr_d, BETAS, fused=True)

    def step(self, x: Tensor, z: Tensor) -> None:
        """One step of D and one of G on data [seeds, N, 2] and noise [seeds, N, Z_DIM]."""
        loss, g, d = self._setting.loss, self.g.parameters, self.d.parameters
        fake = self.g(z)
        said_real, said_fake = self.d(x), self.d(fake)
        _sum(
            discriminator_loss(loss, *both) for both in zip(said_real, said_fake, strict=True)
        ).backward(inputs=d, retain_graph=True)
        if self._setting.alternating:
            self._adam_d.step()
            said_fake = self.d(fake)
        _sum(generator_loss(loss, said) for said in said_fake).backward(inputs=g)
        if not self._setting.alternating:
            self._adam_d.step()
        self._adam_g.step()
        self._adam_d.zero_grad()
        self._adam_g.zero_grad()


def train(
    setting: Setting,
    seeds: Sequence[int],
    *,
    steps: int,
    every: int,
    samples: int,
    device: torch.device,
    progress: Callable[[int], None],
) -> list[list[Points]]:
    """Train a GAN a seed, all together.

    Args:
        setting: what is trained.
        seeds: the trainings.
        steps: of each.
        every: a snapshot is taken at step 0 and then after so many; it divides `steps`.
        samples: points in a snapshot.
        device: where to train.
        progress: called with the steps done.

    Returns:
        For each seed its snapshots, each [samples, 2].
    """
    players = Players(setting, [_generator(seed, "weights") for seed in seeds], device)
    batches = [_generator(seed, "batches") for seed in seeds]
    found: list[list[Points]] = [[] for _ in seeds]
    for step in range(steps + 1):
        if step % every == 0:
            looking = [_generator(seed, f"snapshot {step}") for seed in seeds]
            with torch.no_grad():
                points = players.g(_noise(samples, looking, device)).cpu().numpy()
            for own, snapshot in zip(found, points, strict=True):
                own.append(snapshot)
        if step < steps:
            x = torch.stack([draw_data(setting, BATCH, own) for own in batches])
            players.step(x.to(device), _noise(BATCH, batches, device))
            progress(step + 1)
    return found


def _noise(count: int, generators: Sequence[torch.Generator], device: torch.device) -> Tensor:
    drawn = [torch.randn(count, Z_DIM, generator=own) for own in generators]
    return torch.stack(drawn).to(device)


def _generator(seed: int, use: str) -> torch.Generator:
    """Random numbers of one seed for one use; on the CPU, so that devices do not differ."""
    state = np.random.SeedSequence((seed, *use.encode())).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(state[0] >> 1))


def _sum(losses: Iterable[Tensor]) -> Tensor:
    return torch.stack(list(losses)).sum()
