import threading
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as PilImage

from hwgen.charset import Charset
from hwgen.errors import BadRecordError, InputError, StoreError
from hwgen.exports.export import export_store
from hwgen.imaging.framing import Framing
from hwgen.prepare import PrepareOptions, image_rendering, prepare_images
from hwgen.prepare.image_rendering import Renderer, render_images
from hwgen.prepare.report import look_alike
from hwgen.progress import Control
from hwgen.record import BadRecord, Record
from hwgen.sources.images.collection import EncodedImage
from hwgen.store import Store, StoreWriter, partial_path
from tests.image_files import encoded, photo, put, write_lsun, write_photos, zipped

STRETCH = Framing(8, stretch=True)


def assert_nothing_at(path: Path) -> None:
    assert not path.exists()
    assert not partial_path(path).exists()


def test_a_zip_makes_the_same_images(tmp_path: Path) -> None:
    root = write_photos(tmp_path)
    archive = zipped(root, tmp_path / "p.zip")
    for name, path in (("folder", root), ("zip", archive)):
        prepare_images([path], tmp_path / name, framing=STRETCH)
    one, two = Store(tmp_path / "folder"), Store(tmp_path / "zip")
    np.testing.assert_array_equal(one.all_images(), two.all_images())
    np.testing.assert_array_equal(one.labels, two.labels)
    assert two.record(0).source == "p.zip!photos/cat"


def test_categories_are_classes(tmp_path: Path) -> None:
    folders = [
        write_lsun(tmp_path / "bedroom_train_lmdb", 5),
        write_lsun(tmp_path / "tower_train_lmdb", 3),
    ]
    prepare_images(folders, tmp_path / "s", framing=STRETCH)
    store = Store(tmp_path / "s")
    assert store.charset.labels == ("bedroom", "tower")
    assert store.manifest.class_counts == [5, 3]
    assert store.manifest.tables["sources"] == ["bedroom_train_lmdb", "tower_train_lmdb"]
    assert store.record(4).position == 4


def spoilt(tmp_path: Path) -> Path:
    """The photographs with four that are none: cut, empty, text, huge."""
    root = write_photos(tmp_path)
    put(root / "cat" / "2.jpg", encoded(photo(4, 90, 90), "JPEG")[:-900])
    put(root / "cat" / "3.png", b"")
    put(root / "dog" / "1.png", b"text")
    huge = np.zeros((4100, 4100), np.uint8)
    put(root / "dog" / "2.png", encoded(huge))
    return root


