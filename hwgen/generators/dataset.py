"""A generator of any kind as a torch Dataset."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from hwgen.data import to_float, to_tensor
from hwgen.errors import InputError
from hwgen.generators.samplers import Sampler
from hwgen.pixel_range import PixelRange
from hwgen.schema import check_seed


class GeneratedDataset(torch.utils.data.IterableDataset[tuple[Tensor, int]]):
    """A generator as an endless torch Dataset: items (x float32 [C, S, S], class id).

    Classes are drawn uniformly at random; no sample repeats. Each DataLoader worker has its own
    stream.

    Args:
        sampler: a loaded generator of any kind; on the CPU when there are workers.
        pixels: float values of paper and ink; 1 and 0 by default.
        seed: each seed gives another stream.
        batch: images at a time.

    Raises:
        InputError: the seed or the batch is out of range.
    """

    def __init__(
        self,
        sampler: Sampler,
        *,
        pixels: PixelRange | None = None,
        seed: int = 0,
        batch: int = 256,
    ) -> None:
        check_seed(seed)
        if batch < 1:
            raise InputError(f"the batch should be at least 1, found {batch}")
        self.sampler, self.seed, self.batch = sampler, seed, batch
        self.pixels = pixels or PixelRange(paper=1.0, ink=0.0)

    def __iter__(self) -> Iterator[tuple[Tensor, int]]:
        worker = torch.utils.data.get_worker_info()
        for number in itertools.count():
            # A seed for each batch: noise of a large index would have to be drawn from index 0.
            words = np.random.SeedSequence((self.seed, worker.id if worker else 0, number))
            seed = int(words.generate_state(1, np.uint64)[0] >> np.uint64(2))
            rng = np.random.default_rng(words)
            ids = rng.integers(len(self.sampler.charset), size=self.batch)
            images = self.sampler.sample(ids, seed=seed, batch=self.batch)
            x = to_float(to_tensor(images, torch.device("cpu")), self.pixels)
            yield from zip(x, ids.tolist(), strict=True)
