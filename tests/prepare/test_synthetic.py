"""What a generator made stays synthetic, and what is simulated simulated, in every format."""

import json
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest

from hwgen.errors import InputError
from hwgen.exports import Selection, export_store
from hwgen.imaging.framing import Framing
from hwgen.prepare import REPORT_FILE, PrepareReport, prepare_gnt, prepare_images
from hwgen.recogniser.store_checks import check_real
from hwgen.record import Record
from hwgen.sources.provenance import MARKER
from hwgen.sources.simulation.gnt_folder import simulate
from hwgen.store import Store, StoreWriter
from hwgen.store.origin import notice, summary
from tests.image_files import encoded, photo, put
from tests.strokes import Drawn

FRAMING = Framing(8, margin=0)
FORMATS = ["folder", "ocr-lmdb", "paddle", "parquet", "gnt"]


def store_of(path: Path, kind: str) -> Store:
    rng = np.random.default_rng(len(kind))
    with StoreWriter(path, size=8, recipe={}) as writer:
        for n in range(12):
            image = rng.integers(0, 256, (8, 8), dtype=np.uint8)
            writer.add(Record(image, "永一"[n % 2], f"00{n % 4}", "run x", n))
        return writer.finish(origin={"kind": kind})


def prepared(format: str, *inputs: Path, out: Path) -> tuple[Store, PrepareReport]:
    prepare = prepare_gnt if format == "gnt" else prepare_images
    report = prepare(inputs, out, framing=FRAMING)
    return Store(out), report


@pytest.fixture(params=FORMATS)
def format(request: pytest.FixtureRequest) -> str:
    if request.param == "parquet":
        pytest.importorskip("pyarrow")
    return str(request.param)


@pytest.mark.parametrize("kind", ["synthetic", "gnt"])
def test_an_export_comes_back_as_what_it_was(tmp_path: Path, format: str, kind: str) -> None:
    store = store_of(tmp_path / "store", kind)
    export_store(store, format, tmp_path / "out")
    back, report = prepared(format, tmp_path / "out", out=tmp_path / "back")
    assert back.is_synthetic == store.is_synthetic == report.synthetic
    told = json.loads((tmp_path / "back" / REPORT_FILE).read_text("utf-8"))
    assert told["synthetic"] == store.is_synthetic
    if kind == "synthetic":
        with pytest.raises(InputError, match="the test store holds synthetic samples"):
            check_real(back, what="the test store", remedy="")
    # And once more.
    export_store(back, format, tmp_path / "second")
    again, _ = prepared(format, tmp_path / "second", out=tmp_path / "again")
    assert again.is_synthetic == store.is_synthetic


def test_a_part_or_a_file_of_an_export_too(tmp_path: Path, format: str) -> None:
    store = store_of(tmp_path / "store", "synthetic")
    halves = Selection(split=(("a", 0.5), ("b", 0.5)))
    export_store(store, format, tmp_path / "out", selection=halves)
    part = tmp_path / "out" / "a"
    one = {
        "folder": min(part.glob("U+*"), default=part),
        "ocr-lmdb": part / "data.mdb",
        "paddle": part / "label.txt",
        "parquet": part / "a-000000.parquet",
        "gnt": min(part.glob("*.gnt"), default=part),
    }[format]
    (tmp_path / "link").symlink_to(part, target_is_directory=True)
    for n, given in enumerate((part, one, tmp_path / "link")):
        assert prepared(format, given, out=tmp_path / f"back{n}")[0].is_synthetic


