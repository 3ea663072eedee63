"""Least-squares and non-saturating GAN losses.

Equation numbers are those of Mao et al., Least Squares Generative Adversarial Networks,
arXiv 1611.04076. "mean" is the expectation of the paper; "sum" is that of the authors' code
(tf.nn.l2_loss is half the sum over the batch).
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from hwgen.generators.adversarial.recipe import Loss


def discriminator_loss(loss: Loss, real: Tensor, fake: Tensor) -> Tensor:
    """Loss of D from D(x) and D(G(z)), both [N].

    LSGAN, Eq. 2 (conditional: Eq. 10): 1/2 E[(D(x) - b)^2] + 1/2 E[(D(G(z)) - a)^2].
    Regular GAN, Eq. 1: -E[log s(D(x))] - E[log(1 - s(D(G(z))))], s the sigmoid.
    """
    if loss.kind == "lsgan":
        return _reduce(loss, 0.5 * (real - loss.b) ** 2) + _reduce(loss, 0.5 * (fake - loss.a) ** 2)
    return _reduce(loss, F.softplus(-real)) + _reduce(loss, F.softplus(fake))


def generator_loss(loss: Loss, fake: Tensor) -> Tensor:
    """Loss of G from D(G(z)) [N].

    LSGAN, Eq. 2 (conditional: Eq. 10): 1/2 E[(D(G(z)) - c)^2].
    Regular GAN: -E[log s(D(G(z)))], the non-saturating form of Goodfellow et al. 2014.
    """
    if loss.kind == "lsgan":
        return _reduce(loss, 0.5 * (fake - loss.c) ** 2)
    return _reduce(loss, F.softplus(-fake))


def _reduce(loss: Loss, values: Tensor) -> Tensor:
    return values.mean() if loss.reduction == "mean" else values.sum()
