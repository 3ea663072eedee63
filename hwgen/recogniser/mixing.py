"""Training batches that mix real and synthetic images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from hwgen.charset import Charset
from hwgen.data import ImageSet, make_order, to_float, window_of
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
        parts: numbers of those to use, int64, in parts of which each batch has equally many, such
            as stores; None for all, as one part.
    """

    images: ImageSet
    labels: Tensor
    charset: Charset
    channels: int
    parts: Sequence[npt.NDArray[np.int64]] | None = None

    @property
    def used_labels(self) -> Tensor:
        """Labels of the samples to use, int64 [n]."""
        if self.parts is None:
            return self.labels
        return self.labels[torch.from_numpy(np.concatenate(self.parts))]


class MixedBatches:
    """Batches of real and synthetic images; see `Mixing`.

    Batch k depends on (seed, k) only. Without synthetic samples all are real. Where classes are
    balanced and some have synthetic samples alone, these occur more often among the synthetic ones,
    and of the other classes the fraction of `Mixing` is synthetic: every class is about as likely.

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
        groups = None
        if synthetic is not None and recipe.balanced:
            groups, fraction = _without_real(real.used_labels, synthetic.labels, fraction)
        own_groups = real.labels if recipe.balanced else None
        count = round(fraction * recipe.batch)
        mixed = (
            [_Part(real, recipe.batch - count, seed, own_groups)] if count < recipe.batch else []
        )
        if synthetic is not None and count:
            # Another seed: otherwise both parts of a balanced batch would have the same classes.
            own = int(np.random.SeedSequence((seed, 1)).generate_state(1)[0])
            mixed.append(_Part(synthetic, count, own, groups))
        self._mixed, self._real = mixed, [_Part(real, recipe.batch, seed, own_groups)]

    def batch(self, step: int) -> tuple[list[Tensor], Tensor]:
        """Batch `step`.

        Returns:
            x: real and then synthetic images, without empty parts, float32 [n, C, S, S] in the
            recipe's range, each part at its own size; y: labels of all of them, int64 [N].
        """
        parts = [part.batch(step) for part in (self._mixed if step < self._until else self._real)]
        images = [to_float(x, self._recipe.pixels) for x, _ in parts]
        return images, torch.cat([y for _, y in parts])


def _without_real(real: Tensor, synthetic: Tensor, fraction: float) -> tuple[Tensor, float]:
    """How synthetic samples are balanced where some classes have no real ones.

    Args:
        real: labels of the real samples, int64 [N].
        synthetic: labels of the synthetic ones, int64 [M].
        fraction: of each batch that is synthetic, if every class has real samples.

    Returns:
        Groups of synthetic samples to be equally frequent, int64 [M]: classes; those without real
        samples as 1 / fraction groups. And the synthetic fraction with which every class is about
        equally frequent, and that of the classes with real samples is `fraction`.
    """
    alone = ~torch.isin(synthetic, real)
    if not 0 < fraction < 1 or not bool(alone.any()):
        return synthetic, fraction
    classes, lacking = len(torch.cat([real, synthetic]).unique()), len(synthetic[alone].unique())
    part = _number_in_class(synthetic) % max(1, round(1 / fraction))
    groups = synthetic + torch.where(alone, part * (int(synthetic.max()) + 1), 0)
    return groups, fraction + (1 - fraction) * lacking / classes


def _number_in_class(labels: Tensor) -> Tensor:
    """How many samples of its class come before each sample, whatever their order, int64 [N]."""
    of_class, order = labels.sort(stable=True)
    counts = torch.bincount(labels)
    first = counts.cumsum(0) - counts
    numbers = torch.empty_like(labels)
    numbers[order] = torch.arange(len(labels), device=labels.device) - first[of_class]
    return numbers


class _Part:
    """A fixed number of samples for each batch.

    Args:
        data: to choose from.
        count: samples per batch.
        seed: random seed of the order.
        groups: groups that are equally frequent in each part of the data, int64 [N]; None: any
            order.
    """

    def __init__(self, data: LabelledImages, count: int, seed: int, groups: Tensor | None) -> None:
        self._data = data
        self._order = make_order(
            (data.labels if groups is None else groups).cpu().numpy(),
            data.parts,
            count,
            seed,
            window=window_of(data.images.shape),
            balanced=groups is not None,
        )

    def batch(self, step: int) -> tuple[Tensor, Tensor]:
        """Images of batch `step`, uint8 [count, C, S, S], and their labels, int64 [count]."""
        indices = self._order.indices(step).to(self._data.labels.device, non_blocking=True)
        images = self._data.images.batch(self._order, step, indices)
        return images, self._data.labels.index_select(0, indices)
