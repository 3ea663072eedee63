"""In: labelled pictures of one or more stores, a recipe, a seed. Out: a trained Recogniser."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hwgen.compute.devices import autocast, describe, pick_precision
from hwgen.data import open_images
from hwgen.errors import CharsetError, DivergedError, InputError
from hwgen.recogniser.augmentation import augment
from hwgen.recogniser.inference import Recogniser
from hwgen.recogniser.mixing import LabelledImages, MixedBatches
from hwgen.recogniser.network import (
    RecogniserNetwork,
    RecogniserRecipe,
    logits,
)
from hwgen.store import Store

Progress = Callable[[int, int, float], None]
"""Called with steps done, steps in all, and the mean training loss since the last call."""

REPORT_EVERY = 20
"""Steps between two calls of Progress; each makes a GPU wait."""


def from_stores(
    stores: Sequence[Store], recipe: RecogniserRecipe, device: torch.device
) -> LabelledImages:
    """All records of the stores, one store after the other, resident on the device if they fit.

    The pictures are held at `oversample` times the recipe's size, or at the size of the smallest
    store, if that is less.

    Raises:
        CharsetError: the stores do not have one class order.
        InputError: they do not have the same number of channels, or are smaller than the recipe's
            size.
    """
    first = stores[0]
    for store in stores[1:]:
        if store.charset != first.charset:
            raise CharsetError(
                f"its charset is not that of {first.path}",
                where=str(store.path),
                remedy="Prepare both with the same --charset",
            )
        if store.channels != first.channels:
            raise InputError(
                f"has {store.channels} channels, {first.path} has {first.channels}",
                where=str(store.path),
            )
    labels = torch.from_numpy(np.concatenate([store.labels for store in stores])).to(device)
    largest = max(recipe.size, min(store.size for store in stores))
    size = min(recipe.size * recipe.oversample, largest)
    return LabelledImages(open_images(stores, size, device), labels, first.charset, first.channels)


def train_recogniser(
    data: LabelledImages,
    recipe: RecogniserRecipe,
    *,
    synthetic: LabelledImages | None = None,
    start: Recogniser | None = None,
    seed: int,
    device: torch.device,
    precision: str = "auto",
    progress: Progress | None = None,
    stop: Callable[[], bool] | None = None,
) -> Recogniser | None:
    """Train a network: AdamW, one cycle of the rate, augmentation, label smoothing.

    The seed decides initial weights, order, distortions and dropout; on a CPU with the same number
    of threads the result is the same to the bit.

    Args:
        data: what to learn from.
        recipe: how.
        synthetic: pictures of the same classes that take a part of the batches, see
            RecogniserRecipe.mixing.
        start: a recogniser of other classes, whose weights but for the last layer are what this
            one starts from. None starts from scratch.
        seed: of everything random.
        device: where the data are.
        precision: "bf16", "fp32" or "auto", see hwgen.compute.devices.pick_precision.
        progress: told of the work done.
        stop: asked before each step; True ends the training without a result.

    Returns:
        The recogniser, or None if `stop` said so.

    Raises:
        DivergedError: the loss or a weight is no longer a number.
        InputError: there are no pictures, or the networks of `start` and `recipe` differ.
        CharsetError: the classes of the synthetic pictures are not those of `data`.
    """
    kind = pick_precision(precision, device)
    batches = MixedBatches(data, synthetic, recipe, seed)
    generator = torch.Generator(device).manual_seed(seed)
    gpus = [device] if device.type == "cuda" else []
    # Initial weights and dropout draw from torch's own random state, which is given back as it was.
    with torch.random.fork_rng(gpus):
        torch.manual_seed(seed)
        network = RecogniserNetwork(recipe, len(data.charset), data.channels)
        if start is not None:
            take_over(network, start)
        network.to(device).to(memory_format=torch.channels_last)
        optimizer = make_optimizer(network, recipe)
        total = torch.zeros((), device=device)
        for step in range(recipe.steps):
            if stop is not None and stop():
                return None
            # A batch
            images, y = batches.batch(step)
            x = torch.cat([augmented(x, recipe, generator) for x in images])
            # A step
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(recipe, step)
            with autocast(device, kind):
                scores = logits(network, x)
            loss = F.cross_entropy(scores, y, label_smoothing=recipe.label_smoothing)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            total += loss.detach()
            # News
            done = step + 1
            if done % REPORT_EVERY == 0 or done == recipe.steps:
                mean = float(total) / ((done - 1) % REPORT_EVERY + 1)
                total.zero_()
                if not math.isfinite(mean):
                    raise DivergedError(
                        f"the recogniser's loss is {mean} at step {done}",
                        remedy="Lower the recipe's lr",
                    )
                if progress is not None:
                    progress(done, recipe.steps, mean)
    if not all(bool(p.isfinite().all()) for p in network.parameters()):
        raise DivergedError(
            "the recogniser's weights are no longer finite after its last step",
            remedy="Lower the recipe's lr",
        )
    provenance = {
        "seed": seed,
        "pictures": len(data.images),
        "synthetic_pictures": 0 if synthetic is None else len(synthetic.images),
        **describe(device, kind),
    }
    return Recogniser(network, recipe, data.charset, channels=data.channels, provenance=provenance)


def augmented(x: Tensor, recipe: RecogniserRecipe, generator: torch.Generator) -> Tensor:
    """Pictures distorted at the size they come in, then averaged down.

    Args:
        x: float32 [N, C, S, S] in the recipe's range.
        recipe: size and augmentation.
        generator: of all that is random.

    Returns:
        float32 [N, C, size, size].
    """
    x = augment(x, recipe.augmentation, pixels=recipe.pixels, generator=generator)
    if x.shape[-1] == recipe.size:
        return x
    return F.interpolate(x, size=(recipe.size, recipe.size), mode="area")


def take_over(network: RecogniserNetwork, start: Recogniser) -> None:
    """Copy the weights of a trained recogniser but for its last layer, which names its classes.

    Raises:
        InputError: the two networks have other layers.
    """
    last = f"{len(network) - 1}."
    given = {k: v for k, v in start.network.state_dict().items() if not k.startswith(last)}
    wanted = {k: v for k, v in network.state_dict().items() if not k.startswith(last)}
    if {k: v.shape for k, v in given.items()} != {k: v.shape for k, v in wanted.items()}:
        raise InputError(
            "the recogniser to start from has other layers than the one to be trained",
            remedy="Train both with the same size, widths, grid and hidden",
        )
    network.load_state_dict(given, strict=False)


def learning_rate(recipe: RecogniserRecipe, step: int) -> float:
    """One cycle: linear from 0 to lr over the warm-up, then half a cosine to 0."""
    warmup = recipe.warmup * recipe.steps
    if step + 1 <= warmup:
        return recipe.lr * (step + 1) / warmup
    progress = (step - warmup) / (recipe.steps - warmup)
    return recipe.lr * 0.5 * (1 + math.cos(math.pi * max(0.0, progress)))


def make_optimizer(network: nn.Module, recipe: RecogniserRecipe) -> torch.optim.Optimizer:
    """Fused AdamW that decays weights of two and more dimensions only."""
    parameters = list(network.parameters())
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": recipe.weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=recipe.lr, fused=True)


def steps_of(epochs: float, train: Store, recipe: RecogniserRecipe) -> int:
    """Optimiser steps that show the real training set so many times, at least 1."""
    return max(1, round(epochs * len(train) / recipe.batch))
