"""Training of the ring experiment: snapshots of G's samples for several seeds at once.

Networks and settings are those of the authors' stability_comparison/mixture_gaussian: G maps 256
normal numbers to a point in the plane through two layers of 128 tanh units, D a point to a number
through two more; orthogonal weights with gain 1.4, biases 0, no batch norm.

Seeds are trained as a batch: every parameter has a leading seed axis, the loss is the sum of the
seeds' losses, and Adam works by element, so the trainings are independent. Each seed has its own
random numbers, whatever the other seeds in the batch.
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

from hwgen.generators.adversarial.losses import discriminator_loss, generator_loss
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
    """Data and training of one setting.

    Attributes:
        loss: of D and G.
        uneven: one mode has double weight, as in the authors' data: nine angles from 0 to 2 pi with
            both ends, so that the first and the last are the same mode.
        radius: of the ring.
        sd: standard deviation of a mode in each direction.
        alternating: G steps after D, against the updated D; otherwise both step from one pass over
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
        """Centres of the modes, [MODES, 2]."""
        angles = torch.arange(MODES) * (2 * math.pi / MODES)
        return self.radius * torch.stack((angles.sin(), angles.cos()), dim=1)

    def probabilities(self) -> Tensor:
        """Probabilities of the modes, [MODES]."""
        weights = torch.ones(MODES)
        if self.uneven:
            weights[0] = 2
        return weights / weights.sum()


def sample_data(setting: Setting, count: int, generator: torch.Generator) -> Tensor:
    """Points of the true distribution, [count, 2]."""
    modes = torch.multinomial(setting.probabilities(), count, True, generator=generator)
    return setting.centres()[modes] + setting.sd * torch.randn(count, 2, generator=generator)


class Perceptrons:
    """A perceptron of tanh units for each seed, with separate weights.

    Args:
        sizes: units of each layer, the input first.
        generators: one per seed, for the initial weights.
        device: of the weights.
        dtype: of the weights.
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
        generators: one per seed, for the initial weights.
        device: of the weights.
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
        d_real, d_fake = self.d(x), self.d(fake)
        _sum(discriminator_loss(loss, *both) for both in zip(d_real, d_fake, strict=True)).backward(
            inputs=d, retain_graph=True
        )
        if self._setting.alternating:
            self._adam_d.step()
            d_fake = self.d(fake)
        _sum(generator_loss(loss, own) for own in d_fake).backward(inputs=g)
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
    """Train one GAN per seed, all in one batch.

    Args:
        setting: what is trained.
        seeds: one per training.
        steps: of each training.
        every: steps between snapshots, the first at step 0; it divides `steps`.
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
            noise = [_generator(seed, f"snapshot {step}") for seed in seeds]
            with torch.no_grad():
                points = players.g(_noise(samples, noise, device)).cpu().numpy()
            for own, snapshot in zip(found, points, strict=True):
                own.append(snapshot)
        if step < steps:
            x = torch.stack([sample_data(setting, BATCH, own) for own in batches])
            players.step(x.to(device), _noise(BATCH, batches, device))
            progress(step + 1)
    return found


def _noise(count: int, generators: Sequence[torch.Generator], device: torch.device) -> Tensor:
    noise = [torch.randn(count, Z_DIM, generator=own) for own in generators]
    return torch.stack(noise).to(device)


def _generator(seed: int, use: str) -> torch.Generator:
    """Random numbers of a seed for one use; on the CPU, so that they are equal on all devices."""
    state = np.random.SeedSequence((seed, *use.encode())).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(state[0] >> 1))


def _sum(losses: Iterable[Tensor]) -> Tensor:
    return torch.stack(list(losses)).sum()
