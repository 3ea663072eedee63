import contextlib
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import lmdb
import pytest

from hwgen.errors import RecipeChangedError, StoreError
from hwgen.store import StoreWriter, is_store, partial_path, remove_leftovers
from hwgen.store.staging import StoreStaging
from tests.store.small_stores import RECIPE, SIZE, assert_holds, record, write


def test_leaving_without_finish_leaves_nothing(tmp_path: Path) -> None:
    with StoreWriter(tmp_path / "s", size=SIZE, recipe=RECIPE) as writer:
        writer.add(record(0))
        assert not is_store(tmp_path / "s")
        assert partial_path(tmp_path / "s").is_dir()
    assert list(tmp_path.iterdir()) == []


def test_a_note_is_kept_with_the_blocks(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with StoreWriter(path, size=SIZE, recipe=RECIPE, resumable=True) as writer:
        assert writer.note is None
        for n in range(2100):
            writer.note = {"begun": n}
            writer.add(record(n))
    with StoreWriter(path, size=SIZE, recipe=RECIPE, resumable=True) as writer:
        assert writer.note == {"begun": 2047}  # as the last whole block was written
        assert writer.count == 2048


def test_a_resumable_writer_goes_on_where_whole_blocks_end(tmp_path: Path) -> None:
    path, whole = tmp_path / "s", write(tmp_path / "whole", 2600)
    with StoreWriter(path, size=SIZE, recipe=RECIPE, resumable=True) as writer:
        for n in range(2100):
            writer.add(record(n))
    assert not is_store(path)
    with StoreWriter(path, size=SIZE, recipe=RECIPE, resumable=True) as writer:
        assert writer.count == 2048
        for n in range(2048, 2600):
            writer.add(record(n))
        store = writer.finish(origin={"kind": "test"})
    assert store.manifest.content_sha256 == whole.manifest.content_sha256
    assert store.manifest.class_counts == whole.manifest.class_counts
    assert store.manifest.tables == whole.manifest.tables


@pytest.mark.parametrize(
    "change", [{"recipe": {"kind": "other"}}, {"size": 9}, {"channels": 3}, {"resumable": False}]
)
def test_a_partial_store_of_another_recipe_is_refused_or_discarded_when_told(
    tmp_path: Path, change: dict[str, Any]
) -> None:
    with StoreWriter(tmp_path / "s", size=SIZE, recipe=RECIPE, resumable=True) as writer:
        for n in range(1500):
            writer.add(record(n))
    options = {"size": SIZE, "recipe": RECIPE, "resumable": True, **change}
    with pytest.raises(RecipeChangedError, match=f"{next(iter(change))}.*->"):
        StoreWriter(tmp_path / "s", **options)
    with StoreWriter(tmp_path / "s", size=SIZE, recipe=RECIPE, resumable=True) as writer:
        assert writer.count == 1024
    with StoreWriter(tmp_path / "s", overwrite=True, **options) as writer:
        assert writer.count == 0


def test_what_a_killed_writer_that_cannot_resume_left_is_thrown_away(tmp_path: Path) -> None:
    writer = StoreWriter(tmp_path / "s", size=SIZE, recipe=RECIPE)
    left = tmp_path / "left"
    shutil.copytree(partial_path(tmp_path / "s"), left)
    writer.__exit__(None, None, None)
    left.rename(partial_path(tmp_path / "s"))
    assert_holds(write(tmp_path / "s", 3), 3)


def test_killed_before_it_has_its_name_a_whole_store_is_gone_on_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(place: StoreStaging) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(StoreStaging, "give_name", killed)
        with pytest.raises(KeyboardInterrupt):
            write(tmp_path / "s", 1100, resumable=True)
    assert (partial_path(tmp_path / "s") / "manifest.json").exists()
    with StoreWriter(tmp_path / "s", size=SIZE, recipe=RECIPE, resumable=True) as writer:
        assert writer.count == 1024
    assert_holds(write(tmp_path / "s", 1100, resumable=True), 1100)


def test_what_a_kill_after_the_last_step_left_is_swept_away(tmp_path: Path) -> None:
    header = json.dumps({"resumable": False, "size": SIZE, "channels": 1, "recipe": RECIPE})
    for again in (lambda: remove_leftovers(tmp_path / "s"), lambda: write(tmp_path / "s")):
        write(tmp_path / "s", overwrite=True)
        (tmp_path / "s" / "recipe.json").write_text(header)
        (tmp_path / ".s.hwgen-lock").touch()
        with contextlib.suppress(StoreError):  # the store is there already
            again()
        assert [entry.name for entry in tmp_path.iterdir()] == ["s"]
        assert {entry.name for entry in (tmp_path / "s").iterdir()} == {"data.mdb", "manifest.json"}


def test_a_store_that_another_process_replaces_is_not_swept(tmp_path: Path) -> None:
    write(tmp_path / "s")
    with StoreWriter(tmp_path / "s", size=SIZE, recipe=RECIPE, overwrite=True):
        remove_leftovers(tmp_path / "s")
        assert (tmp_path / ".s.hwgen-lock").exists()


def test_an_unfinished_store_without_a_readable_header_is_refused(tmp_path: Path) -> None:
    with StoreWriter(tmp_path / "s", size=SIZE, recipe=RECIPE, resumable=True) as writer:
        for n in range(1100):
            writer.add(record(n))
    (partial_path(tmp_path / "s") / "recipe.json").write_text("{")
    with pytest.raises(StoreError, match=r"s\.partial is in the way; hwgen did not make it"):
        write(tmp_path / "s", 3, resumable=True)
    assert (partial_path(tmp_path / "s") / "data.mdb").exists()


HOLD = """
import sys
from hwgen.store import StoreWriter
with StoreWriter(sys.argv[1], size=8, recipe={}):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_another_process_that_writes_keeps_us_out(tmp_path: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / "s")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(StoreError, match="another process is writing this store"):
            write(tmp_path / "s")
        assert partial_path(tmp_path / "s").is_dir()
        holder.communicate(b"")
    assert_holds(write(tmp_path / "s"), 5)


def test_a_damaged_partial_store_is_not_continued(tmp_path: Path) -> None:
    with StoreWriter(tmp_path / "s", size=SIZE, recipe=RECIPE, resumable=True) as writer:
        for n in range(3000):
            writer.add(record(n))
    data = partial_path(tmp_path / "s") / "data.mdb"
    data.write_bytes(data.read_bytes()[:30_000])
    for _ in range(2):  # the lock is free after the first refusal
        with pytest.raises(StoreError, match=r"cannot be continued .*Remove s\.partial"):
            StoreWriter(tmp_path / "s", size=SIZE, recipe=RECIPE, resumable=True)
    assert data.exists()
    with StoreWriter(
        tmp_path / "s", size=SIZE, recipe={"kind": "other"}, resumable=True, overwrite=True
    ) as writer:
        assert writer.count == 0


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        (b"{", "Expecting property name"),
        (b"\xff", "utf-8"),
        (b"[]", "saved should be an object"),
        (b'{"blocks": 1}', r"saved lacks the fields \['labels', 'writers', 'sources'\]"),
        (b'{"blocks": "1", "labels": [], "writers": [], "sources": []}', "blocks should be int"),
        (b'{"blocks": 9, "labels": [], "writers": [], "sources": []}', "it has no block 8"),
    ],
)
def test_an_unfinished_store_that_contradicts_itself_is_not_continued(
    tmp_path: Path, tables: bytes, message: str
) -> None:
    with StoreWriter(tmp_path / "s", size=SIZE, recipe=RECIPE, resumable=True) as writer:
        for n in range(1100):
            writer.add(record(n))
    partial = partial_path(tmp_path / "s")
    with lmdb.open(str(partial), lock=False) as env, env.begin(write=True) as txn:
        txn.put(b"tables", tables)
    for _ in range(2):  # the lock is free after the first refusal, and the file closed
        with pytest.raises(StoreError, match=rf"continued \(.*{message}.*Remove s\.partial"):
            StoreWriter(tmp_path / "s", size=SIZE, recipe=RECIPE, resumable=True)
    assert (partial / "data.mdb").exists()
