"""How long a training step of a recogniser takes, measured before a long training."""

from __future__ import annotations

import time
from dataclasses import replace

import torch

from hwgen.charset import Charset
from hwgen.data import ImagesInMemory
from hwgen.recogniser.mixing import LabelledImages
from hwgen.recogniser.network import RecogniserRecipe
from hwgen.recogniser.training import train_recogniser

_STEPS, _WARM = 6, 2  # the first steps, which take longer, do not count


def seconds_per_step(
    recipe: RecogniserRecipe,
    charset: Charset,
    channels: int,
    device: torch.device,
    precision: str = "auto",
) -> float:
    """Train for a few steps on noise.

    Args:
        recipe: of the recogniser.
        charset: its classes.
        channels: of its images.
        device: where to train.
        precision: see `train_recogniser`.
    """
    size, batch = recipe.size * recipe.oversample, recipe.batch
    noise = torch.empty((batch, channels, size, size), dtype=torch.uint8, device=device)
    noise.random_(generator=torch.Generator(device).manual_seed(0))
    labels = torch.arange(batch, device=device) % len(charset)
    moments: list[float] = []

    def note() -> bool:
        moments.append(time.perf_counter())
        return False

    train_recogniser(
        LabelledImages(ImagesInMemory(noise), labels, charset, channels),
        replace(recipe, steps=_STEPS),
        seed=0,
        device=device,
        precision=precision,
        stop=note,
    )
    return (time.perf_counter() - moments[_WARM]) / (_STEPS - _WARM)
