import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hwgen import batches
from hwgen.batches import (
    Batches,
    ResidentPictures,
    Shuffled,
    StoreDataset,
    StreamedPictures,
    average_down,
    pictures,
    to_float,
    to_images,
    to_tensor,
    to_uint8,
)
from hwgen.errors import InputError
from hwgen.presets import PixelRange
from hwgen.record import Record
from hwgen.store import Store, StoreWriter

CPU = torch.device("cpu")
RANGES = [PixelRange(1.0, 0.0), PixelRange(-1.0, 1.0), PixelRange(0.0, 1.0), PixelRange(1.0, -1.0)]


@pytest.fixture(scope="module")
def colour_store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    rng = np.random.default_rng(0)
    path = tmp_path_factory.mktemp("colour") / "store"
    with StoreWriter(path, size=8, channels=3, recipe={}) as writer:
        for n in range(3):
            image = rng.integers(0, 256, (8, 8, 3), np.uint8)
            writer.add(Record(image, "ab"[n % 2], "", "", n))
        return writer.finish(origin={})


@pytest.mark.parametrize("pixels", RANGES, ids=str)
def test_all_grey_values_return_from_floats(pixels: PixelRange) -> None:
    grey = torch.arange(256, dtype=torch.uint8)
    x = to_float(grey, pixels)
    assert x.dtype == torch.float32
    torch.testing.assert_close(x[255].item(), pixels.paper)
    torch.testing.assert_close(x[0].item(), pixels.ink)
    assert (x.diff() > 0).all() == (pixels.paper > pixels.ink)
    assert torch.equal(to_uint8(x, pixels), grey)
    assert grey[255] == 255  # the input is left alone


def test_floats_beyond_the_range_are_clipped_and_others_rounded() -> None:
    x = torch.tensor([-0.2, 1.3, 0.4999 / 255, 1.501 / 255])
    assert to_uint8(x, PixelRange(1.0, 0.0)).tolist() == [0, 255, 0, 2]


@pytest.mark.parametrize("factor", [2, 4])
def test_averaging_by_a_whole_factor_is_the_block_mean(factor: int) -> None:
    images = np.random.default_rng(0).integers(0, 256, (3, 1, 16, 16), np.uint8)
    side = 16 // factor
    mean = images.reshape(3, 1, side, factor, side, factor).astype(float).mean(axis=(3, 5))
    small = average_down(torch.from_numpy(images), side).numpy()
    assert small.dtype == np.uint8
    np.testing.assert_array_equal(small, np.rint(mean))