@pytest.mark.parametrize("format", ["folder", "gnt"])
def test_a_zip_of_an_export_too(tmp_path: Path, format: str) -> None:
    for kind in ("synthetic", "real"):
        export_store(store_of(tmp_path / f"{kind}.store", kind), format, tmp_path / "both" / kind)
    export_store(Store(tmp_path / "synthetic.store"), format, tmp_path / "one")
    for name in ("both", "one"):
        with zipfile.ZipFile(tmp_path / f"{name}.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            for path in sorted((tmp_path / name).rglob("*")):
                archive.write(path, path.relative_to(tmp_path / name))
        shutil.move(tmp_path / name, tmp_path / f"{name} unpacked")
    assert prepared(format, tmp_path / "one.zip", out=tmp_path / "a")[0].is_synthetic
    if format == "folder":
        for kind in ("synthetic", "real"):
            given = Path(f"{tmp_path / 'both.zip'}!{kind}")
            back, _ = prepared(format, given, out=tmp_path / f"{kind}.back")
            assert back.is_synthetic == (kind == "synthetic")


def test_real_mixed_with_synthetic_is_synthetic(tmp_path: Path) -> None:
    inputs = []
    for kind in ("real", "synthetic"):
        store = store_of(tmp_path / f"{kind}.store", kind)
        export_store(store, "folder", tmp_path / kind)
        inputs.append(tmp_path / kind)
    assert prepared("folder", *inputs, out=tmp_path / "both")[0].is_synthetic
    assert not prepared("folder", inputs[0], out=tmp_path / "one")[0].is_synthetic


def test_neighbours_of_an_export_are_not_its(tmp_path: Path) -> None:
    store = store_of(tmp_path / "store", "synthetic")
    export_store(store, "gnt", tmp_path / "home" / "out")
    shutil.copy(next((tmp_path / "home" / "out").glob("*.gnt")), tmp_path / "home" / "mine.gnt")
    given = tmp_path / "home" / "mine.gnt"
    assert not prepared("gnt", given, out=tmp_path / "back")[0].is_synthetic


@pytest.mark.parametrize(
    "damaged", [b"", b"{", b"[]", b"{}", b'{"synthetic": 0}', b'{"synthetic": "no"}', b"\xff"]
)
@pytest.mark.parametrize("zipped", [False, True])
def test_a_damaged_marker_is_refused(tmp_path: Path, damaged: bytes, zipped: bool) -> None:
    out = tmp_path / "out"
    export_store(store_of(tmp_path / "store", "gnt"), "folder", out)
    (out / MARKER).write_bytes(damaged)
    given = out
    if zipped:
        given = tmp_path / "out.zip"
        with zipfile.ZipFile(given, "w") as archive:
            for path in sorted(out.rglob("*")):
                archive.write(path, path.relative_to(tmp_path))
    with pytest.raises(InputError, match=r"\.export\.json: is not an export's desc.*remove this"):
        prepared("folder", given, out=tmp_path / "back")
    assert not (tmp_path / "back").exists()
    (out / MARKER).unlink()
    assert not prepared("folder", out, out=tmp_path / "back")[0].is_synthetic


def test_simulated_writers_stay_simulated(tmp_path: Path, format: str) -> None:
    strokes = Drawn()
    simulate(tmp_path / "set", characters="十刁", writers=range(1, 4), seed=0, strokes=strokes)
    store, report = prepared("gnt", tmp_path / "set", out=tmp_path / "store")
    assert (store.data_kind, store.is_synthetic, report.simulated) == ("simulated", False, True)
    export_store(store, format, tmp_path / "out")
    back, _ = prepared(format, tmp_path / "out", out=tmp_path / "back")
    assert back.data_kind == "simulated"
    for one in (store, back):
        assert one.manifest.origin["notice"] == strokes.notice
        assert summary(one.manifest.origin)["notice"] == strokes.notice
    assert notice({"of_origin": back.manifest.origin}) == strokes.notice
    (tmp_path / "set" / MARKER).unlink()  # of a set from before there was one
    again, report = prepared("gnt", tmp_path / "set", out=tmp_path / "again")
    assert (again.data_kind, report.simulated) == ("real", False)
    assert notice(again.manifest.origin) == ""


def test_links_hide_no_synthetic_images(tmp_path: Path) -> None:
    made, mine = tmp_path / "made", tmp_path / "mine"
    put(made / "train" / "一" / "1.png", encoded(photo(0)))
    put(mine / "二" / "1.png", encoded(photo(1)))
    (made / MARKER).write_text('{"synthetic": true}')
    (mine / "二" / "2.png").symlink_to(made / "train" / "一" / "1.png")
    assert prepare_images([mine], tmp_path / "1", framing=FRAMING).synthetic
    (mine / "二" / "2.png").unlink()
    assert not prepare_images([mine], tmp_path / "2", framing=FRAMING).synthetic
    (mine / "一").symlink_to(made / "train" / "一")
    assert prepare_images([mine], tmp_path / "3", framing=FRAMING).synthetic
    (mine / "一").unlink()
    (made / "train" / "二").symlink_to(mine / "二")
    assert prepare_images([made], tmp_path / "4", framing=FRAMING).synthetic
