"""Lines end to end: every format is read by an independent reader, resumed and repeated."""

import csv
import io
import json
import tarfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import lmdb
import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image as PilImage

from hwgen.errors import InputError, RecipeChangedError
from hwgen.exports import Shards
from hwgen.exports.export import Export
from hwgen.generators.base import get_kind
from hwgen.imaging.framing import Framing
from hwgen.lines.composing import Layout
from hwgen.lines.corpus import TextOptions
from hwgen.lines.source import SourceOptions, open_source
from hwgen.lines.writing import LineOptions, write_lines
from hwgen.prepare import prepare_images
from hwgen.progress import Control
from hwgen.runs import Run
from hwgen.store import Store
from tests.generators.gan.conftest import run as gan_run
from tests.generators.refiner.conftest import recipe, toy_run
from tests.generators.refiner.toy import TOY_STROKES, ToyStrokes
from tests.synthesis.conftest import _one_thread

from .conftest import MakeStore

__all__ = ["_one_thread", "gan_run", "recipe", "toy_run"]

FORMATS = ("ocr-lmdb", "paddle", "webdataset", "parquet")
OPTIONS = LineOptions(count=11, seed=4, text=TextOptions(max_length=6))
SMALL = Shards(records=4)


def written(place: Path, corpus: Path, out: Path, format: str = "paddle", **changes: Any) -> Export:
    options = changes.pop("options", OPTIONS)
    done = write_lines(
        place, corpus, out, format=format, options=options, **{"shards": SMALL, **changes}
    )
    assert done is not None
    return done


def pixels(png: bytes) -> npt.NDArray[np.uint8]:
    with PilImage.open(io.BytesIO(png)) as image:
        assert image.format == "PNG"
        return np.asarray(image)


def read(format: str, out: Path) -> list[tuple[str, bytes]]:
    """Texts and images, by a reader that is independent of hwgen."""
    if format == "ocr-lmdb":
        with lmdb.open(str(out), readonly=True, lock=False) as env, env.begin() as txn:
            return [
                (txn.get(b"label-%09d" % n).decode(), bytes(txn.get(b"image-%09d" % n)))
                for n in range(1, int(txn.get(b"num-samples")) + 1)
            ]
    if format == "paddle":
        lines = (out / "label.txt").read_bytes().decode().removesuffix("\n").split("\n")
        pairs = (line.split("\t") for line in lines)
        return [(label, (out / path).read_bytes()) for path, label in pairs]
    if format == "webdataset":
        found = []
        for path in sorted(out.glob("data-*.tar")):
            with tarfile.open(path) as tar:
                members = {one.name: tar.extractfile(one).read() for one in tar}  # type: ignore[union-attr]
            names = sorted({name.split(".")[0] for name in members})
            assert {name.split(".")[1] for name in members} == {"png", "txt", "json"}
            found += [(members[f"{n}.txt"].decode(), members[f"{n}.png"]) for n in names]
        return found
    parquet = pytest.importorskip("pyarrow.parquet", reason="needs hwgen[parquet]")
    tables = [parquet.ParquetFile(path).read() for path in sorted(out.glob("*.parquet"))]
    return [(row["label"], row["image"]["bytes"]) for one in tables for row in one.to_pylist()]


@pytest.mark.parametrize("format", FORMATS)
def test_every_format_is_read_back(
    make_store: MakeStore, corpus: Path, tmp_path: Path, format: str
) -> None:
    done = written(make_store().path, corpus, tmp_path / "out", format)
    found = read(format, tmp_path / "out")
    assert len(found) == done.records[""] == 11
    others = read("paddle", _again(tmp_path, make_store, corpus))
    assert found == others
    text = corpus.read_text("utf-8")
    for label, png in found:
        assert 1 <= len(label) <= 6
        assert label in " ".join(text.split())
        image = pixels(png)
        assert image.shape[0] == 64
        assert image.shape[1] > 20 * len(label.replace(" ", "").strip("，！"))
        assert image.min() < 120 < 200 < np.median(image)


