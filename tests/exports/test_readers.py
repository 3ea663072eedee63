"""Every format is read back by the software that it is for."""

import csv
import io
import json
import struct
import tarfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import lmdb
import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image as PilImage
from torchvision.datasets import ImageFolder

from hwgen.errors import InputError
from hwgen.exports import Selection, Shards, export_store
from hwgen.imaging.framing import Framing
from hwgen.prepare import PrepareOptions, prepare_gnt, prepare_images
from hwgen.record import Record
from hwgen.sources.gnt import read_gnt, write_gnt
from hwgen.store import Store

from .conftest import MakeStore

SMALL = Shards(records=5)


def pixels(png: bytes) -> npt.NDArray[np.uint8]:
    with PilImage.open(io.BytesIO(png)) as picture:
        assert picture.format == "PNG"
        return np.asarray(picture)


def same(found: object, store: Store, record: int) -> None:
    """An image as read equals that of the store; most readers open grey ones as RGB."""
    array = np.asarray(found)
    expected = store.images([record])[0]
    if array.ndim == 3 and expected.ndim == 2:
        expected = np.repeat(expected[:, :, None], 3, axis=2)
    np.testing.assert_array_equal(array, expected)


def provenance(folder: Path) -> list[dict[str, str]]:
    with open(folder / "provenance.csv", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def read_independently(path: Path) -> Iterator[tuple[str, npt.NDArray[np.uint8]]]:
    """A parser of GNT that is independent of hwgen."""
    data, at = path.read_bytes(), 0
    while at < len(data):
        size, tag, width, height = struct.unpack_from("<I2sHH", data, at)
        assert size == 10 + width * height
        grey = np.frombuffer(data, np.uint8, width * height, at + 10)
        yield tag.rstrip(b"\0").decode("gb18030"), grey.reshape(height, width)
        at += size
    assert at == len(data)


@pytest.mark.parametrize("channels", [1, 3])
def test_ocr_lmdb_by_its_published_schema(
    make_store: MakeStore, tmp_path: Path, channels: int
) -> None:
    store = make_store(channels=channels)
    export_store(store, "ocr-lmdb", tmp_path / "out", shards=SMALL)
    with lmdb.open(str(tmp_path / "out"), readonly=True, lock=False) as env, env.begin() as txn:
        assert int(txn.get(b"num-samples")) == len(store)
        assert txn.get(b"image-000000000") is None
        for number in range(len(store)):
            record = store.record(number)
            key = f"{number + 1:09d}"
            assert txn.get(f"label-{key}".encode()).decode() == record.label
            found = pixels(txn.get(f"image-{key}".encode()))
            np.testing.assert_array_equal(found, record.image)
            meta = json.loads(txn.get(f"meta-{key}".encode()))
            assert (meta["writer"], meta["source"]) == (record.writer, record.source)
            assert (meta["position"], meta["record"]) == (record.position, number)
        assert txn.stat()["entries"] == 3 * len(store) + 1


@pytest.mark.parametrize("channels", [1, 3])
def test_torchvision_reads_the_folder(make_store: MakeStore, tmp_path: Path, channels: int) -> None:
    store = make_store(channels=channels, labels=("啊", "airplane", "一二", "A"))
    export_store(store, "folder", tmp_path / "out", shards=SMALL)
    names = json.loads((tmp_path / "out" / "classes.json").read_text("utf-8"))["classes"]
    assert list(names.values()) == list(store.charset)
    read = ImageFolder(tmp_path / "out")
    assert read.classes == ["U+0041", "U+4E00-U+4E8C", "U+554A", "airplane"]
    assert len(read) == len(store)
    for (path, target), (picture, _) in zip(read.samples, read, strict=True):
        number = int(Path(path).stem)
        assert names[read.classes[target]] == store.record(number).label
        same(picture, store, number)
    for number, line in enumerate(provenance(tmp_path / "out")):
        record = store.record(number)
        same(PilImage.open(tmp_path / "out" / line["file"]), store, int(line["record"]))
        assert (line["label"], line["writer"]) == (record.label, record.writer)
        assert (line["source"], int(line["position"])) == (record.source, record.position)
        assert store.charset[int(line["class_id"])] == record.label


def test_a_paddle_label_list(make_store: MakeStore, tmp_path: Path) -> None:
    store = make_store(labels=("啊", "一二", "A"))
    out = tmp_path / "out"
    export_store(store, "paddle", out, shards=SMALL)
    lines = (out / "label.txt").read_bytes().decode().removesuffix("\n").split("\n")
    assert len(lines) == len(store)
    for number, line in enumerate(lines):
        path, label = line.split("\t")
        assert label == store.record(number).label
        same(pixels((out / path).read_bytes()), store, number)
    assert (out / "dict.txt").read_text("utf-8").split() == list("啊一二A丨")
    assert [line["file"] for line in provenance(out)] == [line.split("\t")[0] for line in lines]


def test_no_memory_of_the_process_is_in_an_ocr_lmdb(make_store: MakeStore, tmp_path: Path) -> None:
    store = make_store(count=200)
    held = [b"SECRET 8" * (n << 7 | 1) for n in range(500)] + [b"SECRET 8" * 510] * 1
    held += [bytes(bytearray(b"SECRET 8" * 510)) for _ in range(500)]
    del held
    export_store(store, "ocr-lmdb", tmp_path / "out")
    (file,) = (tmp_path / "out").rglob("data.mdb")
    assert b"SECRET" not in file.read_bytes()


@pytest.mark.parametrize("form", ["folder", "ocr-lmdb", "paddle"])
def test_exports_can_be_prepared_again(make_store: MakeStore, tmp_path: Path, form: str) -> None:
    store = make_store(labels=("啊", "一二", "A"))
    export_store(store, form, tmp_path / "out", shards=SMALL)
    whole = Framing(store.size, stretch=False, margin=0)
    back_path = tmp_path / "back"
    report = prepare_images(
        [tmp_path / "out"],
        back_path,
        framing=whole,
        channels=1,
        options=PrepareOptions(charset=store.charset),
    )
    assert (report.bad_records, report.left_out) == ([], {})
    back = Store(back_path)
    assert back.charset.fingerprint == store.charset.fingerprint
    order = list(range(len(store)))
    if form == "folder":  # ordered by class, by the names of the folders
        order.sort(key=lambda n: (store.record(n).label.encode("utf-16-be"), n))
    for number, record in zip(range(len(back)), order, strict=True):
        found, was = back.record(number), store.record(record)
        assert found.label == was.label
        assert found.writer == (was.writer if form == "ocr-lmdb" else "")
        np.testing.assert_array_equal(found.image, was.image)


def test_a_label_that_would_break_the_label_list_is_refused(
    make_store: MakeStore, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=r"label list cannot hold the label 'a\\tb'"):
        export_store(make_store(labels=("a\tb",)), "paddle", tmp_path / "out")
    assert not (tmp_path / "out.partial").exists()


def test_one_gnt_file_per_writer(make_store: MakeStore, tmp_path: Path) -> None:
    store = make_store(writers=("001", ""))
    out = tmp_path / "out"
    export_store(store, "gnt", out, shards=SMALL)
    files = sorted(out.glob("*.gnt"))
    assert [path.name for path in files] == ["001.gnt", "unknown-writer.gnt"]
    for path, writer in zip(files, ("001", ""), strict=True):
        numbers = [n for n in range(len(store)) if store.record(n).writer == writer]
        with open(path, "rb") as stream:
            ours = list(read_gnt(stream, source=path.name, writer=writer))
        for number, (label, image), read in zip(
            numbers, read_independently(path), ours, strict=True
        ):
            assert isinstance(read, Record)
            assert label == read.label == store.record(number).label
            same(image, store, number)
            same(read.image, store, number)


def test_a_synthetic_gnt_file_is_named_so(make_store: MakeStore, tmp_path: Path) -> None:
    export_store(make_store(writers=("",), kind="synthetic"), "gnt", tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").glob("*.gnt")] == ["synthetic.gnt"]


def test_no_writer_escapes_the_folder_and_none_is_lost(
    make_store: MakeStore, tmp_path: Path
) -> None:
    store = make_store(writers=("../x", ".", "a/b", "unknown-writer", "", "王 小"))
    export_store(store, "gnt", tmp_path / "out", shards=SMALL)
    files = sorted((tmp_path / "out").glob("*.gnt"))
    names = ["%2E..gnt", "%2E.%2Fx.gnt", "a%2Fb.gnt", "unknown-writer.gnt", "王 小.gnt"]
    assert sorted(path.name for path in files) == sorted(["%2E.gnt", *names[1:]])
    assert sum(len(list(read_independently(path))) for path in files) == len(store)
    assert {path.name for path in tmp_path.iterdir()} == {"out", "store"}


@pytest.mark.parametrize(
    ("options", "text"),
    [({"channels": 3}, "grey images only"), ({"labels": ("airplane",)}, "no two-byte GB code")],
)
def test_colour_and_other_labels_are_refused_by_gnt(
    make_store: MakeStore, tmp_path: Path, options: dict[str, object], text: str
) -> None:
    with pytest.raises(InputError, match=text):
        export_store(make_store(**options), "gnt", tmp_path / "out")
    assert not (tmp_path / "out.partial").exists()


def write_scans(folder: Path, sides: tuple[int, int]) -> list[Path]:
    """GNT files of two writers, with symbols; sizes between the two given ones."""
    rng = np.random.default_rng(1)
    folder.mkdir()
    for writer in ("007", "1001"):
        scans = [
            (label, rng.integers(0, 256, rng.integers(*sides, 2, endpoint=True), dtype=np.uint8))
            for label in "的A一是的。"
        ]
        write_gnt(folder / f"{writer}.gnt", scans)
    return sorted(folder.glob("*.gnt"))


@pytest.mark.parametrize("stretch", [False, True])
def test_gnt_of_the_store_size_is_restored_byte_by_byte(tmp_path: Path, stretch: bool) -> None:
    files = write_scans(tmp_path / "raw", (24, 24))
    framing = Framing(24, stretch=stretch, margin=0)
    prepare_gnt(files, tmp_path / "store", framing=framing)
    export_store(Store(tmp_path / "store"), "gnt", tmp_path / "out", shards=SMALL)
    for file in files:
        assert (tmp_path / "out" / file.name).read_bytes() == file.read_bytes()


def test_gnt_of_other_sizes_keeps_labels_and_order(tmp_path: Path) -> None:
    files = write_scans(tmp_path / "raw", (9, 30))
    framing = Framing(24)
    prepare_gnt(files, tmp_path / "store", framing=framing)
    export_store(Store(tmp_path / "store"), "gnt", tmp_path / "out")
    for file in files:
        before, after = read_independently(file), read_independently(tmp_path / "out" / file.name)
        for (label, scan), (kept, framed) in zip(before, after, strict=True):
            assert kept == label
            np.testing.assert_array_equal(framed, framing.apply(scan))


@pytest.mark.filterwarnings("ignore")
def test_webdataset_reads_the_shards(make_store: MakeStore, tmp_path: Path) -> None:
    webdataset = pytest.importorskip("webdataset", reason="needs hwgen[test-formats]")
    store = make_store()
    export_store(store, "webdataset", tmp_path / "out", shards=SMALL)
    shards = sorted(map(str, (tmp_path / "out").glob("*.tar")))
    assert [Path(path).name for path in shards] == [f"data-{n:06d}.tar" for n in range(5)]
    dataset = webdataset.WebDataset(shards, shardshuffle=False).decode("pil")
    seen = 0
    for seen, sample in enumerate(dataset, 1):
        number = int(sample["__key__"])
        record = store.record(number)
        assert number == seen - 1
        assert sample["txt"] == record.label == store.charset[sample["cls"]]
        assert sample["json"]["writer"] == record.writer
        same(sample["png"], store, number)
    assert seen == len(store)


def test_shards_are_repeatable_and_within_their_bounds(
    make_store: MakeStore, tmp_path: Path
) -> None:
    store = make_store()
    limits = Shards(records=7, bytes=500)
    for name in ("a", "b"):
        export_store(store, "webdataset", tmp_path / name, shards=limits)
    paths = sorted((tmp_path / "a").glob("*.tar"))
    for path in paths:
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()
        with tarfile.open(path) as tar:
            headers = tar.getmembers()
        pngs = [header.size for header in headers if header.name.endswith(".png")]
        assert 1 <= len(pngs) <= 7
        assert sum(pngs) <= 500
        assert {(header.mtime, header.uid, header.uname) for header in headers} == {(0, 0, "")}
    assert len(paths) > len(store) // 7 + 1  # bytes were the tighter limit


def test_an_image_larger_than_a_shard_is_a_shard(make_store: MakeStore, tmp_path: Path) -> None:
    for name in ("webdataset", "gnt", "ocr-lmdb"):
        done = export_store(make_store(name), name, tmp_path / f"{name}.out", shards=Shards(9, 1))
        assert done is not None
        assert done.shards == {"": list(range(1, 24))}


def test_pyarrow_reads_parquet(make_store: MakeStore, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="needs hwgen[parquet]")
    store = make_store()
    export_store(store, "parquet", tmp_path / "out", shards=Shards(records=10))
    paths = sorted((tmp_path / "out").glob("*.parquet"))
    tables = [parquet.ParquetFile(path).read() for path in paths]
    assert [len(table) for table in tables] == [10, 10, 3]
    described = json.loads(tables[0].schema.metadata[b"huggingface"])["info"]["features"]
    assert described["label"]["names"] == list(store.charset)
    rows = [row for table in tables for row in table.to_pylist()]
    for number, row in enumerate(rows):
        record = store.record(number)
        assert store.charset[row["label"]] == record.label
        assert row["image"]["path"] == f"{number:09d}.png"
        same(pixels(row["image"]["bytes"]), store, number)
        assert (row["writer"], row["source"]) == (record.writer, record.source)
        assert (row["position"], row["record"]) == (record.position, number)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("whole_folder", [False, True])
def test_hugging_face_datasets_reads_parquet(
    make_store: MakeStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole_folder: bool
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")
    datasets = pytest.importorskip("datasets", reason="needs hwgen[test-formats]")
    store = make_store()
    split = Selection(split=(("train", 0.5), ("test", 0.5)), split_by="record")
    out = tmp_path / "out"
    export_store(store, "parquet", out, selection=split, shards=SMALL)
    where = (str(out),) if whole_folder else ("parquet", None, str(out))
    read = datasets.load_dataset(*where, cache_dir=str(tmp_path / "cache"))
    numbers = []
    for name in ("train", "test"):
        assert isinstance(read[name].features["image"], datasets.Image)
        assert isinstance(read[name].features["label"], datasets.ClassLabel)
        assert read[name].features["label"].names == list(store.charset)
        for row in read[name]:
            assert store.charset[row["label"]] == store.record(row["record"]).label
            same(row["image"], store, row["record"])
            numbers.append(row["record"])
    assert sorted(numbers) == list(range(len(store)))


def test_parquet_without_pyarrow_names_the_extra(
    make_store: MakeStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def absent(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    store = make_store()
    with monkeypatch.context() as patch:
        patch.setitem(__import__("sys").modules, "pyarrow", None)
        with pytest.raises(InputError, match=r"pip install 'pyarrow>="):
            export_store(store, "parquet", tmp_path / "out")
    monkeypatch.setattr(metadata, "version", absent)
    with pytest.raises(InputError, match=r"needs pyarrow, .* pip install 'pyarrow>="):
        export_store(store, "parquet", tmp_path / "out")
