from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from hwgen.generators.adversarial.losses import discriminator_loss, generator_loss
from hwgen.generators.gan.presets import LOSSES

REAL = torch.tensor([1.0, 0.5])
FAKE = torch.tensor([0.0, 0.5])


# By hand. Eq. 9: D 1/2 (0 + 1/4)/2 + 1/2 (0 + 1/4)/2, G 1/2 (1 + 1/4)/2.
# Eq. 8: D 1/2 (0 + 1/4)/2 + 1/2 (1 + 9/4)/2, G 1/2 (0 + 1/4)/2.
@pytest.mark.parametrize(
    ("name", "d", "g"), [("lsgan-eq9", 0.125, 0.3125), ("lsgan-eq8", 0.875, 0.0625)]
)
def test_lsgan_by_hand(name: str, d: float, g: float) -> None:
    loss = LOSSES[name]
    assert discriminator_loss(loss, REAL, FAKE).item() == pytest.approx(d)
    assert generator_loss(loss, FAKE).item() == pytest.approx(g)


def test_any_targets() -> None:
    loss = replace(LOSSES["lsgan-eq9"], a=2.0, b=-1.0, c=0.25)
    d = 0.5 * ((2**2 + 1.5**2) / 2 + (2**2 + 1.5**2) / 2)
    assert discriminator_loss(loss, REAL, FAKE).item() == pytest.approx(d)
    assert generator_loss(loss, FAKE).item() == pytest.approx(0.5 * 0.0625)


def test_the_regular_gan_is_binary_cross_entropy_on_logits() -> None:
    bce = torch.nn.BCEWithLogitsLoss()
    expected = bce(REAL, torch.ones(2)) + bce(FAKE, torch.zeros(2))
    torch.testing.assert_close(discriminator_loss(LOSSES["gan"], REAL, FAKE), expected)
    torch.testing.assert_close(generator_loss(LOSSES["gan"], FAKE), bce(FAKE, torch.ones(2)))
    far = torch.tensor([-300.0, 300.0])
    assert discriminator_loss(LOSSES["gan"], far, far).isfinite()


@pytest.mark.parametrize("name", LOSSES)
def test_the_sum_is_the_batch_times_the_mean(name: str) -> None:
    mean, total = LOSSES[name], replace(LOSSES[name], reduction="sum")
    torch.manual_seed(0)
    real, fake = torch.randn(2, 5)
    torch.testing.assert_close(
        discriminator_loss(total, real, fake), 5 * discriminator_loss(mean, real, fake)
    )
    torch.testing.assert_close(generator_loss(total, fake), 5 * generator_loss(mean, fake))


def test_the_authors_loss_is_half_the_sum_of_squares() -> None:
    loss = replace(LOSSES["lsgan-eq9"], reduction="sum")
    l2 = F.mse_loss(REAL, torch.ones(2), reduction="sum") / 2
    l2 = l2 + F.mse_loss(FAKE, torch.zeros(2), reduction="sum") / 2
    torch.testing.assert_close(discriminator_loss(loss, REAL, FAKE), l2)


@pytest.mark.parametrize("name", LOSSES)
def test_numerical_gradients_pull_where_they_should(name: str) -> None:
    loss = LOSSES[name]
    real = torch.tensor([0.3, -0.2], dtype=torch.float64, requires_grad=True)
    fake = torch.tensor([-0.4, 0.1], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda r, f: discriminator_loss(loss, r, f), (real, fake))
    assert torch.autograd.gradcheck(lambda f: generator_loss(loss, f), (fake,))

    real, fake = real.detach(), fake.detach()

    def slope(function: Callable[[Tensor], Tensor], at: Tensor) -> float:
        return float(function(at + 1e-4) - function(at - 1e-4))

    assert slope(lambda r: discriminator_loss(loss, r, fake), real) < 0  # D: real up
    above = fake.abs() + loss.a
    assert slope(lambda f: discriminator_loss(loss, real, f), above) > 0  # D: generated down
    below = loss.c - fake.abs()
    assert slope(lambda f: generator_loss(loss, f), below) < 0  # G: generated up