def _again(tmp_path: Path, make_store: MakeStore, corpus: Path) -> Path:
    """The same lines as `paddle`, of an equal store elsewhere, in one shard."""
    out = tmp_path / "again"
    written(make_store("equal").path, corpus, out, shards=Shards())
    return out


@pytest.mark.filterwarnings("ignore")
def test_hugging_face_reads_images_and_texts(
    make_store: MakeStore, corpus: Path, tmp_path: Path
) -> None:
    datasets = pytest.importorskip("datasets", reason="needs hwgen[test-formats]")
    written(make_store().path, corpus, tmp_path / "out", "parquet")
    files = [str(path) for path in sorted((tmp_path / "out").glob("*.parquet"))]
    loaded = datasets.load_dataset(
        "parquet", data_files=files, cache_dir=str(tmp_path / "cache"), split="train"
    )
    assert loaded.features["label"].dtype == "string"
    found = [(one["label"], np.asarray(one["image"])) for one in loaded]
    for (label, image), (expected, png) in zip(
        found, read("parquet", tmp_path / "out"), strict=True
    ):
        assert label == expected
        np.testing.assert_array_equal(image, pixels(png))


def test_hwgen_reads_lines_whose_labels_are_texts(
    make_store: MakeStore, corpus: Path, tmp_path: Path
) -> None:
    written(make_store().path, corpus, tmp_path / "out")
    labels = [label for label, _ in read("paddle", tmp_path / "out")]
    report = prepare_images([tmp_path / "out"], tmp_path / "back", framing=Framing(64), channels=1)
    assert not report.bad_records
    back = Store(tmp_path / "back")
    assert [back.record(n).label for n in range(len(back))] == labels
    assert back.data_kind == "real"  # although their punctuation is simulated


