"""Where a store may be written, and what is left alone there."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from hwgen.errors import StoreError
from hwgen.io.neighbours import WITHIN, lock_path, partial_path, replaced_path, temporary_path
from hwgen.prepare.report import REPORT_FILE
from hwgen.record import Record
from hwgen.store import Store, StoreWriter, check_place, looks_like_store
from hwgen.store.layout import FILES
from hwgen.synthesis.acceptance import FILE as YIELD
from tests.foreign import FOREIGN, assert_untouched, put


def write(path: Path, *, count: int = 3, overwrite: bool = False, resumable: bool = False) -> Store:
    with StoreWriter(
        path, size=8, recipe={"n": count}, overwrite=overwrite, resumable=resumable
    ) as writer:
        for n in range(count):
            writer.add(Record(np.full((8, 8), n, np.uint8), "一", "", "f", n))
        return writer.finish(origin={"kind": "test"})


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


STORE = ["data.mdb", "manifest.json"]


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("resumable", [False, True])
@pytest.mark.parametrize("kind", FOREIGN)
@pytest.mark.parametrize("place", [partial_path, replaced_path, lock_path])
def test_foreign_neighbours_are_refused_or_ignored_and_untouched(
    place: Callable[[Path], Path], kind: str, resumable: bool, overwrite: bool, tmp_path: Path
) -> None:
    path = tmp_path / "s"
    if overwrite:
        write(path, count=2)
    mine = put(kind, place(path))
    if place is replaced_path and not overwrite:
        assert len(write(path, resumable=resumable)) == 3
    else:
        with pytest.raises(StoreError, match=r"did not make it\)\. Move it away, or give another"):
            write(path, overwrite=overwrite, resumable=resumable)
        assert not overwrite or len(Store(path)) == 2
    assert_untouched(kind, mine)


def test_locks_of_other_programs_are_no_concern(tmp_path: Path) -> None:
    for name in ("poetry.lock", "poetry.tmp"):
        (tmp_path / name).write_text("mine")
    write(tmp_path / "poetry")
    assert {(tmp_path / name).read_text() for name in ("poetry.lock", "poetry.tmp")} == {"mine"}


@pytest.mark.parametrize("name", ["notes.txt", "more", "recipe.json", ".hidden"])
def test_a_store_with_a_users_files_is_not_replaced(name: str, tmp_path: Path) -> None:
    path = write(tmp_path / "s").path
    if name == "more":
        (path / name).mkdir()
    else:
        (path / name).write_text('{"mine": 1}')
    if name == "recipe.json":  # hwgen's own name for an unfinished store's settings
        (path / name).rename(path / "recipe.txt")
        name = "recipe.txt"
    with pytest.raises(StoreError, match=rf"a file that hwgen did not make: {name}.*Move it"):
        write(path, count=5, overwrite=True)
    assert (path / name).exists()
    assert len(Store(path)) == 3
    (path / name).rename(tmp_path / "elsewhere")
    (path / ".DS_Store").touch()
    assert len(write(path, count=5, overwrite=True)) == 5


def test_an_unfinished_store_with_a_users_file_is_not_discarded(tmp_path: Path) -> None:
    writer = StoreWriter(tmp_path / "s", size=8, recipe={}, resumable=True)
    writer.__exit__(None, None, None)
    (partial_path(tmp_path / "s") / "notes.txt").write_text("mine")
    with pytest.raises(StoreError, match=r"notes\.txt is in the way"):
        write(tmp_path / "s", overwrite=True)
    assert (partial_path(tmp_path / "s") / "notes.txt").read_text() == "mine"


def test_what_a_kill_leaves_in_an_unfinished_store_is_its_own(tmp_path: Path) -> None:
    writer = StoreWriter(tmp_path / "s", size=8, recipe={}, resumable=True)
    writer.__exit__(None, None, None)
    for name in FILES:
        temporary_path(partial_path(tmp_path / "s") / name).touch()
    write(tmp_path / "s", overwrite=True)
    assert names(tmp_path) == ["s"]
    assert names(tmp_path / "s") == STORE


def test_another_programs_recipe_is_no_unfinished_store(tmp_path: Path) -> None:
    partial = partial_path(tmp_path / "s")
    partial.mkdir()
    (partial / "recipe.json").write_text('{"flour": "500 g"}')
    with pytest.raises(StoreError, match=r"s\.partial is in the way"):
        write(tmp_path / "s")
    assert names(partial) == ["recipe.json"]


def test_an_unfinished_store_of_an_older_version_is_recognised(tmp_path: Path) -> None:
    partial = partial_path(tmp_path / "s")
    partial.mkdir()
    header = {"resumable": False, "size": 8, "channels": 1, "recipe": {}}
    (partial / "recipe.json").write_text(json.dumps(header))
    write(tmp_path / "s")
    assert names(tmp_path) == ["s"]


@pytest.mark.parametrize("resumable", [False, True])
def test_an_empty_folder_a_link_to_one_and_the_current_folder_are_filled(
    resumable: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("empty", "here"):
        (tmp_path / name).mkdir()
    (tmp_path / "link").symlink_to("empty")
    assert len(write(tmp_path / "link", resumable=resumable)) == 3
    monkeypatch.chdir(tmp_path / "here")
    assert len(write(Path(), resumable=resumable)) == 3
    assert names(tmp_path / "empty") == names(tmp_path / "here") == STORE
    assert names(tmp_path) == ["empty", "here", "link"]
    assert (tmp_path / "link").is_symlink()
    for place in (Path(), Path("..") / "here"):
        with pytest.raises(StoreError, match="a store is already there"):
            write(place)


def test_a_store_in_place_is_unfinished_until_its_manifest_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "s"
    path.mkdir()
    writer = StoreWriter(path, size=8, recipe={"n": 3}, resumable=True)
    writer.__exit__(None, None, None)
    assert names(path) == [WITHIN]
    with pytest.raises(StoreError, match="is unfinished"):
        Store(path)
    rename = Path.rename

    def killed(old: Path, new: Path) -> Path:
        if old.name == "manifest.json" and old.parent.name == WITHIN:
            raise KeyboardInterrupt
        return rename(old, new)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", killed)
        with pytest.raises(KeyboardInterrupt):
            write(path, resumable=True)
    assert names(path) == [WITHIN, "data.mdb"]
    with pytest.raises(StoreError, match="is unfinished"):
        Store(path)
    assert len(write(path, resumable=True)) == 3
    assert names(path) == STORE
    assert names(tmp_path) == ["s"]


def test_a_link_to_a_store_is_followed_when_it_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    write(tmp_path / "disk" / "s")
    (tmp_path / "link").symlink_to(tmp_path / "disk" / "s")
    assert len(write(tmp_path / "link", count=5, overwrite=True)) == 5
    assert (tmp_path / "link").is_symlink()
    assert names(tmp_path) == ["disk", "link"]
    assert names(tmp_path / "disk") == ["s"]


def test_the_folder_above_need_not_be_writable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, access = tmp_path / "s", os.access
    path.mkdir()
    monkeypatch.setattr(os, "access", lambda at, mode: at != tmp_path and access(at, mode))
    assert lock_path(path).parent == path
    write(path)
    assert names(path) == STORE


def test_impossible_places_are_refused_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "dangling").symlink_to("nowhere")
    (tmp_path / "file").write_text("mine")
    for path, message in (
        (tmp_path / "dangling", "a link to nothing.*Create the folder"),
        (tmp_path / "file", "is not a store"),
        (tmp_path / ("x" * 256), "too long.*shorter name"),
        (Path(".."), "is not a store"),
        (Path("/"), "is not a store"),
    ):
        with pytest.raises(StoreError, match=message):
            check_place(path, overwrite=True)
    store = write(tmp_path / "s").path
    inside = store / "data.mdb"
    for inputs in ([store], [inside]):
        with pytest.raises(StoreError, match="is itself an input"):
            check_place(store, overwrite=True, inputs=inputs)
    monkeypatch.setattr(os.path, "ismount", lambda path: True)
    with pytest.raises(StoreError, match="is a mount point"):
        check_place(store, overwrite=True)


@pytest.mark.parametrize("name", ["x" * 255, "字" * 85])
def test_a_name_of_the_greatest_length_works(tmp_path: Path, name: str) -> None:
    write(tmp_path / name)
    assert len(write(tmp_path / name, count=5, overwrite=True)) == 5
    assert names(tmp_path) == [name]


def test_a_store_that_cannot_be_moved_to_its_place_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "s"
    with StoreWriter(path, size=8, recipe={}) as writer:
        writer.add(Record(np.zeros((8, 8), np.uint8), "一", "", "f", 0))
        path.mkdir()
        (path / "mine").touch()
        with pytest.raises(StoreError, match=r"is finished, but .*It is in .*s\.partial"):
            writer.finish(origin={"kind": "test"})
    assert names(path) == ["mine"]
    shutil.move(partial_path(path), tmp_path / "moved")
    assert len(Store(tmp_path / "moved")) == 1


def test_all_files_of_a_store_are_known() -> None:
    assert {REPORT_FILE, YIELD} <= FILES


def test_an_unfinished_store_is_recognised(tmp_path: Path) -> None:
    partial_path(tmp_path / "s").mkdir()
    assert looks_like_store(tmp_path / "s")
