import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from hwgen.charset import Charset, gb2312_level1
from hwgen.errors import BadRecordError, InputError, StoreError
from hwgen.imaging.framing import Framing
from hwgen.imaging.ink import Ink, Trajectory
from hwgen.prepare import PrepareOptions, prepare_pot
from hwgen.progress import Control
from hwgen.sources.pot import encode_trajectory
from hwgen.sources.writer_selection import WriterSelection
from hwgen.store import Store, is_store

INK = Ink(Framing(16), seed=3)


def strokes(seed: int) -> list[list[tuple[int, int]]]:
    rng = np.random.default_rng(seed)
    return [[tuple(p) for p in rng.integers(0, 300, (6, 2)).tolist()] for _ in range(3)]


def points(seed: int) -> np.ndarray:
    return np.array([p for stroke in strokes(seed) for p in (*stroke, (-1, 0))], np.int16)


@pytest.fixture
def pots(tmp_path: Path) -> Path:
    """Three writers of 一丁七 each, 1001 to 1003."""
    folder = tmp_path / "pots"
    folder.mkdir()
    for writer in range(3):
        records = [encode_trajectory(c, strokes(3 * writer + n)) for n, c in enumerate("一丁七")]
        (folder / f"{1001 + writer}-c.pot").write_bytes(b"".join(records))
    return folder


def test_characters_arrive_drawn_with_label_writer_and_offset(pots: Path, tmp_path: Path) -> None:
    report = prepare_pot([pots], tmp_path / "store", ink=INK)
    store = Store(tmp_path / "store")
    records = [store.record(n) for n in range(len(store))]
    assert [record.label for record in records] == list("一丁七") * 3
    assert [record.writer for record in records] == ["1001"] * 3 + ["1002"] * 3 + ["1003"] * 3
    assert records[4].source == "pots/1002-c.pot"
    size = len(encode_trajectory("一", strokes(0)))
    assert [record.position for record in records[:3]] == [0, size, 2 * size]
    for n, record in enumerate(records):
        drawn = INK.apply(Trajectory(points(n), "", "", "", 0))
        np.testing.assert_array_equal(record.image, drawn)
    assert (report.records, report.writers, report.bad_records) == (9, 3, [])


def test_the_store_says_that_its_ink_was_drawn_and_how(pots: Path, tmp_path: Path) -> None:
    prepare_pot([pots], tmp_path / "store", ink=INK, writers=WriterSelection("1001-1002"))
    store = Store(tmp_path / "store")
    origin = store.manifest.origin
    assert origin["kind"] == "ink"
    assert origin["ink"] == INK.to_json()
    assert origin["framing"] == INK.framing.to_json()
    assert origin["writers"]["named"] == "1001-1002"
    assert [file["name"] for file in origin["files"]] == ["pots/1001-c.pot", "pots/1002-c.pot"]
    assert str(tmp_path) not in json.dumps(origin)
    assert not store.is_synthetic


def test_held_out_writers_make_two_stores_without_a_common_writer(
    pots: Path, tmp_path: Path
) -> None:
    for part in ("train", "test"):
        choice = WriterSelection(held_out=0.3, split=part)  # type: ignore[arg-type]
        prepare_pot([pots], tmp_path / part, ink=INK, writers=choice)
    train, test = Store(tmp_path / "train"), Store(tmp_path / "test")
    assert (len(train), len(test)) == (6, 3)
    assert not train.writers & test.writers
    assert train.writers | test.writers == {"1001", "1002", "1003"}


def test_a_character_is_the_same_image_in_every_store(pots: Path, tmp_path: Path) -> None:
    prepare_pot([pots], tmp_path / "all", ink=INK)
    choice = WriterSelection("1002")
    prepare_pot(
        [pots],
        tmp_path / "one",
        ink=INK,
        writers=choice,
        options=PrepareOptions(charset=Charset(("七",)), workers=1),
    )
    zipped = tmp_path / "pots.zip"
    with zipfile.ZipFile(zipped, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(pots / "1002-c.pot", "in/1002-c.pot")
    prepare_pot([zipped], tmp_path / "zip", ink=INK)
    (one,) = Store(tmp_path / "one").all_images()
    np.testing.assert_array_equal(one, Store(tmp_path / "all").record(5).image)
    np.testing.assert_array_equal(one, Store(tmp_path / "zip").record(2).image)


def test_workers_make_the_store_that_one_process_makes(pots: Path, tmp_path: Path) -> None:
    more = [encode_trajectory("一丁七"[n % 3], strokes(n)) for n in range(1200)]
    (pots / "1004-c.pot").write_bytes(b"".join(more))
    for workers in (1, 2, 3):
        prepare_pot(
            [pots], tmp_path / str(workers), ink=INK, options=PrepareOptions(workers=workers)
        )
    one, two, three = (Store(tmp_path / str(n)) for n in (1, 2, 3))
    assert one.manifest == two.manifest == three.manifest
    np.testing.assert_array_equal(one.all_images(), two.all_images())


def test_every_loss_is_named_and_strict_stops_there(pots: Path, tmp_path: Path) -> None:
    file = pots / "1002-c.pot"
    data = bytearray(file.read_bytes())
    size = len(data) // 3
    data[size + 2 : size + 4] = b"\xff\xff"
    file.write_bytes(data[:-5])
    report = prepare_pot([pots], tmp_path / "store", ink=INK)
    assert (report.records, report.bytes_lost) == (7, 2 * size - 5)
    assert [bad.kind for bad in report.bad_records] == ["unreadable tag", "cut short"]
    assert [file.bad for file in report.files] == [0, 2, 0]
    for workers in (1, 2):
        with pytest.raises(BadRecordError, match=rf"pots/1002-c\.pot@{size}: expected the GB code"):
            prepare_pot(
                [pots],
                tmp_path / "strict",
                ink=INK,
                options=PrepareOptions(strict=True, workers=workers),
            )
        assert not is_store(tmp_path / "strict")


def test_what_cannot_be_used_is_said(pots: Path, tmp_path: Path) -> None:
    out = tmp_path / "store"
    with pytest.raises(InputError, match="none of the 9 records is in the charset"):
        prepare_pot([pots], out, ink=INK, options=PrepareOptions(charset=Charset(("万",))))
    with pytest.raises(InputError, match="no writer '7'"):
        prepare_pot([pots], out, ink=INK, writers=WriterSelection("7"))
    (tmp_path / "a.png").write_bytes(b"\x89PNG")
    with pytest.raises(InputError, match="is not a POT file: it contains images"):
        prepare_pot([tmp_path / "a.png"], out, ink=INK)
    with pytest.raises(StoreError, match="stopped before the end"):
        prepare_pot([pots], out, ink=INK, control=Control(stop=lambda: True))
    assert not out.exists()


def test_real_writers_give_all_classes(shared_data: Path, tmp_path: Path) -> None:
    report = prepare_pot(
        [shared_data / "olhwdb"],
        tmp_path / "store",
        ink=Ink(Framing(16)),
        writers=WriterSelection("1001-1002"),
        options=PrepareOptions(charset=gb2312_level1(), workers=1),
    )
    assert (report.records, report.writers, report.bad_records) == (7502, 2, [])
    assert (report.classes, report.empty_classes, report.left_out) == (3755, [], {})
    means = Store(tmp_path / "store").all_images().mean((1, 2))
    assert 128 < means.min() < means.max() < 250  # ink on paper in every one
