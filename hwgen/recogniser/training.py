"""Training of the recogniser."""

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
from hwgen.recogniser.checkpoint import TrainingCheckpoint, TrainingState
from hwgen.recogniser.inference import Recogniser
from hwgen.recogniser.mixing import LabelledImages, MixedBatches
from hwgen.recogniser.network import (
    LAYERS,
    RECOGNISERS,
    RecogniserNetwork,
    RecogniserRecipe,
    logits,
)
from hwgen.record import check_channels
from hwgen.store import Store

Progress = Callable[[int, int, float], None]
"""Called with steps done, total steps, and the mean training loss since the last call."""

REPORT_EVERY = 20
"""Steps between two calls of Progress; each one synchronises with a GPU."""


def from_stores(
    stores: Sequence[Store], recipe: RecogniserRecipe, device: torch.device
) -> LabelledImages:
    """All records of the stores, one store after the other, in device memory if they fit.

    Images have `oversample` times the recipe's size, or the size of the smallest store if that is
    less; `augmented` enlarges these.

    Raises:
        CharsetError: the stores have different classes.
        InputError: the stores have different channels, or are smaller than the recipe's
            smallest.
    """
    first = stores[0]
    for store in stores[1:]:
        if store.charset != first.charset:
            raise CharsetError(
                f"its classes differ from those of {first.path}",
                where=str(store.path),
                remedy="Prepare both with the same --charset",
            )
        check_channels(store.channels, first.channels, str(store.path))
    labels = torch.from_numpy(np.concatenate([store.labels for store in stores])).to(device)
    smallest = min(store.size for store in stores)
    if smallest < recipe.smallest:
        raise InputError(
            f"expected images of at least {recipe.smallest} pixels, found {smallest}",
            remedy="Prepare the store with a larger --size, or lower that of the recogniser",
        )
    size = min(recipe.size * recipe.oversample, smallest)
    return LabelledImages(open_images(stores, size, device), labels, first.charset, first.channels)


def train_recogniser(
    data: LabelledImages,
    recipe: RecogniserRecipe,
    *,
    synthetic: LabelledImages | None = None,
    init_from: Recogniser | None = None,
    seed: int,
    device: torch.device,
    precision: str = "auto",
    progress: Progress | None = None,
    stop: Callable[[], bool] | None = None,
    checkpoint: TrainingCheckpoint | None = None,
) -> Recogniser | None:
    """Train a network: AdamW, one-cycle learning rate, augmentation, label smoothing.

    The seed determines initial weights, data order, distortions and dropout; on a CPU with the same
    number of threads the result is repeatable bit for bit.

    Args:
        data: training samples.
        recipe: of the network and its training.
        synthetic: synthetic samples of the same classes, see RecogniserRecipe.mixing.
        init_from: a recogniser of other classes, whose weights are the initial ones; those of the
            last layer are not used. None trains from scratch.
        seed: random seed.
        device: where the data are.
        precision: "bf16", "fp32" or "auto", see hwgen.compute.devices.pick_precision.
        progress: see Progress.
        stop: asked before each step; True ends training without a result.
        checkpoint: to resume from, and to save when `stop` returns True and every
            CHECKPOINT_SECONDS. The caller removes it once the recogniser is saved. None: a stopped
            training is lost.

    Returns:
        The recogniser; None if `stop` returned True.

    Raises:
        DivergedError: the loss or a weight is not finite; there is no checkpoint left.
        RunError: reading or writing the checkpoint fails, or it is of other settings.
        InputError: there are no samples, or the networks of `init_from` and `recipe` differ.
        CharsetError: the classes of `synthetic` differ from those of `data`.
    """
    kind = pick_precision(precision, device)
    batches = MixedBatches(data, synthetic, recipe, seed)
    generator = torch.Generator(device).manual_seed(seed)
    gpus = [device] if device.type == "cuda" else []
    # Initial weights and dropout use torch's global random state, which is restored afterwards.
    with torch.random.fork_rng(gpus):
        torch.manual_seed(seed)
        network = RecogniserNetwork(recipe, len(data.charset), data.channels)
        if init_from is not None:
            copy_weights(network, init_from)
        network.to(device).to(memory_format=torch.channels_last)
        optimizer = make_optimizer(network, recipe)
        state = TrainingState(network, optimizer, generator, torch.zeros((), device=device))
        begun = 0 if checkpoint is None else checkpoint.restore(state, seed)
        for step in range(begun, recipe.steps):
            if stop is not None and stop():
                _save(state, step, checkpoint)
                return None
            # Batch
            images, y = batches.batch(step)
            x = torch.cat([augmented(x, recipe, generator) for x in images])
            # Step
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(recipe, step)
            with autocast(device, kind):
                scores = logits(network, x)
            loss = F.cross_entropy(scores, y, label_smoothing=recipe.label_smoothing)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            state.loss.add_(loss.detach())
            # Progress
            done = step + 1
            if done % REPORT_EVERY == 0 or done == recipe.steps:
                mean = float(state.loss) / ((done - 1) % REPORT_EVERY + 1)
                state.loss.zero_()
                if not math.isfinite(mean):
                    raise _diverged(f"loss is {mean} at step {done}", checkpoint)
                if progress is not None:
                    progress(done, recipe.steps, mean)
            if checkpoint is not None and done < recipe.steps and checkpoint.is_due:
                _save(state, done, checkpoint)
    if not state.is_finite():
        raise _diverged("weights are not finite after the last step", checkpoint)
    provenance = {
        "seed": seed,
        "pictures": len(data.used_labels),
        "synthetic_pictures": 0 if synthetic is None else len(synthetic.images),
        **describe(device, kind),
    }
    return Recogniser(network, recipe, data.charset, channels=data.channels, provenance=provenance)


