import itertools
from typing import Any

import numpy as np
import pytest
import torch

from hwgen.charset import Charset
from hwgen.errors import InputError
from hwgen.generators.base import load_generator
from hwgen.generators.dataset import GeneratedDataset
from hwgen.generators.samplers import ids_and_indices
from hwgen.pixel_range import PixelRange


class Toy:
    """Images that show seed, class and index."""

    charset = Charset(("一", "丨", "十"))

    def sample(
        self, labels: Any, indices: Any = None, *, seed: int = 0, batch: int = 512
    ) -> np.ndarray:
        ids, numbers = ids_and_indices(self.charset, labels, indices)
        draws = [np.random.default_rng((seed, *one)) for one in zip(ids, numbers, strict=True)]
        return np.stack([rng.integers(256, size=(8, 8), dtype=np.uint8) for rng in draws])


def take(sampler: Any, count: int, **options: Any) -> list[tuple[torch.Tensor, int]]:
    return list(itertools.islice(GeneratedDataset(sampler, batch=8, **options), count))


def test_an_endless_dataset_is_labelled_varied_and_repeatable() -> None:
    items = take(Toy(), 50)
    assert all(x.shape == (1, 8, 8) and 0 <= x.min() <= x.max() <= 1 for x, _ in items)
    assert {y for _, y in items} == {0, 1, 2}
    assert len({x.numpy().tobytes() for x, _ in items}) == 50
    again = take(Toy(), 50)
    assert all(torch.equal(a[0], b[0]) for a, b in zip(items, again, strict=True))
    assert not torch.equal(items[0][0], take(Toy(), 1, seed=1)[0][0])


def test_pixels_have_the_wanted_range() -> None:
    (plain, _), (turned, _) = take(Toy(), 1)[0], take(Toy(), 1, pixels=PixelRange(0.0, 1.0))[0]
    torch.testing.assert_close(turned, 1 - plain)


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_each_worker_has_a_stream_of_its_own() -> None:
    dataset = GeneratedDataset(Toy(), batch=8)  # type: ignore[arg-type]
    loader = torch.utils.data.DataLoader(
        dataset, batch_size=8, num_workers=2, multiprocessing_context="fork"
    )
    batches = iter(loader)
    (first, labels), (second, _) = next(batches), next(batches)
    assert first.shape == (8, 1, 8, 8)
    assert labels.dtype == torch.int64
    assert not torch.equal(first, second)
    del batches


def test_the_simulator_is_a_dataset_too() -> None:
    sampler = load_generator("simulated")
    items = take(sampler, 9)
    assert all(x.shape == (1, sampler.size, sampler.size) for x, _ in items)
    assert all(0 <= y < len(sampler.charset) for _, y in items)


@pytest.mark.parametrize("options", [{"seed": -1}, {"batch": 0}])
def test_numbers_out_of_range_are_refused(options: dict[str, int]) -> None:
    with pytest.raises(InputError, match="should be"):
        GeneratedDataset(Toy(), **options)  # type: ignore[arg-type]