def test_every_loss_is_named(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        report = prepare_images([spoilt(tmp_path)], tmp_path / "s", framing=STRETCH)
    assert [bad.source for bad in report.bad_records] == [
        "photos/cat/2.jpg",
        "photos/cat/3.png",
        "photos/dog/1.png",
        "photos/dog/2.png",
    ]
    found = [bad.found for bad in report.bad_records]
    assert "truncated" in found[0]
    assert found[1:] == ["no bytes", "an unknown format", "4100 x 4100 pixels"]
    assert {bad.kind for bad in report.bad_records} == {"bad image"}
    assert report.bad_records[2].length == 4
    assert [(file.records, file.bad) for file in report.files] == [(2, 2), (1, 2)]
    assert report.records == len(Store(tmp_path / "s")) == 3


def test_strict_stops_at_the_first_loss(tmp_path: Path) -> None:
    with pytest.raises(BadRecordError, match=r"photos/cat/2\.jpg@0: expected an intact image"):
        prepare_images(
            [spoilt(tmp_path)], tmp_path / "s", framing=STRETCH, options=PrepareOptions(strict=True)
        )
    assert_nothing_at(tmp_path / "s")


def test_nothing_sound_is_an_error(tmp_path: Path) -> None:
    put(tmp_path / "a" / "1.png", b"text")
    with pytest.raises(InputError, match=r"no readable record found: .* found an unknown format"):
        prepare_images([tmp_path / "a"], tmp_path / "s", framing=STRETCH)
    assert_nothing_at(tmp_path / "s")


def test_a_file_that_goes_away_is_a_loss(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = write_photos(tmp_path)
    read = Path.read_bytes

    def vanish(path: Path) -> bytes:
        if path.name == "0.png":
            raise FileNotFoundError(2, "No such file or directory")
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", vanish)
    (bad,) = prepare_images([root], tmp_path / "s", framing=STRETCH).bad_records
    assert (bad.source, bad.length) == ("photos/cat/0.png", 0)
    assert bad.found == "cannot be read (No such file or directory)"


def test_charset_and_limit_choose(tmp_path: Path) -> None:
    root = write_photos(tmp_path)
    report = prepare_images(
        [root],
        tmp_path / "s",
        framing=STRETCH,
        options=PrepareOptions(charset=Charset(("cat", "owl")), limit=1),
    )
    store = Store(tmp_path / "s")
    assert store.manifest.class_counts == [1, 0]
    assert (report.left_out, report.over_limit, report.empty_classes) == ({"dog": 1}, 1, ["owl"])
    assert store.record(0).position == 0
    assert store.manifest.origin["limit"] == 1
    with pytest.raises(InputError, match=r"none of the 3 records is in the charset; .* cat, dog"):
        prepare_images(
            [root],
            tmp_path / "t",
            framing=STRETCH,
            options=PrepareOptions(charset=Charset(("owl",))),
        )


def test_more_classes_than_a_charset_holds_are_refused_before_all_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hwgen.prepare.writing.MAX_CLASSES", 40)
    for number in range(400):
        put(tmp_path / "in" / f"{number:05d}" / "0.png", b"")
    with pytest.raises(InputError, match="expected at most 40 classes, found more") as caught:
        prepare_images([tmp_path / "in"], tmp_path / "out", framing=Framing(8))
    assert caught.value.where == "in/00040"
    assert not (tmp_path / "out").exists()


def test_labels_that_look_alike_stay_apart_and_are_named(tmp_path: Path) -> None:
    for label in ("\u00e9", "e\u0301", "\uf9d1", "六", "A", "Ａ"):
        put(tmp_path / "in" / label / "0.png", encoded(photo(ord(label[-1]))))
    report = prepare_images([tmp_path / "in"], tmp_path / "out", framing=Framing(8))
    assert report.classes == 6
    assert report.alike == [["e\u0301", "\u00e9"], ["六", "\uf9d1"]]


def test_labels_that_differ_in_what_is_not_seen_are_named() -> None:
    labels = ["永", " 永", "永\u3000", "\u200b永", "永\U000e0100", "和", "a b", "ab", "A"]
    assert look_alike(labels) == [labels[:5]]


def test_a_class_whose_images_are_all_damaged_is_named(tmp_path: Path) -> None:
    put(tmp_path / "in" / "永" / "1.png", encoded(photo(0)))
    put(tmp_path / "in" / "和" / "1.png", b"damaged")
    report = prepare_images([tmp_path / "in"], tmp_path / "out", framing=Framing(8))
    assert (report.classes, report.folders_not_read) == (1, ["in/和"])


def test_any_number_of_threads_makes_the_same_store(tmp_path: Path) -> None:
    root = spoilt(tmp_path)
    for n in range(150):
        put(root / "owl" / f"{n:03}.png", encoded(photo(n)) if n % 7 else b"bad")
    stores, reports = [], []
    for workers in (1, 2, 5):
        out = tmp_path / str(workers)
        report = prepare_images(
            [root], out, framing=STRETCH, options=PrepareOptions(workers=workers)
        )
        stores.append(Store(out).manifest)
        reports.append({**report.to_json(), "seconds": 0, "store": ""})
    assert reports[0] == reports[1] == reports[2]
    assert stores[0] == stores[1] == stores[2]
    assert stores[0].count == 3 + 150 - 22


def test_stop_is_obeyed_and_no_thread_stays(tmp_path: Path) -> None:
    before = threading.active_count()
    with pytest.raises(StoreError, match="stopped before the end"):
        prepare_images(
            [write_photos(tmp_path)],
            tmp_path / "s",
            framing=STRETCH,
            options=PrepareOptions(workers=2),
            control=Control(stop=lambda: True),
        )
    assert_nothing_at(tmp_path / "s")
    assert threading.active_count() == before


def test_progress_grows_to_the_total(tmp_path: Path) -> None:
    folder = write_lsun(tmp_path / "tower_train_lmdb", [encoded(photo(0))] * 600)
    seen: list[tuple[float, float, str]] = []
    prepare_images(
        [folder],
        tmp_path / "s",
        framing=STRETCH,
        control=Control(progress=lambda *now: seen.append(now)),
    )
    size = (folder / "data.mdb").stat().st_size
    assert [now[0] for now in seen] == sorted(now[0] for now in seen)
    assert [now[2] for now in seen] == [f"{n} records" for n in (256, 512, 600)]
    assert seen[-1] == (size, size, "600 records")


@pytest.mark.parametrize("options", [{"workers": 0}, {"limit": 0}])
def test_options_out_of_range_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="must be at least 1, found 0"):
        PrepareOptions(**options)


def test_other_numbers_of_channels_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="channels must be 1 or 3, found 2"):
        prepare_images([write_photos(tmp_path)], tmp_path / "s", framing=STRETCH, channels=2)


