"""D's outputs on real and generated images, and the gradient that reaches G."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from hwgen.data import Batches
from hwgen.generators.adversarial.discriminator import Discriminator
from hwgen.generators.adversarial.losses import generator_loss
from hwgen.generators.gan.networks import Generator
from hwgen.generators.gan.presets import Loss, Recipe

Numbers = npt.NDArray[np.float64]

EDGES = np.linspace(-0.5, 1.5, 81)
"""Bins of the histograms: 0 is D's target for generated images, 1 that for real ones."""

SURE = 0.95
"""An output farther than this towards a target is saturated."""


@dataclass(frozen=True)
class Outputs:
    """D's outputs as the losses take them: before the sigmoid of cross entropy.

    Attributes:
        real: D(x), [N].
        fake: D(G(z)), [N].
        gradient: |dL_G/dx| of each generated image for its own loss L_G, [N].
    """

    real: Numbers
    fake: Numbers
    gradient: Numbers


def outputs(
    g: Generator,
    d: Discriminator,
    recipe: Recipe,
    batches: Batches,
    count: int,
    *,
    seed: int,
    training: bool,
) -> Outputs:
    """D's outputs on `count` batches of real and as many of generated images.

    Args:
        g: generator; neither it nor d is changed.
        d: discriminator.
        recipe: of both.
        batches: of real images.
        count: batches of each kind.
        seed: of z.
        training: batch norm uses the statistics of each batch, with separate batches of real and
            generated images as in a training step; otherwise the running ones.
    """
    g = copy.deepcopy(g).requires_grad_(False).train(training)
    d = copy.deepcopy(d).requires_grad_(False).train(training)
    device = next(g.parameters()).device
    noise = torch.Generator(device).manual_seed(seed)
    parts: dict[str, list[Tensor]] = {"real": [], "fake": [], "gradient": []}
    for number in range(count):
        x, y = batches.batch(number)
        labels = y if recipe.conditional else None
        with torch.no_grad():
            made = g(g.sample_noise(len(x), noise), labels)
            parts["real"].append(d(x, labels))
        made.requires_grad_(True)
        on_fake = d(made, labels)
        whole = len(x) if recipe.loss.reduction == "mean" else 1
        (slope,) = torch.autograd.grad(generator_loss(recipe.loss, on_fake) * whole, made)
        parts["fake"].append(on_fake.detach())
        parts["gradient"].append(slope.flatten(1).norm(dim=1))
    found = {name: torch.cat(part).double().cpu().numpy() for name, part in parts.items()}
    return Outputs(**found)


def on_scale(loss: Loss, d: Numbers) -> Numbers:
    """D's outputs between its targets: 0 is "generated", 1 is "real".

    Cross entropy: the sigmoid, a probability. LSGAN: (D - a) / (b - a).
    """
    if loss.kind == "gan":
        return np.asarray(np.exp(-np.logaddexp(0, -d)))
    return (d - loss.a) / (loss.b - loss.a)


def slope_of_loss(loss: Loss, fake: Numbers) -> Numbers:
    """|dL_G/dD| of each generated image by the formula: 1 - s(D), or |D - c|."""
    return 1 - on_scale(loss, fake) if loss.kind == "gan" else np.abs(fake - loss.c)


def summary(loss: Loss, found: Outputs) -> dict[str, Any]:
    """Statistics and histograms of D's outputs.

    Returns:
        raw: mean and sd of D as the loss takes it; everything else is `on_scale`.
        real, fake: mean, sd, the fraction above SURE and that below 1 - SURE.
        ranked: probability that D ranks a real image above a generated one; 0.5 is chance.
        overlap: common area of the two histograms; 1 if they are equal.
        gradient: mean and median of |dL_G/dx|.
        slope: mean of |dL_G/dD|.
        histogram_real, histogram_fake: counts between EDGES; outer bins include values beyond.
    """
    real, fake = on_scale(loss, found.real), on_scale(loss, found.fake)
    counts = [np.histogram(s.clip(EDGES[0], EDGES[-1]), EDGES)[0] for s in (real, fake)]
    fractions = [c / c.sum() for c in counts]
    return {
        "raw": {"real": _spread(found.real), "fake": _spread(found.fake)},
        "real": _spread(real) | _sure(real),
        "fake": _spread(fake) | _sure(fake),
        "ranked": ranked(found.real, found.fake),
        "overlap": float(np.minimum(*fractions).sum()),
        "gradient": {
            "mean": float(found.gradient.mean()),
            "median": float(np.median(found.gradient)),
        },
        "slope": float(slope_of_loss(loss, found.fake).mean()),
        "histogram_real": counts[0].tolist(),
        "histogram_fake": counts[1].tolist(),
    }


def ranked(above: Numbers, below: Numbers) -> float:
    """Probability that one of `above` is greater than one of `below`; a tie counts half."""
    ordered = np.sort(below)
    smaller = np.searchsorted(ordered, above, "left") + np.searchsorted(ordered, above, "right")
    return float(smaller.mean() / 2 / len(below))


def _spread(values: Numbers) -> dict[str, float]:
    return {"mean": float(values.mean()), "sd": float(values.std())}


def _sure(values: Numbers) -> dict[str, float]:
    return {"above": float((values > SURE).mean()), "below": float((values < 1 - SURE).mean())}
