"""The regular GAN's game: Eq. 1's minimax loss of G, and Eq. 3's Jensen-Shannon divergence."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from hwgen.generators.adversarial.losses import discriminator_loss, generator_loss
from hwgen.generators.gan.presets import LOSSES

GAN = LOSSES["gan"]

DESCENT = 80
"""Newton steps of D, each of at most LONGEST."""

LONGEST = 1.0

_NEVER = torch.tensor([-torch.inf], dtype=torch.float64)  # D's loss on a generated one is 0
_ALWAYS = -_NEVER  # D's loss on a real one is 0


def minimax_loss(fake: Tensor) -> Tensor:
    """Eq. 1's loss of G, E[log(1 - s(D(G(z))))], from D before the sigmoid s, [N]."""
    return -discriminator_loss(GAN, _ALWAYS.to(fake.dtype), fake)


def loss_of_d(d: Tensor, real: Tensor, fake: Tensor) -> Tensor:
    """-V(D, G) of Eq. 1: D's expected loss, for D [N] before the sigmoid, p_d and p_g."""
    on_real = torch.vmap(lambda own: discriminator_loss(GAN, own, _NEVER))(d[:, None])
    on_fake = torch.vmap(lambda own: discriminator_loss(GAN, _ALWAYS, own))(d[:, None])
    return (real * on_real + fake * on_fake).sum()


def found_d(real: Tensor, fake: Tensor) -> Tensor:
    """D [N] before the sigmoid, free at every point, after Newton's method on D's loss."""
    d = torch.zeros_like(real)
    for _ in range(DESCENT):
        d.requires_grad_()
        (slope,) = torch.autograd.grad(loss_of_d(d, real, fake), d, create_graph=True)
        (curvature,) = torch.autograd.grad(slope.sum(), d)
        d = d.detach() - (slope / curvature).detach().clamp(-LONGEST, LONGEST)
    return d


def divergence_js(p: Tensor, q: Tensor) -> Tensor:
    """Jensen-Shannon divergence, in nats."""
    middle = (p + q) / 2
    return (kullback_leibler(p, middle) + kullback_leibler(q, middle)) / 2


def kullback_leibler(p: Tensor, q: Tensor) -> Tensor:
    """KL(p || q), in nats."""
    return (p * (p / q).log()).sum()


def slopes_of_g(real: Tensor, fake: Tensor) -> dict[str, float]:
    """How far G's gradient, D at its optimum and fixed, is from that of a divergence.

    The gradient is by the logits of p_g. With the minimax loss it should be that of 2 JSD, and with
    the non-saturating one, that of KL(p_g || p_d) - 2 JSD (Arjovsky & Bottou 2017, Theorem 2.5).

    Returns:
        The largest differences, each relative to the norm of the gradient.
    """
    d = (real / fake).log()
    logits = fake.log().requires_grad_()
    p_g = F.softmax(logits, dim=0)
    twice_js = 2 * divergence_js(real, p_g)
    pairs = {
        "minimax": (torch.vmap(minimax_loss)(d[:, None]), twice_js),
        "non-saturating": (
            torch.vmap(lambda own: generator_loss(GAN, own))(d[:, None]),
            kullback_leibler(p_g, real) - twice_js,
        ),
    }
    found = {}
    for name, (each, expected) in pairs.items():
        (ours,) = torch.autograd.grad((p_g * each).sum(), logits, retain_graph=True)
        (theirs,) = torch.autograd.grad(expected, logits, retain_graph=True)
        found[name] = ((ours - theirs).abs().max() / theirs.norm().clamp_min(1e-12)).item()
    return found


def jensen_shannon(
    pairs: Mapping[str, tuple[Tensor, Tensor]],
) -> tuple[list[dict[str, Any]], dict[str, float]]:
    """A row per pair p_d, p_g, and the largest error of each claim on the regular GAN."""
    rows: list[dict[str, Any]] = []
    for pair, (real, fake) in pairs.items():
        d = found_d(real, fake)
        rows.append(
            {
                "pair": pair,
                "D error": (d.sigmoid() - real / (real + fake)).abs().max().item(),
                "C(G)": -loss_of_d(d, real, fake).item(),
                "2 JSD - log 4": 2 * divergence_js(real, fake).item() - math.log(4),
                **({} if torch.equal(real, fake) else slopes_of_g(real, fake)),
            }
        )

    def worst(name: str) -> float:
        return max(abs(row[name]) for row in rows if name in row)

    return rows, {
        "optimal D of Eq. 1, descent against p_d / (p_d + p_g)": worst("D error"),
        "Eq. 3, C(G) - (2 JSD - log 4)": max(abs(r["C(G)"] - r["2 JSD - log 4"]) for r in rows),
        "gradient of minimax G against that of 2 JSD": worst("minimax"),
        "gradient of non-saturating G against KL - 2 JSD": worst("non-saturating"),
    }
