import os
from pathlib import Path

import pytest

from hwgen.io.files import atomic_write, write_text
from hwgen.io.locks import file_lock
from hwgen.io.neighbours import (
    BY_SYSTEMS,
    entries,
    lock_path,
    partial_path,
    real_place,
    remove_scratch,
    replaced_path,
    scratch_path,
    temporary_path,
)
from tests.foreign import FOREIGN, assert_untouched, put

PLACES = (partial_path, replaced_path, temporary_path, lock_path, scratch_path)


def test_neighbours_are_marked_and_distinct() -> None:
    names = [place(Path("a/b.c")).name for place in PLACES]
    assert names == [
        "b.c.partial",
        "b.c.replaced",
        ".b.c.hwgen-tmp",
        ".b.c.hwgen-lock",
        ".b.c.hwgen-folder",
    ]
    assert {place(Path("a/b.c")).parent for place in PLACES} == {Path("a")}


@pytest.mark.parametrize("name", ["x" * 255, "字" * 85, "x" * 250])
def test_neighbours_of_long_names_fit_and_stay_distinct(name: str, tmp_path: Path) -> None:
    found = {place(tmp_path / name) for place in PLACES}
    found |= {place(tmp_path / (name[:-1] + "y")) for place in PLACES}
    assert len(found) == 2 * len(PLACES)
    for path in found:
        path.touch()  # no OSError


@pytest.mark.parametrize("kind", FOREIGN)
def test_a_foreign_lock_is_refused_and_untouched(kind: str, tmp_path: Path) -> None:
    lock = put(kind, tmp_path / "x.lock")
    with (
        pytest.raises(FileExistsError, match="hwgen did not make it"),
        file_lock(lock, remove=True),
    ):
        raise AssertionError
    assert_untouched(kind, lock)


@pytest.mark.parametrize("kind", [kind for kind in FOREIGN if kind != "file"])
def test_a_foreign_temporary_file_is_refused_and_untouched(kind: str, tmp_path: Path) -> None:
    temporary = put(kind, temporary_path(tmp_path / "x"))
    with pytest.raises(FileExistsError, match="hwgen did not make it"):
        write_text(tmp_path / "x", "new")
    assert_untouched(kind, temporary)
    assert not (tmp_path / "x").exists()


def test_the_temporary_file_of_a_killed_process_is_not_written_to(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    os.link(tmp_path / "mine", temporary_path(tmp_path / "x"))
    write_text(tmp_path / "x", "new")
    assert (tmp_path / "mine").read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine", "x"]


@pytest.mark.parametrize("kind", ["folder", "pipe", "link to nowhere", "link to a folder"])
def test_only_a_file_is_replaced_by_a_file(kind: str, tmp_path: Path) -> None:
    target = put(kind, tmp_path / "x")
    with pytest.raises(OSError, match=r"hwgen did not make it|No such file"):
        write_text(target, "new")
    assert_untouched(kind, target)


def test_a_link_to_a_file_is_followed(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "file").write_text("old")
    (tmp_path / "link").symlink_to(tmp_path / "there" / "file")
    with atomic_write(tmp_path / "link") as temporary:
        assert temporary.parent == tmp_path / "there"
        temporary.write_text("new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "there" / "file").read_text() == "new"


def test_devices_are_not_replaced() -> None:
    with pytest.raises(FileExistsError):
        write_text(Path("/dev/null"), "new")
    assert Path("/dev/null").is_char_device()


def test_places_are_resolved_or_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("folder")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "dangling").symlink_to("nothing")
    assert real_place(Path()) == real_place(Path("folder/..")) == tmp_path.resolve()
    assert real_place(Path("link")) == tmp_path.resolve() / "folder"
    assert real_place(Path("new")) == Path("new")
    for name in ("loop", "dangling", "x" * 256):
        with pytest.raises(OSError, match=r"Too many|No such|too long"):
            real_place(Path(name))


def test_what_systems_put_into_a_folder_does_not_fill_it(tmp_path: Path) -> None:
    for name in (*BY_SYSTEMS, "mine"):
        (tmp_path / name).touch()
    assert entries(tmp_path) == {"mine"}


def test_a_folder_for_weights_is_removed_only_if_it_holds_nothing_else(tmp_path: Path) -> None:
    folder = scratch_path(tmp_path / "x")
    remove_scratch(folder, "x")
    folder.mkdir()
    (folder / ".tmpA1b2C3").touch()
    (folder / "x").touch()
    remove_scratch(folder, "x")
    assert not folder.exists()
    for kind in ("file", "link to a folder"):
        put(kind, folder)
        with pytest.raises(FileExistsError):
            remove_scratch(folder, "x")
        assert_untouched(kind, folder)
        folder.unlink()
    folder.mkdir()
    (folder / "notes.txt").touch()
    with pytest.raises(FileExistsError, match=r"notes\.txt"):
        remove_scratch(folder, "x")
    assert (folder / "notes.txt").exists()