def test_averaging_by_a_broken_factor_takes_every_pixel_that_is_touched() -> None:
    images = np.random.default_rng(1).integers(0, 256, (2, 3, 64, 64), np.uint8)
    small = average_down(torch.from_numpy(images), 28).numpy()
    edges = [(i * 64 // 28, -(-(i + 1) * 64 // 28)) for i in range(28)]
    for row, (top, bottom) in enumerate(edges):
        for column, (left, right) in enumerate(edges):
            mean = images[:, :, top:bottom, left:right].mean(axis=(2, 3))
            assert np.abs(small[:, :, row, column] - mean).max() <= 0.5001


def test_equal_size_is_left_alone_and_smaller_refused() -> None:
    images = torch.zeros(1, 1, 8, 8, dtype=torch.uint8)
    assert average_down(images, 8) is images
    with pytest.raises(InputError, match=r"8 pixels, 9 are needed.*--size 9"):
        average_down(images, 9)


@pytest.mark.parametrize("shape", [(2, 5, 5), (2, 5, 5, 3)])
def test_tensors_and_images_are_inverse(shape: tuple[int, ...]) -> None:
    images = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    tensor = to_tensor(images, CPU)
    assert tensor.shape == (2, 1 if len(shape) == 3 else 3, 5, 5)
    np.testing.assert_array_equal(to_images(tensor), images)
    if len(shape) == 4:
        np.testing.assert_array_equal(tensor[1, 2].numpy(), images[1, :, :, 2])


@pytest.mark.parametrize(("count", "batch"), [(10, 3), (10, 10), (7, 16), (1, 2)])
def test_each_epoch_is_a_permutation(count: int, batch: int) -> None:
    order = Shuffled(count, batch, seed=3)
    steps = -(-5 * count // batch)
    stream = torch.cat([order.indices(step) for step in range(steps)])
    assert len(stream) == steps * batch
    epochs = stream[: 5 * count].reshape(5, count)
    assert torch.equal(epochs.sort().values, torch.arange(count).expand(5, -1))
    if count > 5:
        assert len({tuple(epoch.tolist()) for epoch in epochs}) == 5


def test_a_batch_does_not_depend_on_those_before_it() -> None:
    walked = Shuffled(10, 4, seed=0)
    expected = [walked.indices(step) for step in range(20)]
    for step in (19, 2, 7, 0, 12):
        assert torch.equal(Shuffled(10, 4, seed=0).indices(step), expected[step])
        assert torch.equal(walked.indices(step), expected[step])
    crossing = walked.indices(2)  # records 8 ... 11: two of epoch 0, two of epoch 1
    assert torch.equal(
        torch.cat([expected[0], expected[1], crossing[:2]]).sort().values, torch.arange(10)
    )


def test_seeds_give_other_orders_and_nothing_gives_an_error() -> None:
    assert not torch.equal(Shuffled(50, 50, 0).indices(0), Shuffled(50, 50, 1).indices(0))
    with pytest.raises(InputError, match="empty"):
        Shuffled(0, 4, 0)


@pytest.mark.parametrize("size", [16, 8, 7])
def test_resident_and_streamed_pictures_are_the_same(toy_store: Store, size: int) -> None:
    indices = torch.tensor([29, 0, 5, 5])
    resident = ResidentPictures(toy_store, size, CPU)
    streamed = StreamedPictures(toy_store, size, CPU)
    assert len(resident) == len(streamed) == 30
    assert torch.equal(resident.gather(indices), streamed.gather(indices))
    assert resident.gather(indices).shape == (4, 1, size, size)


def test_colour_is_kept_in_its_channels(colour_store: Store) -> None:
    indices = torch.tensor([2, 0])
    for kind in (ResidentPictures, StreamedPictures):
        found = kind(colour_store, 8, CPU).gather(indices)
        np.testing.assert_array_equal(to_images(found), colour_store.images([2, 0]))


@pytest.mark.parametrize(
    ("free", "kind"), [(2 * 30 * 64, ResidentPictures), (2 * 30 * 64 - 1, StreamedPictures)]
)
def test_a_set_is_resident_where_half_of_the_free_memory_holds_it(
    toy_store: Store, monkeypatch: pytest.MonkeyPatch, free: int, kind: type
) -> None:
    monkeypatch.setattr(batches, "_free_bytes", lambda device: free)
    assert isinstance(pictures(toy_store, 8, CPU), kind)


def test_free_memory_is_assumed_where_it_is_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    assert batches._free_bytes(CPU) > 0

    def absent(name: str) -> Iterator[str]:
        raise FileNotFoundError(name)

    monkeypatch.setattr("builtins.open", absent)
    assert batches._free_bytes(CPU) == 8 << 30


@pytest.mark.parametrize("free", [0, 1 << 40])
def test_batches_pair_pictures_with_their_classes(
    toy_store: Store, monkeypatch: pytest.MonkeyPatch, free: int
) -> None:
    monkeypatch.setattr(batches, "_free_bytes", lambda device: free)
    pixels = PixelRange(-1.0, 1.0)
    made = Batches(toy_store, size=8, pixels=pixels, batch=7, seed=5, device=CPU)
    for step in (0, 4, 1):
        x, y = made.batch(step)
        numbers = Shuffled(30, 7, 5).indices(step).numpy()
        assert x.shape == (7, 1, 8, 8)
        assert y.dtype == torch.int64
        assert y.tolist() == toy_store.labels[numbers].tolist()
        small = average_down(to_tensor(toy_store.images(numbers), CPU), 8)
        assert torch.equal(x, to_float(small, pixels))


def test_a_process_may_take_its_share_of_each_batch(toy_store: Store) -> None:
    pixels = PixelRange(-1.0, 1.0)
    options: dict[str, Any] = {"size": 8, "pixels": pixels, "batch": 6, "seed": 5, "device": CPU}
    x, y = Batches(toy_store, **options).batch(3)
    shared_x, shared_y = Batches(toy_store, **options, share=lambda all_: all_[2:4]).batch(3)
    assert torch.equal(shared_x, x[2:4])
    assert torch.equal(shared_y, y[2:4])


def test_batches_of_too_small_a_store_are_refused(toy_store: Store) -> None:
    with pytest.raises(InputError, match="--size 17"):
        Batches(toy_store, size=17, pixels=RANGES[0], batch=2, seed=0, device=CPU).batch(0)


def test_a_dataset_gives_floats_and_class_ids(toy_store: Store) -> None:
    dataset = StoreDataset(toy_store)
    x, y = dataset[4]
    assert len(dataset) == 30
    assert x.shape == (1, 16, 16)
    assert y == 1
    np.testing.assert_array_equal(to_uint8(x, dataset.pixels)[0], toy_store.images([4])[0])
    assert StoreDataset(toy_store, size=8, pixels=RANGES[1])[0][0].shape == (1, 8, 8)
    assert StoreDataset(toy_store, pixels=RANGES[1])[0][0].min() < 0
    for outside in (30, -1):
        with pytest.raises(IndexError):
            dataset[outside]


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_data_loader_with_forked_workers_reads_every_record_once(toy_store: Store) -> None:
    dataset = StoreDataset(toy_store)
    dataset[0]  # the parent has the store open, and the children must not use that
    loader = torch.utils.data.DataLoader(
        dataset, batch_size=8, num_workers=2, multiprocessing_context="fork"
    )
    found = list(loader)
    assert torch.cat([y for _, y in found]).tolist() == toy_store.labels.tolist()
    x = to_uint8(torch.cat([x for x, _ in found]), dataset.pixels)
    np.testing.assert_array_equal(to_images(x), toy_store.all_images())


def test_a_dataset_can_be_pickled(toy_store: Store, tmp_path: Path) -> None:
    dataset = StoreDataset(toy_store)
    again = pickle.loads(pickle.dumps(dataset))
    assert torch.equal(again[3][0], dataset[3][0])
