"""Training of the stability experiment: samples of the generator at every snapshot."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping

import numpy as np
import torch
from torch import Tensor, nn

from hwgen.data import Batches
from hwgen.generators.adversarial.discriminator import Discriminator
from hwgen.generators.adversarial.steps import State, make_state, schedule, train_step
from hwgen.generators.gan.networks import Generator, build
from hwgen.generators.gan.presets import Recipe
from hwgen.generators.gan.sampling import Sampler
from hwgen.record import Image
from hwgen.store import Store

CHECKED_EVERY = 50
"""Steps between two checks that the losses are finite."""


class NotFiniteError(Exception):
    """A loss is no longer finite; the message names it and the step."""


def snapshots(
    recipe: Recipe,
    store: Store,
    *,
    seed: int,
    narrow: int,
    samples: int,
    device: torch.device,
    progress: Callable[[int], None],
) -> Iterator[tuple[int, Image, dict[str, float]]]:
    """Train and yield at every snapshot: steps done, samples, D's mean outputs in that step.

    Args:
        recipe: unconditional; `every` and `images` in whole batches.
        store: real images.
        seed: of weights, batches and noise; settings with equal seeds start from equal weights.
        narrow: divisor of the recipe's widths, see `widen`.
        samples: per snapshot, from the same noise in all.
        device: where to train, in float32.
        progress: called with the steps done.

    Raises:
        NotFiniteError: a loss is infinite or not a number.
    """
    state = make_state(build, recipe, 0, seed, device)
    widen(state, narrow)
    sampler = Sampler(state.g, recipe, store.charset, device)
    batches = Batches(
        [store],
        size=recipe.size,
        pixels=recipe.pixels,
        batch=recipe.batch,
        seed=seed,
        device=device,
    )
    # z of G and of D's step are the same, as in the authors' code.
    generator = torch.Generator(device).manual_seed(seed)
    for step in range(1, recipe.steps + 1):
        x, _ = batches.batch(step - 1)
        measured = train_step(
            state,
            recipe,
            x,
            None,
            schedule(recipe, step),
            generator=generator,
            precision=torch.float32,
        )
        due = step % recipe.steps_between_snapshots == 0
        if due or step % CHECKED_EVERY == 0:
            check_finite(measured, step)
        progress(step)
        if due:
            zeros = np.zeros(samples, np.int64)
            images = sampler.sample(zeros, np.arange(samples), seed=seed)
            yield step, images, {name: measured[name].item() for name in ("d_real", "d_fake")}


def check_finite(measured: Mapping[str, Tensor], step: int) -> None:
    for name, value in measured.items():
        if not torch.isfinite(value):
            raise NotFiniteError(f"{name} is {value.item()} at step {step}")


@torch.no_grad()
def widen(state: State[Generator], narrow: int) -> None:
    """Scale initial weights and learning rates so that narrow networks learn like the full ones.

    The authors' initial weights and rates suit the full widths. The output of a layer with n inputs
    grows with the root of n at the start, and a step of Adam or RMSProp changes it in proportion
    to n. So the weights of the layers with fewer inputs are multiplied by the root of the divisor,
    and their learning rates by the divisor (Yang et al. 2021, Tensor Programs V, for hidden
    layers). The layers that take z or the image have as many inputs as before.
    """
    assert isinstance(state.d, Discriminator)
    inner_g: list[nn.Module] = list(state.g.convs)
    inner_d: list[nn.Module] = [*list(state.d.convs)[1:], state.d.out]
    for optimizer, inner in ((state.optimizer_g, inner_g), (state.optimizer_d, inner_d)):
        weights = [layer.weight for layer in inner if isinstance(layer.weight, Tensor)]
        for weight in weights:
            weight.mul_(math.sqrt(narrow))
        chosen = {id(weight) for weight in weights}
        (group,) = optimizer.param_groups
        rest = [parameter for parameter in group["params"] if id(parameter) not in chosen]
        group["params"] = rest
        optimizer.add_param_group({"params": weights, "lr": group["lr"] * narrow})
