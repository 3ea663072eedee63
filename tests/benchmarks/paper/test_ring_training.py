import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from benchmarks.paper.ring_training import (
    Perceptrons,
    Players,
    Setting,
    sample_data,
    train,
)
from hwgen.generators.gan.presets import LOSSES, Loss

CPU = torch.device("cpu")
SEEDS = 3
STEPS = 4


def generators(count: int = SEEDS) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in range(count)]


def plain_net(batched: Perceptrons, seed: int) -> nn.Sequential:
    """The net of one seed as nn.Linear layers, that hold their weights the other way round."""
    layers: list[nn.Module] = []
    for weight, bias in zip(batched.parameters[::2], batched.parameters[1::2], strict=True):
        linear = nn.Linear(weight.shape[1], weight.shape[2], dtype=torch.float64)
        with torch.no_grad():
            linear.weight.copy_(weight[seed].T)
            linear.bias.copy_(bias[seed, 0])
        layers += [linear, nn.Tanh()]
    return nn.Sequential(*layers[:-1])


def least_squares(real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
    return ((real - 1).square().mean() + fake.square().mean()) / 2, (fake - 1).square().mean() / 2


def cross_entropy(real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
    entropy = nn.functional.binary_cross_entropy_with_logits
    one, zero = torch.ones_like(real), torch.zeros_like(real)
    return entropy(real, one) + entropy(fake, zero), entropy(fake, one)


def summed_squares(real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
    return ((real - 1).square().sum() + fake.square().sum()) / 2, (fake - 1).square().sum() / 2


@pytest.mark.parametrize("alternating", [False, True])
@pytest.mark.parametrize(
    ("loss", "truth"),
    [
        (LOSSES["lsgan-eq9"], least_squares),
        (LOSSES["gan"], cross_entropy),
        (Loss(reduction="sum"), summed_squares),
    ],
)
def test_a_batch_of_seeds_equals_separate_trainings(
    loss: Loss,
    truth: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]],
    alternating: bool,
) -> None:
    setting = Setting(loss, alternating=alternating)
    players = Players(setting, generators(), CPU, torch.float64)
    nets = [(plain_net(players.g, seed), plain_net(players.d, seed)) for seed in range(SEEDS)]
    random = torch.Generator().manual_seed(9)
    xs = torch.randn(STEPS, SEEDS, 16, 2, generator=random, dtype=torch.float64)
    zs = torch.randn(STEPS, SEEDS, 16, 256, generator=random, dtype=torch.float64)
    for x, z in zip(xs, zs, strict=True):
        players.step(x, z)
    for seed, (g, d) in enumerate(nets):
        adam_g = torch.optim.Adam(g.parameters(), 1e-3, (0.5, 0.999))
        adam_d = torch.optim.Adam(d.parameters(), 1e-4, (0.5, 0.999))
        for x, z in zip(xs[:, seed], zs[:, seed], strict=True):
            loss_d = truth(d(x), d(g(z)))[0]
            grads_d = torch.autograd.grad(loss_d, list(d.parameters()))
            for parameter, grad in zip(d.parameters(), grads_d, strict=True):
                parameter.grad = grad
            if alternating:
                adam_d.step()
            grads_g = torch.autograd.grad(truth(d(x), d(g(z)))[1], list(g.parameters()))
            for parameter, grad in zip(g.parameters(), grads_g, strict=True):
                parameter.grad = grad
            if not alternating:
                adam_d.step()
            adam_g.step()
        for batched, plain in ((players.g, g), (players.d, d)):
            trained = plain_net(batched, seed)
            for ours, theirs in zip(trained.parameters(), plain.parameters(), strict=True):
                torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-12)


def test_weights_are_orthogonal_with_gain_and_differ_by_seed() -> None:
    nets = Perceptrons((256, 128, 2), generators(), CPU, torch.float64)
    first, bias, last, _ = nets.parameters
    for own in first.detach():
        torch.testing.assert_close(own.T @ own, 1.4**2 * torch.eye(128, dtype=torch.float64))
    torch.testing.assert_close(last[0].T @ last[0], 1.4**2 * torch.eye(2, dtype=torch.float64))
    assert not bias.any()
    assert not torch.equal(first[0], first[1])


def test_a_seeds_training_does_not_depend_on_the_batch() -> None:
    def run(*seeds: int) -> list[np.ndarray]:
        done: list[int] = []
        found = train(
            Setting(LOSSES["gan"]),
            seeds,
            steps=4,
            every=2,
            samples=5,
            device=CPU,
            progress=done.append,
        )
        assert done == [1, 2, 3, 4]
        return [np.stack(own) for own in found]

    alone, together = run(7), run(3, 7)
    assert alone[0].shape == (3, 5, 2)
    np.testing.assert_allclose(together[1], alone[0], rtol=1e-4, atol=1e-5)
    assert np.abs(together[0] - together[1]).max() > 0.1
    assert np.abs(alone[0][0] - alone[0][2]).max() > 1e-3  # it learns


@pytest.mark.parametrize("uneven", [False, True])
def test_the_data_are_eight_narrow_modes_on_a_circle(uneven: bool) -> None:
    setting = Setting(LOSSES["gan"], uneven=uneven, radius=2, sd=0.05)
    points = sample_data(setting, 9000, torch.Generator().manual_seed(0)).numpy()
    # The authors' nine angles, of which the last is the first again.
    angles = np.linspace(0, 2 * math.pi, 9)[: 9 if uneven else 8]
    there = 2 * np.stack((np.sin(angles), np.cos(angles)), axis=1)
    np.testing.assert_allclose(setting.centres().numpy(), there[:8], atol=1e-6)
    mode = np.linalg.norm(points[:, None] - there[:8], axis=2).argmin(axis=1)
    shares = np.bincount(mode, minlength=8) / len(points)
    expected = np.bincount(np.arange(len(there)) % 8, minlength=8) / len(there)
    np.testing.assert_allclose(shares, expected, atol=0.015)
    assert (points - there[mode]).std() == pytest.approx(0.05, rel=0.03)
