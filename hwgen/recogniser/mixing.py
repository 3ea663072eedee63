"""Training batches that mix real and synthetic images."""

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
    """Training samples of a recogniser.

    Attributes:
        images: on the training device if they fit, of the recipe's size or larger.
        labels: class ids, int64 [N], on the training device.
        charset: class order.
        channels: 1 grey, 3 colour.
    """

    images: ImageSet
    labels: Tensor
    charset: Charset
    channels: int


class MixedBatches:
    """Batches of real and synthetic images; see `Mixing`.

    Batch k depends on (seed, k) only. Without synthetic samples all are real.

    Args:
        real: real samples.
        synthetic: synthetic samples of the same classes, or None.
        recipe: its batch, steps, balanced and mixing are used.
        seed: random seed of the order.

    Raises:
        CharsetError: the classes differ.
        InputError: there are no samples.
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
                f"the {len(synthetic.charset)} classes of the synthetic samples are not the "
                f"{len(real.charset)} of the real ones in the same order",
                remedy="Train the generator on a store of the same charset",
            )
        self._recipe = recipe
        fraction = 0.0 if synthetic is None else recipe.mixing.fraction
        self._until = round(recipe.mixing.until * recipe.steps)
        count = round(fraction * recipe.batch)
        mixed = (
            [_Part(real, recipe.batch - count, seed, recipe.balanced)]
            if count < recipe.batch
            else []
        )
        if synthetic is not None and count:
            # Another seed: otherwise both parts of a balanced batch would have the same classes.
            own = int(np.random.SeedSequence((seed, 1)).generate_state(1)[0])
            mixed.append(_Part(synthetic, count, own, recipe.balanced))
        self._mixed, self._real = mixed, [_Part(real, recipe.batch, seed, recipe.balanced)]

    def batch(self, step: int) -> tuple[list[Tensor], Tensor]:
        """Batch `step`.

        Returns:
            x: real and then synthetic images, without empty parts, float32 [n, C, S, S] in the
            recipe's range, each part at its own size; y: labels of all of them, int64 [N].
        """
        parts = [part.batch(step) for part in (self._mixed if step < self._until else self._real)]
        images = [to_float(x, self._recipe.pixels) for x, _ in parts]
        return images, torch.cat([y for _, y in parts])


class _Part:
    """A fixed number of samples for each batch."""

    def __init__(self, data: LabelledImages, count: int, seed: int, balanced: bool) -> None:
        self._data = data
        self._order: Order
        if balanced:
            self._order = Balanced(data.labels.cpu().numpy(), count, seed)
        else:
            window = window_of(data.images.shape)
            self._order = Shuffled(len(data.images), count, seed, window=window)

    def batch(self, step: int) -> tuple[Tensor, Tensor]:
        """Images of batch `step`, uint8 [count, C, S, S], and their labels, int64 [count]."""
        indices = self._order.indices(step).to(self._data.labels.device, non_blocking=True)
        images = self._data.images.batch(self._order, step)
        return images, self._data.labels.index_select(0, indices)