def test_the_description_says_where_lines_come_from(
    make_store: MakeStore, corpus: Path, tmp_path: Path
) -> None:
    store = make_store(origin={"kind": "strokes", "simulated": True, "notice": "By a test"})
    done = written(store.path, corpus, tmp_path / "out")
    assert (done.synthetic, done.simulated, done.notice) == (False, True, "By a test")
    assert done.generated
    assert done.store["content_sha256"] == store.manifest.content_sha256
    assert done.lines["missing"] == {"月": 1}
    assert done.lines["simulated_marks"] == "2！，"
    assert set(done.charset) == set("2一丨十口日！，")
    assert (tmp_path / "out" / "dict.txt").read_text("utf-8").split("\n")[:-1] == done.charset
    found = json.loads((tmp_path / "out" / ".export.json").read_text("utf-8"))
    assert found == done.to_json()
    with open(tmp_path / "out" / "provenance.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["writer"] for row in rows} <= {"w1", "w2", "w3"}
    assert {row["class_id"] for row in rows} == {""}
    assert {row["source"] for row in rows} == {
        f"lines of store {store.manifest.content_sha256[:16]} seed 4"
    }


def test_lines_of_real_characters_alone_are_real(make_store: MakeStore, tmp_path: Path) -> None:
    corpus = tmp_path / "plain.txt"
    corpus.write_text("一丨十口", "utf-8")
    done = written(make_store().path, corpus, tmp_path / "out")
    assert (done.synthetic, done.simulated) == (False, False)
    other = make_store("made", origin={"kind": "synthetic"})
    assert written(other.path, corpus, tmp_path / "out2").synthetic


@pytest.mark.parametrize("format", FORMATS)
def test_lines_stopped_anywhere_are_the_uninterrupted_ones(
    make_store: MakeStore, corpus: Path, tmp_path: Path, format: str
) -> None:
    place = make_store().path
    written(place, corpus, tmp_path / "whole", format)
    stops = 0
    for asked in range(20):
        calls = iter(range(40))
        done = write_lines(
            place, corpus, tmp_path / "out", format=format, options=OPTIONS, shards=SMALL,
            control=Control(stop=lambda calls=calls, asked=asked: next(calls) == asked % 3 + 1),
        )  # fmt: skip
        if done is not None:
            break
        stops += 1
        assert not (tmp_path / "out").exists()
    assert stops > 0
    assert read(format, tmp_path / "out") == read(format, tmp_path / "whole")


def test_real_characters_with_punctuation_are_real(
    make_store: MakeStore, corpus: Path, tmp_path: Path
) -> None:
    done = written(make_store(origin={"kind": "gnt"}).path, corpus, tmp_path / "out")
    assert done.lines["simulated_marks"] == "2！，"
    assert (done.synthetic, done.simulated, done.generated) == (False, False, False)


def test_a_finished_export_is_returned_and_another_refused(
    make_store: MakeStore, corpus: Path, tmp_path: Path
) -> None:
    place, out = make_store().path, tmp_path / "out"
    done = written(place, corpus, out)
    assert written(place, corpus, out).to_json() == done.to_json()
    other = replace(OPTIONS, seed=5)
    with pytest.raises(InputError, match=r"lines\.seed: 4 -> 5"):
        written(place, corpus, out, options=other)
    before = read("paddle", out)
    assert written(place, corpus, out, options=other, overwrite=True).recipe != done.recipe
    assert read("paddle", out) != before


def test_other_options_do_not_continue_what_was_begun(
    make_store: MakeStore, corpus: Path, tmp_path: Path
) -> None:
    place = make_store().path
    stopped = write_lines(
        place, corpus, tmp_path / "out", format="paddle", options=OPTIONS,
        control=Control(stop=lambda: True),
    )  # fmt: skip
    assert stopped is None
    with pytest.raises(RecipeChangedError, match="looks"):
        write_lines(
            place, corpus, tmp_path / "out", format="paddle", options=replace(OPTIONS, looks=())
        )


def test_more_lines_begin_with_the_same_ones(
    make_store: MakeStore, corpus: Path, tmp_path: Path
) -> None:
    place = make_store().path
    written(place, corpus, tmp_path / "few")
    seen: list[tuple[float, float]] = []
    written(
        place, corpus, tmp_path / "many", options=replace(OPTIONS, count=40),
        control=Control(lambda done, total, note: seen.append((done, total))),
    )  # fmt: skip
    assert read("paddle", tmp_path / "many")[:11] == read("paddle", tmp_path / "few")
    assert seen[-1] == (40, 40)
    assert seen == sorted(seen)


def test_without_a_count_each_text_is_taken_once(
    make_store: MakeStore, corpus: Path, tmp_path: Path
) -> None:
    done = written(make_store().path, corpus, tmp_path / "out", options=LineOptions())
    labels = sorted(label for label, _ in read("paddle", tmp_path / "out"))
    assert labels == sorted(["一丨十，口日！", "十一", "2 日口", "口 丨"])
    assert done.lines["texts"] == 4


def test_a_contact_sheet(make_store: MakeStore, corpus: Path, tmp_path: Path) -> None:
    written(make_store().path, corpus, tmp_path / "out", sheet=tmp_path / "sheet.png")
    with PilImage.open(tmp_path / "sheet.png") as sheet:
        assert sheet.size[1] == 2 + 11 * 66
        widest = max(pixels(png).shape[1] for _, png in read("paddle", tmp_path / "out"))
        assert sheet.size[0] == widest + 4


@pytest.mark.parametrize("format", ["folder", "gnt"])
def test_formats_of_single_characters_are_refused(
    make_store: MakeStore, corpus: Path, tmp_path: Path, format: str
) -> None:
    with pytest.raises(InputError, match="ocr-lmdb, paddle, webdataset, parquet"):
        written(make_store().path, corpus, tmp_path / "out", format)


@pytest.mark.parametrize("count", [0, 1 << 40])
def test_impossible_counts_are_refused(count: int) -> None:
    with pytest.raises(InputError, match="lines"):
        LineOptions(count=count)


def test_a_refiner_writes_each_line_in_one_hand(toy_run: Run, corpus: Path, tmp_path: Path) -> None:
    done = written(toy_run.path, corpus, tmp_path / "out", "ocr-lmdb")
    assert (done.synthetic, done.generated) == (True, True)
    # 口 has strokes but no sample; 日 has no strokes.
    assert set(done.charset) >= set("一丨十口")
    assert set(done.lines["missing"]) == {"日", "月"}
    assert done.notice
    assert done.store["origin"]["provenance"].startswith("run ")
    written(toy_run.path, corpus, tmp_path / "other", "ocr-lmdb", shards=Shards())
    found, other = (read("ocr-lmdb", tmp_path / name) for name in ("out", "other"))
    assert [label for label, _ in found] == [label for label, _ in other]
    for (_, a), (_, b) in zip(found, other, strict=True):
        np.testing.assert_array_equal(pixels(a), pixels(b))


def test_other_strokes_make_other_characters(toy_run: Run, tmp_path: Path) -> None:
    few = ToyStrokes({"刁": TOY_STROKES["刁"]})
    source = open_source(toy_run.path, "刁口月", SourceOptions(strokes=few))
    assert source.characters.known == {"刁"}


def test_a_gan_writes_lines_too(gan_run: Run, tmp_path: Path) -> None:
    source = open_source(gan_run.path, "一月", SourceOptions(device="cpu"))
    assert source.synthetic
    assert source.characters.known == {"一", "丨", "十"}
    texts = ["一十一", "十一"]
    lines = source.characters.write(texts, 5, 0)
    assert [line.writer for line in lines] == ["hand-0005-seed-0", "hand-0006-seed-0"]
    assert all(glyph for line in lines for glyph in line.glyphs)


def test_the_simulator_writes_lines(corpus: Path, tmp_path: Path) -> None:
    source = SourceOptions(strokes=ToyStrokes(TOY_STROKES))
    options = replace(OPTIONS, source=source, layout=Layout(height=96))
    done = written(Path("simulated"), corpus, tmp_path / "out", options=options)
    assert (done.synthetic, done.simulated, done.generated) == (False, True, True)
    assert done.notice
    assert done.store["size"] == 96
    assert set(done.lines["missing"]) == {"日", "月"}
    assert done.lines["simulated_marks"] == "，"
    report = prepare_images([tmp_path / "out"], tmp_path / "back", framing=Framing(64), channels=1)
    assert not report.bad_records
    assert Store(tmp_path / "back").data_kind == "simulated"
    again = written(Path("simulated"), corpus, tmp_path / "again", options=options)
    assert again.recipe == done.recipe
    assert read("paddle", tmp_path / "again") == read("paddle", tmp_path / "out")


def test_a_store_named_as_the_simulator_is_a_store(
    make_store: MakeStore, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_store("simulated")
    monkeypatch.chdir(tmp_path)
    assert not written(Path("simulated"), corpus, tmp_path / "out").simulated


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "trian",
            "no store, run or exported model here: there is no such file .* Did you mean .*n",
        ),
        ("none", "none: no store, .* Give one of these, or simulated: the simulator, which needs"),
        ("empty", "empty: no store, run or exported model here: it is none of them. Give one of"),
        ("raw", "raw: .* here: it contains GNT files, for hwgen prepare-gnt"),
    ],
)
def test_what_is_no_source_is_refused_with_what_can_be_given(
    make_store: MakeStore, tmp_path: Path, name: str, message: str
) -> None:
    make_store("train")
    (tmp_path / "empty").mkdir()
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "1001.gnt").touch()
    with pytest.raises(InputError, match=message):
        open_source(tmp_path / name, "一", SourceOptions())


def test_options_that_do_not_fit_the_source_are_refused(
    toy_run: Run, make_store: MakeStore, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="--writers"):
        open_source(toy_run.path, "一", SourceOptions(writers="1"))
    with pytest.raises(InputError, match="--strokes"):
        open_source(make_store().path, "一", SourceOptions(strokes=ToyStrokes(TOY_STROKES)))
    with pytest.raises(InputError, match="--writers"):
        open_source(Path("simulated"), "一", SourceOptions(writers="1"))
    with pytest.raises(InputError, match="--snapshot"):
        open_source(Path("simulated"), "一", SourceOptions(snapshot="best"))


def test_a_generator_without_hands_is_refused(
    toy_run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hwgen.lines.source.get_kind", lambda *_: get_kind("deformation"))
    with pytest.raises(InputError, match="deformation model cannot write a whole line"):
        open_source(toy_run.path, "一", SourceOptions())
