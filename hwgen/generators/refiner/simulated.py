"""The simulated images that a refiner starts from in training."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing

import numpy as np
import numpy.typing as npt
import torch

from hwgen.charset import Charset
from hwgen.errors import RunError
from hwgen.generators.refiner.recipe import RefinerRecipe
from hwgen.progress import NO_CONTROL, Control
from hwgen.record import PAPER
from hwgen.sources.simulation.images import render_items
from hwgen.sources.simulation.pen import Item, character_number
from hwgen.sources.strokes.data import Strokes

Ids = npt.NDArray[np.int64]


def simulate_classes(
    strokes: Mapping[str, Strokes],
    charset: Charset,
    class_ids: Ids,
    recipe: RefinerRecipe,
    seed: int,
    *,
    workers: int = 1,
    control: Control = NO_CONTROL,
) -> torch.Tensor:
    """Images of some classes by every hand, rendered by several processes.

    Args:
        strokes: label -> strokes, of these classes.
        charset: of the class ids.
        class_ids: to render.
        recipe: its hands and framing.
        seed: of the hands.
        workers: number of processes; the images do not depend on it.
        control: progress in images, and stop requests.

    Returns:
        uint8 [classes, hands, S, S]; other classes are paper.

    Raises:
        RunError: a stop was requested.
    """
    hands, size = recipe.hands, recipe.size
    items = (
        Item(strokes[charset[number]], character_number(charset[number]), seed, hand)
        for number in class_ids.tolist()
        for hand in range(hands)
    )
    out = torch.full((len(charset) * hands, size, size), PAPER, dtype=torch.uint8)
    rows = (class_ids[:, None] * hands + np.arange(hands)).reshape(-1)
    done = 0
    with closing(render_items(items, recipe.framing, workers=workers)) as batches:
        for images in batches:
            if done and control.stop():
                raise RunError(
                    "stopped while simulating characters; training has not begun",
                    remedy="Rerun the command",
                )
            out[torch.from_numpy(rows[done : done + len(images)])] = torch.from_numpy(images)
            done += len(images)
            control.progress(done, len(rows), "")
    return out.unflatten(0, (len(charset), hands))
