import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hwgen.charset import Charset
from hwgen.data import (
    Balanced,
    Batches,
    Shuffled,
    StoreDataset,
    average_down,
    to_float,
    to_images,
    to_tensor,
    to_uint8,
)
from hwgen.errors import InputError, StoreError
from hwgen.pixel_range import PixelRange
from hwgen.record import Record
from hwgen.store import Store, StoreWriter

CPU = torch.device("cpu")
RANGES = [PixelRange(1.0, 0.0), PixelRange(-1.0, 1.0), PixelRange(0.0, 1.0), PixelRange(1.0, -1.0)]


@pytest.mark.parametrize(("free", "window"), [(0, 512), (1 << 40, 512), (1 << 40, 1 << 30)])
def test_batches_pair_pictures_with_their_classes(
    toy_store: Store, monkeypatch: pytest.MonkeyPatch, free: int, window: int
) -> None:
    monkeypatch.setattr("hwgen.data.image_sets._free_bytes", lambda device: free)
    monkeypatch.setattr("hwgen.data.image_sets.WINDOW_BYTES", window)
    pixels = PixelRange(-1.0, 1.0)
    made = Batches([toy_store], size=8, pixels=pixels, batch=7, seed=5, device=CPU)
    for step in (0, 4, 1):
        x, y = made.batch(step)
        numbers = Shuffled(30, 7, 5, window=window // 64).indices(step).numpy()
        assert x.shape == (7, 1, 8, 8)
        assert y.dtype == torch.int64
        assert y.tolist() == toy_store.labels[numbers].tolist()
        small = average_down(to_tensor(toy_store.images(numbers), CPU), 8)
        assert torch.equal(x, to_float(small, pixels))


@pytest.mark.parametrize("free", [0, 1 << 40])
def test_balanced_batches_too_are_resident_or_streamed(
    toy_store: Store, monkeypatch: pytest.MonkeyPatch, free: int
) -> None:
    monkeypatch.setattr("hwgen.data.image_sets._free_bytes", lambda device: free)
    monkeypatch.setattr("hwgen.data.image_sets.WINDOW_BYTES", 512)
    options: dict[str, Any] = {"size": 8, "pixels": RANGES[1], "batch": 7, "seed": 5}
    made = Batches([toy_store], **options, device=CPU, balanced=True)
    for step in (0, 4, 1):
        x, y = made.batch(step)
        numbers = Balanced(toy_store.labels, 7, 5).indices(step).numpy()
        assert y.tolist() == toy_store.labels[numbers].tolist()
        small = average_down(to_tensor(toy_store.images(numbers), CPU), 8)
        assert torch.equal(x, to_float(small, RANGES[1]))


def test_a_process_may_take_its_share_of_each_batch(toy_store: Store) -> None:
    pixels = PixelRange(-1.0, 1.0)
    options: dict[str, Any] = {"size": 8, "pixels": pixels, "batch": 6, "seed": 5, "device": CPU}
    x, y = Batches([toy_store], **options).batch(3)
    shared = Batches([toy_store], **options, local_slice=lambda all_: all_[2:4])
    shared_x, shared_y = shared.batch(3)
    assert torch.equal(shared_x, x[2:4])
    assert torch.equal(shared_y, y[2:4])


@pytest.mark.parametrize("balanced", [False, True])
def test_batches_of_several_stores_have_equal_parts_of_each(
    toy_store: Store, tmp_path: Path, balanced: bool
) -> None:
    with StoreWriter(tmp_path / "other", size=16, recipe={}) as writer:
        for number in range(5):
            writer.add(Record(np.full((16, 16), 50 * number, np.uint8), "口", "", "", number))
        other = writer.finish(charset=Charset(("口",)), origin={})
    options: dict[str, Any] = {"size": 16, "pixels": RANGES[1], "seed": 5, "device": CPU}
    options["balanced"] = balanced
    records = [None, np.array([1, 3])]
    made = Batches([toy_store, other], batch=6, records=records, **options)
    alone = Batches([toy_store], batch=3, **options)
    for step in (0, 3):
        x, y = made.batch(step)
        ours, labels = alone.batch(step)
        assert torch.equal(x[:3], ours)
        assert y.tolist() == [*labels.tolist(), 3, 3, 3]  # classes are numbered on
        greys = ((x[3:, 0, 0, 0] + 1) * 127.5).round().int().tolist()
        assert set(greys) <= {255 - 50, 255 - 150}  # ink is 1
    part = Batches(
        [toy_store, other], batch=6, records=records, local_slice=lambda rows: rows[2:4], **options
    )
    assert part.batch(3)[1].tolist() == y[2:4].tolist()


def test_batches_of_too_small_a_store_are_refused(toy_store: Store) -> None:
    with pytest.raises(InputError, match="--size 17"):
        Batches([toy_store], size=17, pixels=RANGES[0], batch=2, seed=0, device=CPU).batch(0)


def test_a_dataset_gives_pil_images_and_class_ids(toy_store: Store) -> None:
    dataset = StoreDataset(str(toy_store.path))
    image, target = dataset[4]
    assert (image.mode, image.size, target) == ("L", (16, 16), 1)
    np.testing.assert_array_equal(np.asarray(image), toy_store.images([4])[0])
    assert len(dataset) == 30
    assert np.array_equal(dataset[-1][0], dataset[29][0])
    assert StoreDataset(toy_store, size=8)[0][0].size == (8, 8)
    assert dataset.classes == ["一", "丨", "十"]
    assert dataset.class_to_idx == {"一": 0, "丨": 1, "十": 2}
    assert dataset.targets == [0, 1, 2] * 10
    for outside in (30, -31):
        with pytest.raises(IndexError, match="the store has 30"):
            dataset[outside]


def test_a_colour_store_gives_rgb_images(tmp_path: Path) -> None:
    with StoreWriter(tmp_path / "s", size=4, channels=3, recipe={}) as writer:
        writer.add(Record(np.full((4, 4, 3), (250, 2, 1), np.uint8), "a", "", "", 0))
        store = writer.finish(charset=Charset(("a",)), origin={})
    image, _ = StoreDataset(store)[0]
    assert (image.mode, image.getpixel((0, 0))) == ("RGB", (250, 2, 1))


def test_transforms_change_images_and_targets(toy_store: Store) -> None:
    dataset = StoreDataset(toy_store, np.asarray, lambda target: 10 * target)
    image, target = dataset[5]
    assert (image.shape, target) == ((16, 16), 20)
    assert dataset.targets[5] == 2  # as torchvision's, before the transform
    tensors = StoreDataset(toy_store, transform=torch.Tensor.mean, pixels=RANGES[0])
    assert tensors[5][0] == pytest.approx(float(image.mean()) / 255, abs=1e-6)


def test_a_dataset_shows_what_it_is(toy_store: Store) -> None:
    shown = repr(StoreDataset(toy_store, transform=len))
    assert shown == f"StoreDataset\n    {toy_store}\n    transform: <built-in function len>"


def test_pixels_give_floats(toy_store: Store) -> None:
    dataset = StoreDataset(toy_store, pixels=RANGES[0])
    x, y = dataset[4]
    assert x.shape == (1, 16, 16)
    assert y == 1
    np.testing.assert_array_equal(to_uint8(x, RANGES[0])[0], toy_store.images([4])[0])
    assert StoreDataset(toy_store, size=8, pixels=RANGES[1])[0][0].shape == (1, 8, 8)
    assert StoreDataset(toy_store, pixels=RANGES[1])[0][0].min() < 0


def test_pixels_are_those_of_torchvision_s_transform(toy_store: Store) -> None:
    v2 = pytest.importorskip("torchvision.transforms.v2")
    transform = v2.Compose([v2.ToImage(), v2.ToDtype(torch.float32, scale=True)])
    by_pil = StoreDataset(toy_store, transform=transform)
    by_batch = StoreDataset(toy_store, pixels=PixelRange(paper=1.0, ink=0.0))
    for number in (0, 7, -1):
        assert torch.allclose(by_pil[number][0], by_batch[number][0], atol=1e-6)


def test_what_is_no_store_is_refused(toy_store: Store, tmp_path: Path) -> None:
    (tmp_path / "images" / "一").mkdir(parents=True)
    (tmp_path / "images" / "一" / "1.png").touch()
    with pytest.raises(StoreError, match=r"hwgen prepare-images .*images --out STORE"):
        StoreDataset(tmp_path / "images")
    with pytest.raises(InputError, match=r"expected a store or its path, found list.*Give a path"):
        StoreDataset([toy_store])  # type: ignore[arg-type]


@pytest.mark.parametrize("size", [16, 5])
def test_items_fetched_together_are_those_fetched_one_by_one(toy_store: Store, size: int) -> None:
    dataset = StoreDataset(toy_store, size=size, pixels=RANGES[1])
    together = dataset.__getitems__([7, 0, 29, -23])
    for (x, y), index in zip(together, (7, 0, 29, 7), strict=True):
        assert torch.equal(x, dataset[index][0])
        assert y == dataset[index][1] == toy_store.labels[index]
    with pytest.raises(IndexError):
        dataset.__getitems__([0, 30])


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
@pytest.mark.parametrize("pixels", [RANGES[0], None])
def test_a_data_loader_with_forked_workers_reads_every_record_once(
    toy_store: Store, pixels: PixelRange | None
) -> None:
    transform = None if pixels else _as_floats
    dataset = StoreDataset(toy_store, transform, pixels=pixels)
    dataset[0]  # the parent has the store open, and the children must not use that
    loader = torch.utils.data.DataLoader(
        dataset, batch_size=8, num_workers=2, multiprocessing_context="fork"
    )
    found = list(loader)
    assert torch.cat([y for _, y in found]).tolist() == toy_store.labels.tolist()
    x = to_uint8(torch.cat([x for x, _ in found]), RANGES[0])
    np.testing.assert_array_equal(to_images(x), toy_store.all_images())


def _as_floats(image: Any) -> torch.Tensor:
    return torch.from_numpy(np.asarray(image, np.float32) / 255)[None]


def test_a_dataset_can_be_pickled(toy_store: Store) -> None:
    dataset = StoreDataset(toy_store, _as_floats)
    again = pickle.loads(pickle.dumps(dataset))
    assert torch.equal(again[3][0], dataset[3][0])