def test_few_images_are_held_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_rendering, "_MAX_BYTES", 1 << 20)
    data = encoded(np.zeros((300, 300), np.uint8), "BMP")  # 91 kB
    read, given = 0, 0

    def images() -> Any:
        nonlocal read
        for n in range(200):
            read += 1
            assert (read - given) * len(data) < 3 << 20
            yield EncodedImage("a", "s", n, f"s/{n}", lambda: data)

    for chunk in render_images(images(), Renderer(STRETCH, 1, False), workers=2):
        given += len(chunk)
    assert given == 200


def test_a_raw_image_that_cannot_be_rendered_is_named_by_its_source() -> None:
    record = Record(np.zeros((2, 2), np.uint8), "a", "", "file", 3)

    class Refusing(Renderer):
        def render(self, image: Any) -> Any:
            raise InputError("no")

    ((item, bad, _),) = next(render_images([record], Refusing(STRETCH, 1, False), workers=1))
    assert item is record
    assert isinstance(bad, BadRecord)
    assert (bad.source, bad.length, bad.found) == ("file", 4, "no")


def test_further_pages_are_counted_and_strict_refuses_them(tmp_path: Path) -> None:
    pages = [PilImage.fromarray(photo(n)) for n in range(3)]
    path = tmp_path / "scans" / "一" / "1.tif"
    path.parent.mkdir(parents=True)
    pages[0].save(path, save_all=True, append_images=pages[1:])
    report = prepare_images([tmp_path / "scans"], tmp_path / "s", framing=STRETCH)
    (kind,) = report.not_read
    expected = ("further page or frame", 2, "scans/一/1.tif", True)
    assert (kind.kind, kind.files, kind.first, kind.may_be_data) == expected
    assert report.to_json()["not_read"][0]["files"] == 2
    strict = PrepareOptions(strict=True, overwrite=True)
    with pytest.raises(BadRecordError, match="2 further page"):
        prepare_images([tmp_path / "scans"], tmp_path / "s", framing=STRETCH, options=strict)


def test_real_photographs_and_digits_give_what_their_cards_say(
    shared_data: Path, tmp_path: Path
) -> None:
    archive = shared_data / "cifar10" / "cifar10-jpeg-10k.zip"
    with pytest.raises(InputError, match="a training and a test set"):
        prepare_images([archive], tmp_path / "s", framing=Framing(32, stretch=True))
    report = prepare_images(
        [Path(f"{archive}!cifar10/test")], tmp_path / "s", framing=Framing(32, stretch=True)
    )
    assert (report.records, report.classes, report.bad_records) == (1000, 10, [])
    assert report.per_class == {"min": 100, "median": 100.0, "max": 100}
    digits = shared_data / "mnist" / "t10k-images-idx3-ubyte.gz"
    report = prepare_images([digits], tmp_path / "m", framing=Framing(28, stretch=True))
    assert (report.records, report.classes, report.bad_records) == (10_000, 10, [])
    store = Store(tmp_path / "m")
    assert store.charset.labels == tuple("0123456789")
    assert store.all_images().mean() > 200  # ink is dark and the lesser part


@pytest.mark.parametrize("format", ["folder", "ocr-lmdb", "parquet"])
@pytest.mark.parametrize("channels", [1, 3])
def test_what_hwgen_exports_comes_back(tmp_path: Path, format: str, channels: int) -> None:
    if format == "parquet":
        pytest.importorskip("pyarrow")
    with StoreWriter(tmp_path / "store", size=8, channels=channels, recipe={}) as writer:
        for n in range(30):
            image = photo(n, 8, 8) if channels == 3 else photo(n, 8, 8)[:, :, 0]
            label = ("永", "cat", "A")[n % 3]
            writer.add(Record(image, label, f"w{n % 4}", "source", n))
        store = writer.finish(origin={"kind": "gnt"})
    export_store(store, format, tmp_path / "out")
    prepare_images([tmp_path / "out"], tmp_path / "again", framing=STRETCH, channels=channels)
    again = Store(tmp_path / "again")
    assert again.charset == store.charset
    # A folder brings class by class; within a class the order is the same everywhere.
    before, after = np.argsort(store.labels, kind="stable"), np.argsort(again.labels, kind="stable")
    np.testing.assert_array_equal(store.images(before), again.images(after))
    assert again.manifest.class_counts == store.manifest.class_counts
    known = store.manifest.writer_counts if format != "folder" else {"": 30}
    assert again.manifest.writer_counts == known
