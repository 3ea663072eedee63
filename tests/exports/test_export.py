import contextlib
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import filelock
import lmdb
import pytest

import hwgen.exports.export
from hwgen.errors import InputError, RecipeChangedError
from hwgen.exports import FORMATS, Selection, Shards, export_store, staging
from hwgen.exports.formats import exporter_named
from hwgen.io.neighbours import lock_path, partial_path, replaced_path
from hwgen.progress import Control
from hwgen.store import Store
from tests.foreign import FOREIGN, assert_untouched, put

from .conftest import MakeStore

SMALL = Shards(records=5)
SPLIT = Selection(split=(("train", 0.5), ("test", 0.5)))


@pytest.fixture(params=FORMATS)
def format(request: pytest.FixtureRequest) -> str:
    if request.param == "parquet":
        pytest.importorskip("pyarrow", reason="needs hwgen[parquet]")
    return str(request.param)


def contents(folder: Path) -> dict[str, Any]:
    """All contents of a directory that a reader can see."""
    found: dict[str, Any] = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.name == "data.mdb":
            # After an interruption, LMDB may use other pages.
            with lmdb.open(str(path.parent), readonly=True, lock=False) as env, env.begin() as txn:
                found[name] = [(bytes(key), bytes(value)) for key, value in txn.cursor()]
        elif path.is_file():
            found[name] = path.read_bytes()
    return found


def test_the_description_matches_the_export(
    make_store: MakeStore, tmp_path: Path, format: str
) -> None:
    store = make_store(kind="synthetic")
    some = Selection(classes=("A", "啊"), split=SPLIT.split)
    seen: list[tuple[int, int]] = []
    done = export_store(
        store,
        format,
        tmp_path / "out",
        selection=some,
        control=Control(lambda done, total, _: seen.append((done, total))),
    )
    assert done is not None
    assert json.loads((tmp_path / "out" / ".export.json").read_text("utf-8")) == done.to_json()
    assert done.charset == ["啊", "A"]
    assert done.synthetic
    assert done.store["content_sha256"] == store.manifest.content_sha256
    assert done.recipe["format"] == format
    assert {"hwgen", "pillow", *FORMATS[format].libraries} <= done.versions.keys()
    assert set(done.records) == {"train", "test"}
    assert seen == sorted(seen)
    assert seen[-1] == (sum(done.records.values()),) * 2
    assert {path.name for path in tmp_path.iterdir()} == {"store", "out"}


def test_an_export_stopped_anywhere_gives_the_uninterrupted_one(
    make_store: MakeStore, tmp_path: Path, format: str
) -> None:
    store = make_store()
    export_store(store, format, tmp_path / "whole", selection=SPLIT, shards=SMALL)
    out = tmp_path / "out"
    stops = 0
    for asked in range(40):
        calls = iter(range(40))
        done = export_store(
            store,
            format,
            out,
            selection=SPLIT,
            shards=SMALL,
            control=Control(stop=lambda calls=calls, asked=asked: next(calls) == asked % 3 + 1),
        )
        if done is not None:
            break
        stops += 1
        assert not out.exists()
    assert stops > 2
    assert contents(out) == contents(tmp_path / "whole")


