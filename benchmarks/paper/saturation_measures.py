"""In: G and D of a moment. Out: what D says of real and generated pictures, and what G gets."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from hwgen.data import Batches
from hwgen.generators.gan.losses import generator_loss
from hwgen.generators.gan.networks import Discriminator, Generator
from hwgen.generators.gan.presets import Loss, Recipe
from hwgen.generators.gan.steps import sample_noise

Numbers = npt.NDArray[np.float64]

EDGES = np.linspace(-0.5, 1.5, 81)
"""Of the histograms, in shares of the way from D's target for generated to that for real."""

SURE = 0.95
"""An answer farther than this towards a target is saturated."""


@dataclass(frozen=True)
class Answers:
    """Of D, as the losses have them: before the sigmoid of cross entropy.

    Attributes:
        real: D(x), [N].
        fake: D(G(z)), [N].
        gradient: |dL_G/dx| of each generated picture, L_G being its own loss, [N].
    """

    real: Numbers
    fake: Numbers
    gradient: Numbers


def answers(
    g: Generator,
    d: Discriminator,
    recipe: Recipe,
    batches: Batches,
    count: int,
    *,
    seed: int,
    training: bool,
) -> Answers:
    """D's answers to `count` batches of real and as many of generated pictures.

    Args:
        g: generator; not changed, nor is d.
        d: discriminator.
        recipe: of both.
        batches: of real pictures.
        count: of batches of each kind.
        seed: of z.
        training: batch norm takes each batch's statistics, real and generated pictures being
            separate batches, as in a training step; otherwise the running ones.
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
            made = g(sample_noise(recipe, len(x), noise), labels)
            parts["real"].append(d(x, labels))
        made.requires_grad_(True)
        said = d(made, labels)
        whole = len(x) if recipe.loss.reduction == "mean" else 1
        (slope,) = torch.autograd.grad(generator_loss(recipe.loss, said) * whole, made)
        parts["fake"].append(said.detach())
        parts["gradient"].append(slope.flatten(1).norm(dim=1))
    found = {name: torch.cat(part).double().cpu().numpy() for name, part in parts.items()}
    return Answers(**found)


def on_scale(loss: Loss, said: Numbers) -> Numbers:
    """D's answers between its targets: 0 is "generated", 1 is "real".

    Cross entropy: the sigmoid, a probability. LSGAN: (D - a) / (b - a).
    """
    if loss.kind == "gan":
        return np.asarray(np.exp(-np.logaddexp(0, -said)))
    return (said - loss.a) / (loss.b - loss.a)


def slope_of_loss(loss: Loss, fake: Numbers) -> Numbers:
    """|dL_G/dD| of each generated picture, by the formula: 1 - s(D), or |D - c|."""
    return 1 - on_scale(loss, fake) if loss.kind == "gan" else np.abs(fake - loss.c)


def summary(loss: Loss, found: Answers) -> dict[str, Any]:
    """Numbers and histograms of D's answers.

    Returns:
        raw: mean and sd of D as the loss has it; the rest is `on_scale`.
        real, fake: mean, sd, the share above SURE and that below 1 - SURE.
        ranked: probability that D puts a real picture above a generated one; 0.5 is blind.
        overlap: area that the two histograms share; 1 if they are the same.
        gradient: mean and median of |dL_G/dx|.
        slope: mean of |dL_G/dD|.
        histogram_real, histogram_fake: counts between EDGES; the outermost have what is beyond.
    """
    real, fake = on_scale(loss, found.real), on_scale(loss, found.fake)
    counts = [np.histogram(s.clip(EDGES[0], EDGES[-1]), EDGES)[0] for s in (real, fake)]
    shares = [c / c.sum() for c in counts]
    return {
        "raw": {"real": _spread(found.real), "fake": _spread(found.fake)},
        "real": _spread(real) | _sure(real),
        "fake": _spread(fake) | _sure(fake),
        "ranked": ranked(found.real, found.fake),
        "overlap": float(np.minimum(*shares).sum()),
        "gradient": {
            "mean": float(found.gradient.mean()),
            "median": float(np.median(found.gradient)),
        },
        "slope": float(slope_of_loss(loss, found.fake).mean()),
        "histogram_real": counts[0].tolist(),
        "histogram_fake": counts[1].tolist(),
    }


def ranked(above: Numbers, below: Numbers) -> float:
    """Probability that one of `above` is greater than one of `below`, ties being half."""
    ordered = np.sort(below)
    smaller = np.searchsorted(ordered, above, "left") + np.searchsorted(ordered, above, "right")
    return float(smaller.mean() / 2 / len(below))


def _spread(values: Numbers) -> dict[str, float]:
    return {"mean": float(values.mean()), "sd": float(values.std())}


def _sure(values: Numbers) -> dict[str, float]:
    return {"above": float((values > SURE).mean()), "below": float((values < 1 - SURE).mean())}
