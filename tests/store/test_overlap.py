"""The same scans are recognised at every size and framing, and others with like names are not."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PilImage

from hwgen.errors import InputError
from hwgen.imaging.framing import Framing
from hwgen.prepare import PrepareOptions, prepare_gnt, prepare_images
from hwgen.recogniser.store_checks import check_separate, check_unseen
from hwgen.record import Image
from hwgen.sources.gnt import write_gnt
from hwgen.store import Store
from hwgen.store.overlap import SAMPLE, sample, seen_records, shared_records

LABELS = "一丁七万丈"
SIZES = [Framing(16), Framing(64), Framing(24, stretch=True), Framing(40, margin=0)]


def scan(seed: int) -> Image:
    """A few strokes of the width of a pen."""
    rng = np.random.default_rng(seed)
    image = np.full((60, 48), 255, np.uint8)
    for _ in range(5):
        (top, left), thick = rng.integers(0, 40, 2), rng.integers(4, 9)
        if rng.random() < 0.5:
            image[top : top + thick, left : left + 30] = rng.integers(0, 90)
        else:
            image[top : top + 30, left : left + thick] = rng.integers(0, 90)
    return image


def scans(folder: Path, seed: int, per_class: int = 8) -> list[Path]:
    """GNT files of two writers; other seeds have the same names, labels, sizes and offsets."""
    folder.mkdir()
    for writer in range(2):
        records = [
            (label, scan(1000 * seed + 100 * writer + 10 * n + k))
            for n in range(per_class)
            for k, label in enumerate(LABELS)
        ]
        write_gnt(folder / f"{writer:03d}-f.gnt", records)
    return sorted(folder.glob("*.gnt"))


def prepared(files: list[Path], out: Path, framing: Framing, limit: int | None = None) -> Store:
    options = PrepareOptions(limit=limit, workers=1)
    prepare_gnt(files, out, framing=framing, options=options)
    return Store(out)


@pytest.mark.parametrize("framing", SIZES, ids=str)
def test_the_same_scans_are_recognised_at_any_size(tmp_path: Path, framing: Framing) -> None:
    a = prepared(scans(tmp_path / "raw", 0), tmp_path / "a", Framing(32))
    moved = (tmp_path / "raw").rename(tmp_path / "elsewhere")
    b = prepared(sorted(moved.glob("*.gnt")), tmp_path / "b", framing, limit=5)
    assert a.manifest.content_sha256 != b.manifest.content_sha256
    assert shared_records(a, b) == shared_records(b, a) == len(b) == 25
    assert seen_records(b, sample(a)) > 15
    with pytest.raises(InputError, match=r"a: 25 of its 80 samples are in the test store too"):
        check_separate(a, b, of="the test store")
    with pytest.raises(InputError, match="contains exactly the samples of it"):
        check_separate(a, a, of="it")
    with pytest.raises(InputError, match="was trained on records of this store, at whatever size"):
        check_unseen(b, {"records": sample(a)}, by="the recogniser")


@pytest.mark.parametrize("framing", SIZES, ids=str)
def test_other_scans_of_the_same_names_are_others(tmp_path: Path, framing: Framing) -> None:
    a = prepared(scans(tmp_path / "one", 0), tmp_path / "a", Framing(32))
    b = prepared(scans(tmp_path / "two", 1), tmp_path / "b", framing)
    assert shared_records(a, b) == seen_records(b, sample(a)) == 0
    check_separate(a, b, of="it")
    check_unseen(b, {"records": sample(a)}, by="the recogniser")


def test_folders_of_images_of_the_same_names(tmp_path: Path) -> None:
    for name, seed in (("one", 0), ("two", 900)):
        for k, label in enumerate(LABELS):
            folder = tmp_path / name / "images" / label
            folder.mkdir(parents=True)
            for n in range(4):
                PilImage.fromarray(scan(seed + 10 * k + n)).save(folder / f"{n}.png")
    stores = []
    for out, name, framing in (
        ("a", "one", Framing(32)),
        ("b", "one", Framing(48)),
        ("c", "two", Framing(32)),
    ):
        prepare_images([tmp_path / name / "images"], tmp_path / out, framing=framing, channels=1)
        stores.append(Store(tmp_path / out))
    a, b, c = stores
    assert (shared_records(a, b), shared_records(a, c)) == (20, 0)


def test_a_sample_is_small_and_the_same_always(tmp_path: Path) -> None:
    files = scans(tmp_path / "raw", 0, per_class=40)
    store = prepared(files, tmp_path / "a", Framing(16))
    assert len(store) > SAMPLE == len(sample(store))
    assert sample(store) == sample(store)


@pytest.mark.parametrize("wrong", [[], [None], ["x"], [3, {}], ["g" * 32], ["0" * 31]])
def test_what_is_no_sample_is_ignored(tmp_path: Path, wrong: list[object]) -> None:
    store = prepared(scans(tmp_path / "raw", 0, per_class=1), tmp_path / "a", Framing(16))
    assert seen_records(store, wrong) == 0