def _save(state: TrainingState, step: int, checkpoint: TrainingCheckpoint | None) -> None:
    """Save the state after `step` steps, if there is something to save and a place for it."""
    if checkpoint is None or step == 0:
        return
    if not state.is_finite():
        raise _diverged(f"loss or weights are not finite after step {step}", checkpoint)
    checkpoint.save(state, step)


def _diverged(what: str, checkpoint: TrainingCheckpoint | None) -> DivergedError:
    """The error; a resumed training would diverge again, so nothing is left to resume."""
    if checkpoint is not None:
        checkpoint.remove()
    return DivergedError(f"the recogniser's {what}", remedy="Use a recipe with a lower lr")


def augmented(x: Tensor, recipe: RecogniserRecipe, generator: torch.Generator) -> Tensor:
    """Distort images at `oversample` times the size, then average them down.

    Smaller images are enlarged first (bicubic).

    Args:
        x: float32 [N, C, S, S] in the recipe's range.
        recipe: size and augmentation.
        generator: random numbers.

    Returns:
        float32 [N, C, size, size].
    """
    if x.shape[-1] < (wide := recipe.size * recipe.oversample):
        x = F.interpolate(x, size=(wide, wide), mode="bicubic", align_corners=False)
        low, high = sorted((recipe.pixels.paper, recipe.pixels.ink))
        x = x.clamp_(low, high)  # bicubic interpolation overshoots at edges
    x = augment(x, recipe.augmentation, pixels=recipe.pixels, generator=generator)
    if x.shape[-1] == recipe.size:
        return x
    return F.interpolate(x, size=(recipe.size, recipe.size), mode="area")


def copy_weights(network: RecogniserNetwork, init_from: Recogniser) -> None:
    """Initialise a network from a trained recogniser, except its last layer, which has its classes.

    Raises:
        InputError: the layers of the two networks differ.
    """
    last = f"{len(network) - 1}."
    given = {k: v for k, v in init_from.network.state_dict().items() if not k.startswith(last)}
    wanted = {k: v for k, v in network.state_dict().items() if not k.startswith(last)}
    if {k: v.shape for k, v in given.items()} != {k: v.shape for k, v in wanted.items()}:
        raise InputError(
            "the recogniser to start from has other layers than the one to be trained",
            remedy=_remedy(init_from, network),
        )
    network.load_state_dict(given, strict=False)


def _remedy(init_from: Recogniser, network: RecogniserNetwork) -> str:
    """How to train a network with the layers of the one to start from."""
    first = next(part for part in network.modules() if isinstance(part, nn.Conv2d))
    if (found := init_from.channels) != (wanted := first.in_channels):
        return f"It reads images of {found} channels; give one that reads images of {wanted}"
    for name, preset in RECOGNISERS.items():
        if all(getattr(preset, one) == getattr(init_from.recipe, one) for one in LAYERS):
            return f"Give --recogniser-preset {name}, the preset of the one to start from"
    return "Train both with the same --recogniser-preset and --size"


def learning_rate(recipe: RecogniserRecipe, step: int) -> float:
    """One cycle: linear from 0 to lr during warm-up, then half a cosine to 0."""
    warmup = recipe.warmup * recipe.steps
    if step + 1 <= warmup:
        return recipe.lr * (step + 1) / warmup
    progress = (step - warmup) / (recipe.steps - warmup)
    return recipe.lr * 0.5 * (1 + math.cos(math.pi * max(0.0, progress)))


def make_optimizer(network: nn.Module, recipe: RecogniserRecipe) -> torch.optim.Optimizer:
    """Fused AdamW with weight decay on weights of two and more dimensions only."""
    parameters = list(network.parameters())
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": recipe.weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=recipe.lr, fused=True)


def steps_for(epochs: float, train: Store, recipe: RecogniserRecipe) -> int:
    """Optimiser steps for a number of epochs of the training store, at least 1."""
    return max(1, round(epochs * len(train) / recipe.batch))
