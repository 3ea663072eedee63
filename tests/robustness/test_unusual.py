"""Rare but valid inputs: they work, from files to samples, or are refused with a reason."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from hwgen.charset import Charset, gb2312_level1, parse_charset
from hwgen.errors import InputError
from hwgen.exports import export_store
from hwgen.exports.models import export_model
from hwgen.generators.gan.presets import Recipe
from hwgen.generators.gan.sampling import Sampler
from hwgen.generators.gan.training import train
from hwgen.imaging.framing import Framing
from hwgen.imaging.ink import Ink
from hwgen.inspection.summaries import inspect_store
from hwgen.prepare import PrepareOptions, prepare_gnt, prepare_images, prepare_pot
from hwgen.recogniser.network import RecogniserRecipe
from hwgen.recogniser.training import from_stores, train_recogniser
from hwgen.record import Image
from hwgen.sources.gnt import write_gnt
from hwgen.sources.pot import encode_trajectory
from hwgen.store import Store, StoreWriter
from hwgen.synthesis.synthesize import synthesize

FRAMING = Framing(16)


@pytest.fixture(autouse=True)
def _one_thread(one_thread: None) -> None:
    """Toy networks are fastest on one thread."""


def picture(seed: int = 0, height: int = 12, width: int = 9) -> Image:
    return np.random.default_rng(seed).integers(0, 256, (height, width), np.uint8)


def prepared(folder: Path, records: list[tuple[str, Image]]) -> Store:
    write_gnt(folder / "001-f.gnt", records)
    prepare_gnt(
        [folder / "001-f.gnt"], folder / "store", framing=FRAMING, options=PrepareOptions(workers=1)
    )
    return Store(folder / "store")


def through(store: Store, recipe: Recipe, folder: Path) -> Store:
    """Inspect a store, train on it briefly, draw two samples per class, and export everything."""
    assert inspect_store(store).records == len(store)
    run = train(
        store,
        folder / "run",
        replace(recipe, images=24, every=12),
        device="cpu",
        precision="fp32",
    )
    export_model(run, folder / "model")
    drawn = synthesize(Sampler.load(folder / "model", device="cpu"), folder / "drawn", per_class=2)
    assert drawn is not None
    for name in ("ocr-lmdb", "folder", "paddle", "gnt", "webdataset"):
        for made in (store, drawn):
            told = export_store(made, name, folder / f"{made.path.name}.{name}")
            assert told is not None
            assert sum(told.records.values()) == len(made)
    back = folder / "back"
    prepare_images([folder / "drawn.ocr-lmdb"], back, framing=Framing(recipe.size), channels=1)
    assert sorted(Store(back).charset) == sorted(label for label in drawn.charset)
    return drawn


@pytest.mark.parametrize("labels", ["一", "一一一", "一丁七"])
def test_one_class_and_one_sample_per_class(
    tmp_path: Path, toy_recipe: Recipe, labels: str
) -> None:
    store = prepared(tmp_path, [(label, picture(n)) for n, label in enumerate(labels)])
    classes = len(set(labels))
    assert (len(store), len(store.charset)) == (len(labels), classes)
    assert len(through(store, toy_recipe, tmp_path)) == 2 * classes


def test_a_recogniser_of_one_class(tmp_path: Path) -> None:
    store = prepared(tmp_path, [("一", picture())])
    recipe = RecogniserRecipe(size=16, widths=((4,), (8,)), hidden=8, steps=3, batch=4)
    data = from_stores([store], recipe, torch.device("cpu"))
    recogniser = train_recogniser(data, recipe, seed=0, device=torch.device("cpu"))
    assert recogniser is not None
    assert recogniser.read(store.all_images()).tolist() == [[1.0]]


@pytest.mark.parametrize("side", [1, 4000])
def test_images_of_one_pixel_and_of_millions(tmp_path: Path, toy_recipe: Recipe, side: int) -> None:
    large = np.full((side, side), 7, np.uint8)
    store = prepared(tmp_path, [("一", large), ("丁", picture()), ("七", large[:1]), ("万", large)])
    assert len(store) == 4
    assert store.images([0]).min() == 7
    np.testing.assert_array_equal(store.images([1])[0], FRAMING.apply(picture()))
    np.testing.assert_array_equal(store.images([3]), store.images([0]))
    assert len(through(store, toy_recipe, tmp_path)) == 8


def test_an_empty_file_is_an_error_alone_and_skipped_among_others(tmp_path: Path) -> None:
    (tmp_path / "001-f.gnt").touch()
    with pytest.raises(
        InputError, match="no readable record found: at byte 0, expected at least one"
    ):
        prepare_gnt(
            [tmp_path / "001-f.gnt"],
            tmp_path / "store",
            framing=FRAMING,
            options=PrepareOptions(workers=1),
        )
    write_gnt(tmp_path / "002-f.gnt", [("一", picture())])
    report = prepare_gnt(
        [tmp_path], tmp_path / "store", framing=FRAMING, options=PrepareOptions(workers=1)
    )
    assert report.records == 1
    assert [bad.kind for bad in report.bad_records] == ["empty file"]


@pytest.mark.parametrize("grey", [255, 0])
def test_glyphs_without_ink_and_without_paper(
    tmp_path: Path, toy_recipe: Recipe, grey: int
) -> None:
    plain = np.full((12, 12), grey, np.uint8)
    store = prepared(tmp_path, [("一", plain), ("丁", plain)])
    middle = store.all_images()[:, 4:12, 4:12]
    assert (middle == grey).all()
    assert len(through(store, toy_recipe, tmp_path)) == 4


def test_a_character_of_one_dot_of_ink(tmp_path: Path) -> None:
    (tmp_path / "1.pot").write_bytes(encode_trajectory("一", [[(5, 5)]]))
    report = prepare_pot(
        [tmp_path / "1.pot"], tmp_path / "s", ink=Ink(FRAMING), options=PrepareOptions(workers=1)
    )
    assert report.records == 1
    assert Store(tmp_path / "s").all_images().min() < 128


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "  "])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_charset_files_of_any_system(tmp_path: Path, end: str, mark: str) -> None:
    file = tmp_path / "我的 字.txt"
    file.write_bytes((mark + end.join("一丁七") + end).encode("utf-8"))
    assert parse_charset(str(file)).labels == ("一", "丁", "七")


def test_twenty_seven_thousand_classes(tmp_path: Path) -> None:
    # All of CJK Unified Ideographs, and some of Extension A.
    codes = [*range(0x4E00, 0x9FFD), *range(0x3400, 0x4DC0)][:27_000]
    labels = [chr(code) for code in codes]
    images = np.random.default_rng(0).integers(0, 256, (27_000, 4, 4), np.uint8)
    with StoreWriter(tmp_path / "s", size=4, recipe={}) as writer:
        writer.add_batch(
            images,
            labels=labels,
            writers=["w"] * 27_000,
            sources=["f"] * 27_000,
            positions=np.arange(27_000),
        )
        writer.finish(charset=Charset(tuple(labels)), origin={"kind": "gnt"})
    store = Store(tmp_path / "s")
    assert (len(store.charset), store.labels[-1]) == (27_000, 26_999)
    assert store.record(20_000).label == labels[20_000]
    np.testing.assert_array_equal(store.all_images(), images)


def test_mixed_charsets_are_refused_with_the_unknown_labels(tmp_path: Path) -> None:
    prepared(tmp_path, [("一", picture()), ("A", picture()), ("丂", picture()), ("！", picture())])
    with pytest.raises(InputError, match="4 records is in the charset; their labels"):
        prepare_gnt(
            [tmp_path / "001-f.gnt"],
            tmp_path / "other",
            framing=FRAMING,
            options=PrepareOptions(charset=Charset(("啊",)), workers=1),
        )
    assert set("一A丂！") - set(gb2312_level1()) == {"A", "丂", "！"}


def test_mixed_charsets_work_from_store_to_export(tmp_path: Path, toy_recipe: Recipe) -> None:
    records = [(label, picture(n)) for n, label in enumerate("一A丂！aａ一A丂！aａ")]
    drawn = through(prepared(tmp_path, records), toy_recipe, tmp_path)
    assert drawn.charset.labels == tuple("Aa一丂！ａ")
    # A and a are two folders even in a case-insensitive file system.
    folders = {path.name for path in (tmp_path / "drawn.folder").iterdir() if path.is_dir()}
    assert folders == {f"U+{ord(label):04X}" for label in "Aa一丂！ａ"}


def test_equal_samples_can_be_deformed(tmp_path: Path) -> None:
    write_gnt(tmp_path / "001-f.gnt", [("一", picture())] * 3)
    prepared = hwgen(tmp_path, "prepare-gnt", "001-f.gnt", "--out", "store", "--size", "16")
    assert prepared.returncode == 0
    typed = "train store --out run --preset deformation-32 --set size=16 --set grid=4 --batch 4"
    done = hwgen(tmp_path, *typed.split(), "--images", "8", "--device", "cpu")
    assert done.returncode == 0, done.stderr.decode()
    assert b"distance undefined of undeformed" in done.stderr


def hwgen(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "hwgen_cli", *arguments],
        cwd=folder,
        env={**os.environ, "COLUMNS": "200", **environment},
        capture_output=True,
    )


@pytest.mark.parametrize(
    "locale",
    [
        {},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONIOENCODING": "gbk"},
    ],
    ids=["utf-8", "C", "gbk"],
)
def test_chinese_names_with_spaces_in_any_locale(tmp_path: Path, locale: dict[str, str]) -> None:
    folder = tmp_path / "手写 数据"
    folder.mkdir()
    write_gnt(folder / "第 一-f.gnt", [("一", picture()), ("丁", picture(1))])
    (folder / "字 表.txt").write_text("一丁七", encoding="utf-8")
    done = hwgen(
        tmp_path,
        "prepare-gnt",
        "手写 数据",
        "--out",
        "仓 库",
        "--size",
        "16",
        "--charset",
        "手写 数据/字 表.txt",
        **locale,
    )
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    store = Store(tmp_path / "仓 库")
    assert store.charset.labels == ("一", "丁", "七")
    assert store.manifest.tables["sources"] == ["手写 数据/第 一-f.gnt"]
    report = json.loads((tmp_path / "仓 库" / "prepare-report.json").read_text(encoding="utf-8"))
    assert report["empty_classes"] == ["七"]
    done = hwgen(tmp_path, "prepare-gnt", "没 有", "--out", "x", **locale)
    assert done.returncode == 1
    assert b"error:" in done.stderr
    assert b"no such file or folder" in done.stderr


def test_a_store_with_a_chinese_name_is_read_in_locale_c(tmp_path: Path) -> None:
    prepared(tmp_path, [("一", picture())])
    (tmp_path / "store").rename(tmp_path / "仓 库")
    code = "import sys; from hwgen.store import Store; print(Store(sys.argv[1]).all_images().sum())"
    done = subprocess.run(
        [sys.executable, "-c", code, "仓 库"],
        cwd=tmp_path,
        env={**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        capture_output=True,
        check=True,
    )
    assert int(done.stdout) == Store(tmp_path / "仓 库").all_images().sum()