def test_an_export_without_a_description_restarts(
    make_store: MakeStore, tmp_path: Path, format: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = make_store()
    export_store(store, format, tmp_path / "whole", shards=SMALL)
    out = tmp_path / "out"
    for cut in range(20):
        with contextlib.suppress(KeyboardInterrupt), monkeypatch.context() as patch:
            patch.setattr(hwgen.exports.export, "write_json", cutting(cut))
            export_store(store, format, out, shards=SMALL)
        if out.exists():
            break
    assert cut > 2
    assert contents(out) == contents(tmp_path / "whole")


def cutting(after: int) -> Callable[[Path, Any], None]:
    """A write_json that fails at the third call or, sometimes, at the first."""
    left = [0 if after % 4 == 0 else 2]

    def write(path: Path, value: Any) -> None:
        if not left[0]:
            raise KeyboardInterrupt
        left[0] -= 1
        path.write_text(json.dumps(value, ensure_ascii=False, indent=1), encoding="utf-8")

    return write


def test_a_killed_export_resumes(make_store: MakeStore, tmp_path: Path, format: str) -> None:
    store = make_store()
    export_store(store, format, tmp_path / "whole", shards=SMALL)
    code = """
import os, signal, sys
from hwgen.exports import Shards, export_store
from hwgen.progress import Control
from hwgen.store import Store
store, format, out = sys.argv[1:]
def progress(done, total, note):
    if done >= 13:
        os.kill(os.getpid(), signal.SIGKILL)
export_store(Store(store), format, out, shards=Shards(records=13), control=Control(progress))
"""
    out = tmp_path / "out"
    command = [sys.executable, "-c", code, str(store.path), format, str(out)]
    assert subprocess.run(command, check=False).returncode == -9
    assert (tmp_path / "out.partial").is_dir()
    assert not out.exists()
    done = export_store(store, format, out, shards=Shards(records=13))
    assert done is not None
    other = tmp_path / "other"
    export_store(store, format, other, shards=Shards(records=13))
    assert contents(out) == contents(other)


def test_a_kill_during_clearing_leaves_a_recognisable_export(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    partial, recipe = tmp_path / "out.partial", {"format": "folder"}
    (partial / "folder").mkdir(parents=True)
    for name in ("classes.json", ".export.json", "provenance.csv"):
        (partial / name).write_text(json.dumps({"recipe": recipe}))
    removed: list[str] = []
    unlink = Path.unlink

    def remove(path: Path, missing_ok: bool = False) -> None:
        removed.append(path.name)
        if removed.count(".export.json") == 1:
            raise KeyboardInterrupt
        unlink(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", remove)
    with pytest.raises(KeyboardInterrupt):
        staging.clear(staging.staging_of(tmp_path / "out"), recipe, overwrite=False)
    assert [entry.name for entry in partial.iterdir()] == [".export.json"]
    removed.append(".export.json")
    staging.clear(staging.staging_of(tmp_path / "out"), recipe, overwrite=False)
    assert list(tmp_path.iterdir()) == []


def test_a_replaced_export_left_by_a_kill_is_removed(make_store: MakeStore, tmp_path: Path) -> None:
    store, out, old = make_store(), tmp_path / "out", tmp_path / "out.replaced"
    export_store(store, "gnt", out)
    old.mkdir()
    export_store(store, "gnt", out)
    assert old.exists()  # it may be somebody else's
    export_store(store, "gnt", out, overwrite=True)
    assert not old.exists()


def test_a_finished_export_is_not_written_again(
    make_store: MakeStore, tmp_path: Path, format: str
) -> None:
    store = make_store()
    first = export_store(store, format, tmp_path / "out")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*")}
    assert export_store(store, format, tmp_path / "out") == first
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*")} == before


def test_another_export_is_replaced_only_if_asked(make_store: MakeStore, tmp_path: Path) -> None:
    store, other, out = make_store(), make_store("other", seed=1), tmp_path / "out"
    export_store(store, "gnt", out)
    with pytest.raises(InputError, match=r"(?s)content_sha256: .* -> .*--overwrite"):
        export_store(other, "gnt", out)
    with pytest.raises(InputError, match="format: gnt -> folder"):
        export_store(store, "folder", out)
    assert export_store(other, "folder", out, overwrite=True) is not None
    assert not list(out.glob("*.gnt"))
    assert {path.name for path in tmp_path.iterdir()} == {"store", "other", "out"}


@pytest.mark.parametrize("overwrite", [False, True])
def test_other_directories_are_never_touched(
    make_store: MakeStore, tmp_path: Path, overwrite: bool
) -> None:
    store, place = make_store(), tmp_path / "place"
    (place / "folder").mkdir(parents=True)
    (place / "file").write_text("mine")
    (place / "folder" / ".export.json").write_text("{")
    (place / "new.partial").mkdir()
    (place / "new.partial" / "mine").write_text("mine")
    before = contents(place)
    for out in (store.path, place / "file", place / "folder", ".", "..", "/"):
        with pytest.raises(InputError, match="already exists and is not an export"):
            export_store(store, "gnt", out, overwrite=overwrite)
    with pytest.raises(InputError, match=r"new\.partial is in the way.*Move it away"):
        export_store(store, "gnt", place / "new", overwrite=overwrite)
    assert contents(place) == before
    assert len(Store(store.path)) == len(store)


def test_an_empty_directory_is_used(make_store: MakeStore, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    assert export_store(make_store(), "gnt", tmp_path / "out") is not None


def stopped(store: Store, out: Path) -> None:
    assert export_store(store, "gnt", out, control=Control(stop=lambda: True)) is None


def test_an_unfinished_other_export_is_kept_without_overwrite(
    make_store: MakeStore, tmp_path: Path
) -> None:
    store, out = make_store(), tmp_path / "out"
    stopped(store, out)
    with pytest.raises(RecipeChangedError, match=r"shards\.records: 10000 -> 5"):
        export_store(store, "gnt", out, shards=SMALL)
    assert export_store(store, "gnt", out, shards=SMALL, overwrite=True) is not None


def test_one_process_at_a_time(make_store: MakeStore, tmp_path: Path) -> None:
    store = make_store()
    with (
        filelock.FileLock(str(tmp_path / ".out.hwgen-lock")),
        pytest.raises(InputError, match="another process"),
    ):
        export_store(store, "gnt", tmp_path / "out")
    assert export_store(store, "gnt", tmp_path / "out") is not None


def test_an_unknown_format_and_an_empty_shard_are_refused(
    make_store: MakeStore, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=r"no format 'parket'\. Did you mean parquet"):
        export_store(make_store(), "parket", tmp_path / "out")
    for program in ("PARSeq", "lmdb"):
        with pytest.raises(InputError, match=r"Did you mean ocr-lmdb\?"):
            exporter_named(program)
    for wrong in ((0, 1), (1, 0)):
        with pytest.raises(InputError, match="at least 1 record and 1 byte"):
            Shards(*wrong)


def test_a_full_map_or_disk_is_an_error_and_can_be_resumed(
    make_store: MakeStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, out = make_store(), tmp_path / "out"
    with monkeypatch.context() as patch:
        patch.setattr("hwgen.exports.ocr_lmdb._PAGE", 0)
        patch.setattr("hwgen.exports.records.encode_png", lambda image: bytes(1 << 17))
        with pytest.raises(InputError, match="whether the disk is full"):
            export_store(store, "ocr-lmdb", out)
    assert not out.exists()
    assert export_store(store, "ocr-lmdb", out) is not None


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("kind", FOREIGN)
@pytest.mark.parametrize("place", [partial_path, replaced_path, lock_path])
def test_foreign_neighbours_are_refused_or_ignored_and_untouched(
    make_store: MakeStore,
    place: Callable[[Path], Path],
    kind: str,
    overwrite: bool,
    tmp_path: Path,
) -> None:
    store, out = make_store(), tmp_path / "out"
    if overwrite:
        export_store(store, "paddle", out)
    mine = put(kind, place(out))
    if place is replaced_path and not overwrite:
        assert export_store(store, "gnt", out) is not None
    else:
        with pytest.raises(InputError, match=r"did not make it\)\. Move it away"):
            export_store(store, "gnt", out, overwrite=overwrite)
        assert (out / "label.txt").exists() == overwrite
    assert_untouched(kind, mine)


def test_an_export_with_a_users_files_is_not_replaced(
    make_store: MakeStore, tmp_path: Path, format: str
) -> None:
    store, out = make_store(), tmp_path / "out"
    for selection, folder in ((None, ""), (SPLIT, "test")):
        export_store(store, format, out, selection=selection, overwrite=True)
        for name in ("notes.txt", "000000000.png", "001-f.gnt", "1/000000000.png", "mine.tar"):
            mine = out / folder / name
            mine.parent.mkdir(exist_ok=True)
            mine.write_text("mine")
            with pytest.raises(InputError, match=rf"hwgen did not make: {folder}/?{name}\. Move"):
                export_store(store, format, out, shards=SMALL, overwrite=True)
            assert mine.read_text() == "mine"
            mine.unlink()
            if mine.parent.name == "1":
                mine.parent.rmdir()
    (out / ".DS_Store").touch()
    assert export_store(store, format, out, shards=SMALL, overwrite=True) is not None


def test_an_export_of_an_older_version_lists_no_files_and_is_replaced(
    make_store: MakeStore, tmp_path: Path, format: str
) -> None:
    store, out = make_store(), tmp_path / "out"
    export_store(store, format, out)
    described = json.loads((out / ".export.json").read_text("utf-8"))
    del described["files"]
    (out / ".export.json").write_text(json.dumps(described), encoding="utf-8")
    (out / "notes.txt").touch()
    with pytest.raises(InputError, match=r"did not make: notes\.txt"):
        export_store(store, format, out, shards=SMALL, overwrite=True)
    (out / "notes.txt").unlink()
    assert export_store(store, format, out, shards=SMALL, overwrite=True) is not None


def test_existing_folders_are_filled_in_place(
    make_store: MakeStore, tmp_path: Path, format: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = make_store()
    for name in ("empty", "here"):
        (tmp_path / name).mkdir()
    (tmp_path / "link").symlink_to("empty")
    export_store(store, format, tmp_path / "new")
    export_store(store, format, tmp_path / "link")
    monkeypatch.chdir(tmp_path / "here")
    for _ in range(2):
        assert export_store(store, format, ".") is not None
    for name in ("empty", "here"):
        assert contents(tmp_path / name) == contents(tmp_path / "new")
    export_store(store, format, tmp_path / "link", shards=SMALL, overwrite=True)
    assert (tmp_path / "link").is_symlink()
    assert {path.name for path in tmp_path.iterdir()} == {"store", "empty", "here", "link", "new"}


def test_an_export_in_place_resumes(make_store: MakeStore, tmp_path: Path, format: str) -> None:
    store, out = make_store(), tmp_path / "out"
    out.mkdir()
    steps = iter(range(100))
    control = Control(stop=lambda: next(steps) == 2)
    assert export_store(store, format, out, shards=SMALL, control=control) is None
    assert [path.name for path in out.iterdir()] == [".hwgen-partial"]
    export_store(store, format, out, shards=SMALL)
    export_store(store, format, tmp_path / "new", shards=SMALL)
    assert contents(out) == contents(tmp_path / "new")


def test_an_export_that_cannot_be_moved_to_its_place_is_kept(
    make_store: MakeStore, tmp_path: Path
) -> None:
    store, out = make_store(), tmp_path / "out"

    def appear(done: float, total: float, note: str) -> None:
        out.mkdir(exist_ok=True)
        (out / "mine").touch()

    with pytest.raises(InputError, match=r"is finished, but .*It is in .*out\.partial"):
        export_store(store, "gnt", out, control=Control(progress=appear))
    assert list((tmp_path / "out.partial").glob("*.gnt"))
