"""In: real and synthetic pictures with labels. Out: batches that hold a share of each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from hwgen.charset import Charset
from hwgen.data import Balanced, ImageSet, Order, Shuffled, to_float, window_of
from hwgen.errors import CharsetError
from hwgen.recogniser.network import RecogniserRecipe


@dataclass(frozen=True)
class LabelledImages:
    """What a recogniser is trained on.

    Attributes:
        pictures: of the recipe's size, on the training device.
        labels: class ids, int64 [N], on the training device.
        charset: class order.
        channels: 1 grey, 3 colour.
    """

    images: ImageSet
    labels: Tensor
    charset: Charset
    channels: int


class MixedBatches:
    """Batches of real pictures, of which synthetic ones take a share; see `Mixing`.

    Batch k is a function of (seed, k) alone. Without synthetic pictures all are real.

    Args:
        real: what is always drawn from.
        synthetic: of the same classes, or None.
        recipe: batch, steps, balanced and mixing.
        seed: of the orders.

    Raises:
        CharsetError: the classes differ.
        InputError: there are no pictures.
    """

    def __init__(
        self,
        real: LabelledImages,
        synthetic: LabelledImages | None,
        recipe: RecogniserRecipe,
        seed: int,
    ) -> None:
        if synthetic is not None and synthetic.charset != real.charset:
            raise CharsetError(
                f"the synthetic pictures are of {len(synthetic.charset)} classes, the real ones of "
                f"{len(real.charset)}, and they are not the same in the same order",
                remedy="Train the generator on a store of the same charset",
            )
        self._recipe = recipe
        share = 0.0 if synthetic is None else recipe.mixing.share
        self._until = round(recipe.mixing.until * recipe.steps)
        drawn = round(share * recipe.batch)
        # Each part: pictures and how many of them a batch holds.
        mixed = (
            [_Part(real, recipe.batch - drawn, seed, recipe.balanced)]
            if drawn < recipe.batch
            else []
        )
        if synthetic is not None and drawn:
            # Of its own seed: else both parts of a balanced batch would be of the same classes.
            own = int(np.random.SeedSequence((seed, 1)).generate_state(1)[0])
            mixed.append(_Part(synthetic, drawn, own, recipe.balanced))
        self._mixed, self._real = mixed, [_Part(real, recipe.batch, seed, recipe.balanced)]

    def batch(self, step: int) -> tuple[list[Tensor], Tensor]:
        """Batch `step`.

        Returns:
            The real and then the synthetic pictures, those that there are: x float32 [n, C, S, S]
            in the recipe's range, each of the size they are held in; y int64 [N] of all of them.
        """
        parts = [part.draw(step) for part in (self._mixed if step < self._until else self._real)]
        images = [to_float(x, self._recipe.pixels) for x, _ in parts]
        return images, torch.cat([y for _, y in parts])


class _Part:
    """Labelled pictures, some for each batch."""

    def __init__(self, data: LabelledImages, count: int, seed: int, balanced: bool) -> None:
        self._data = data
        self._order: Order
        if balanced:
            self._order = Balanced(data.labels.cpu().numpy(), count, seed)
        else:
            window = window_of(data.images.shape)
            self._order = Shuffled(len(data.images), count, seed, window=window)

    def draw(self, step: int) -> tuple[Tensor, Tensor]:
        """Pictures of batch `step`, uint8 [count, C, S, S], and their labels."""
        indices = self._order.indices(step).to(self._data.labels.device, non_blocking=True)
        images = self._data.images.batch(self._order, step)
        return images, self._data.labels.index_select(0, indices)
