from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PilImage

from benchmarks.throughput import prepare
from hwgen.imaging.framing import Framing
from hwgen.sources.gnt import encode_record
from hwgen.store import Store


@pytest.fixture(scope="module")
def records() -> list[bytes]:
    rng = np.random.default_rng(0)
    labels = "一丁七A/"
    sizes = rng.integers(5, 40, (30, 2))
    return [
        encode_record(labels[n % 5], rng.integers(0, 256, tuple(size), np.uint8))
        for n, size in enumerate(sizes)
    ]


def test_both_implementations_read_the_same_pixels_and_labels(
    records: list[bytes], tmp_path: Path
) -> None:
    (file, other) = prepare.repeat(records, tmp_path / "gnt", 40, 20)
    ours = prepare.decoded(file.read_bytes())
    theirs = list(prepare.pycasia_samples(file))
    assert len(ours) == len(theirs) == 20
    for record, (image, label) in zip(ours, theirs, strict=True):
        assert record.label == label
        np.testing.assert_array_equal(record.image, image)
    assert file.read_bytes() != other.read_bytes()


def test_pycasia_saves_one_image_per_sample(records: list[bytes], tmp_path: Path) -> None:
    gnt = prepare.repeat(records, tmp_path / "gnt", 40, 20)
    assert prepare.pycasia(gnt, tmp_path / "out") == 40
    files = sorted((tmp_path / "out").rglob("*.jpg"))
    assert len(files) == 40
    with PilImage.open(files[0]) as image:
        assert image.mode == "L"


@pytest.mark.parametrize("framing", [Framing(16), Framing(12, stretch=True)])
def test_the_command_frames_every_record(
    records: list[bytes], tmp_path: Path, framing: Framing
) -> None:
    files = prepare.repeat(records, tmp_path / "gnt", 40, 20)
    run = prepare.run_command(files, tmp_path / "store", framing)
    assert run.payload == 40 * framing.size**2
    assert run.store > run.payload
    assert run.peak > 10_000
    images = [record.image for file in files for record in prepare.decoded(file.read_bytes())]
    np.testing.assert_array_equal(
        Store(tmp_path / "store").all_images(), framing.apply_batch(images)
    )


def test_a_command_that_fails_says_why(records: list[bytes], tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="no such file"):
        prepare.run_command([tmp_path / "none.gnt"], tmp_path / "store", Framing(16))


@pytest.mark.usefixtures("quick")
def test_a_row_has_all_numbers_of_records(records: list[bytes], tmp_path: Path) -> None:
    (row,) = prepare.measure(
        records,
        tmp_path,
        framing=Framing(16),
        counts=(20, 60),
        per_file=10,
        compared=20,
        runs=1,
    )
    assert set(row["ways"]) == {"PyCasia", "hwgen, 20", "hwgen, 60"}
    assert row["ways"]["hwgen, 60"]["work"] == 60
    assert (row["baseline"], row["fast"]) == ("PyCasia", "hwgen, 60")
    assert [size["records"] for size in row["growth"]] == [20, 60]
    assert all(size["peak_mib_of_all_processes"] > 10 for size in row["growth"])
    assert {"read warm", "resize, one core", "write, synced"} <= set(row["limits"])


def test_records_are_read_from_folders(records: list[bytes], tmp_path: Path) -> None:
    (tmp_path / "1.gnt").write_bytes(b"".join(records))
    assert prepare.encoded_records([tmp_path]) == records
