import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from hwgen.errors import StoreError
from hwgen.io.neighbours import WITHIN, partial_path, replaced_path, temporary_path
from hwgen.io.staging import Staging
from tests.foreign import FOREIGN, assert_untouched, put


def staged(path: Path, text: str) -> Staging:
    staging = Staging(path, "header.json")
    staging.begin({"of": text})
    (staging.partial / "data").write_text(text)
    return staging


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


@pytest.mark.parametrize("keep_header", [False, True])
def test_a_whole_folder_has_its_name_and_nothing_is_left_over(
    tmp_path: Path, keep_header: bool
) -> None:
    path = tmp_path / "x"
    staging = staged(path, "first")
    assert names(tmp_path) == ["x.partial"]
    assert staging.read_header(staging.partial) == {"of": "first"}
    staging.publish(replace=False, keep_header=keep_header)
    assert names(tmp_path) == ["x"]
    assert names(path) == ["data", *["header.json"] * keep_header]


def test_another_folder_is_replaced_when_the_new_one_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "x"
    staged(path, "first").publish(replace=False, keep_header=True)
    second = staged(path, "second")
    assert (path / "data").read_text() == "first"
    replaced_path(path).mkdir()  # which a killed process left
    second.publish(replace=True, keep_header=True)
    assert names(tmp_path) == ["x"]
    assert (path / "data").read_text() == "second"


def test_what_is_in_the_way_stays_unless_it_is_an_empty_folder(tmp_path: Path) -> None:
    path = tmp_path / "x"
    staging = staged(path, "new")
    path.mkdir()
    (path / "mine").touch()
    with pytest.raises(OSError, match="not empty"):
        staging.publish(replace=False, keep_header=True)
    assert names(path) == ["mine"]
    (path / "mine").unlink()
    staging.publish(replace=False, keep_header=True)
    assert names(path) == ["data", "header.json"]


def test_a_link_to_an_empty_folder_is_followed(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "x").symlink_to("empty")
    staged(tmp_path / "x", "new").publish(replace=False, keep_header=False)
    assert (tmp_path / "x").is_symlink()
    assert names(tmp_path / "empty") == ["data"]
    assert names(tmp_path) == ["empty", "x"]


def test_one_process_at_a_time(tmp_path: Path) -> None:
    staging = Staging(tmp_path / "x", "header.json")
    refusal = StoreError("is being written")
    with (
        staging.locked(refusal),
        pytest.raises(StoreError, match="is being written"),
        Staging(tmp_path / "x", "header.json").locked(refusal),
    ):
        pass
    with staging.locked(refusal):
        pass
    assert names(tmp_path) == []


def test_what_a_kill_after_the_rename_left_is_swept_away(tmp_path: Path) -> None:
    path = tmp_path / "x"
    staging = staged(path, "whole")
    staging.publish(replace=False, keep_header=True)
    (tmp_path / ".x.hwgen-lock").touch()
    staging.remove_leftovers()
    assert names(tmp_path) == ["x"]
    assert names(path) == ["data"]


def test_an_unfinished_folder_lies_beside_its_name() -> None:
    assert partial_path(Path("a/b.c")) == Path("a/b.c.partial")
    assert replaced_path(Path("a/b.c")) == Path("a/b.c.replaced")


def test_an_empty_folder_is_filled_in_place(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.mkdir()
    (path / "lost+found").mkdir()  # of a disk that was just made
    number = path.stat().st_ino
    staging = staged(path, "new")
    assert staging.in_place
    assert names(tmp_path) == ["x"]
    assert names(path) == [WITHIN, "lost+found"]
    staging.publish(replace=False, keep_header=True)
    assert names(path) == ["data", "header.json", "lost+found"]
    assert path.stat().st_ino == number


def test_a_mount_point_is_filled_though_it_cannot_be_renamed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, rename = tmp_path / "x", Path.rename
    path.mkdir()

    def busy(old: Path, new: Path) -> Path:
        if path in (old, new):
            raise OSError(errno.EBUSY, "Device or resource busy", old)
        return rename(old, new)

    monkeypatch.setattr(Path, "rename", busy)
    monkeypatch.setattr(Path, "rmdir", lambda folder: os.rmdir(folder if folder != path else ""))
    staged(path, "new").publish(replace=False, keep_header=True)
    assert names(path) == ["data", "header.json"]


def test_the_current_folder_is_filled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    staged(Path(), "new").publish(replace=False, keep_header=False)
    assert names(tmp_path) == ["data"]


@pytest.mark.parametrize("kill_at", range(4))
def test_killed_while_entries_are_moved_up_the_same_call_starts_or_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kill_at: int
) -> None:
    path, rename = tmp_path / "x", Path.rename
    path.mkdir()
    staging = staged(path, "new")
    for name in ("a", "z"):
        (staging.partial / name).write_text(name)
    moved: list[str] = []

    def killed(old: Path, new: Path) -> Path:
        if old.parent == staging.partial:
            if len(moved) == kill_at:
                raise KeyboardInterrupt
            moved.append(old.name)
        return rename(old, new)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", killed)
        with pytest.raises(KeyboardInterrupt):
            staging.publish(replace=False, keep_header=True)
    assert moved == ["a", "data", "z", "header.json"][:kill_at]
    again = Staging(path, "header.json")
    assert again.in_place
    with again.locked(StoreError("is being written")):
        assert names(path) == [WITHIN]
        assert names(again.partial) == ["a", "data", "header.json", "z"]
        again.publish(replace=False, keep_header=True)
    assert names(path) == ["a", "data", "header.json", "z"]


def test_killed_after_the_last_move_what_is_left_is_removed(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.mkdir()
    staging = staged(path, "new")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("hwgen.io.staging._remove", lambda *given: None)
        staging.publish(replace=False, keep_header=True)
    assert names(path) == [WITHIN, "data", "header.json"]
    again = Staging(path, "header.json")
    assert not again.is_free()
    again.remove_leftovers(keep_header=True)
    assert names(path) == ["data", "header.json"]


def test_what_appears_in_the_folder_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.mkdir()
    staging = staged(path, "new")
    (path / "data").write_text("mine")
    with pytest.raises(FileExistsError):
        staging.publish(replace=False, keep_header=True)
    assert (path / "data").read_text() == "mine"
    assert names(staging.partial) == ["data", "header.json"]


@pytest.mark.parametrize("kind", FOREIGN)
@pytest.mark.parametrize("place", [partial_path, replaced_path])
def test_foreign_neighbours_are_refused_and_untouched(
    place: Callable[[Path], Path], kind: str, tmp_path: Path
) -> None:
    path = tmp_path / "x"
    staged(path, "old").publish(replace=False, keep_header=True)
    put(kind, place(path))
    staging = Staging(path, "header.json")
    with pytest.raises(FileExistsError, match="hwgen did not make it"):
        staging.check_neighbours(replace=True)
    if place is partial_path:
        with pytest.raises(FileExistsError):
            staging.discard()
    staging.remove_replaced()
    assert_untouched(kind, place(path))


def test_a_backup_that_a_user_named_like_a_replaced_folder_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "x"
    staged(path, "old").publish(replace=False, keep_header=True)
    path.rename(replaced_path(path))
    staged(path, "new").publish(replace=False, keep_header=True)
    assert (replaced_path(path) / "data").read_text() == "old"
    with pytest.raises(FileExistsError):
        Staging(path, "header.json").check_neighbours(replace=True)


def test_an_unfinished_folder_with_a_foreign_header_or_file_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "x"
    partial_path(path).mkdir()
    (partial_path(path) / "header.json").write_text('{"cake": "flour"}')
    staging = Staging(path, "header.json", is_header=lambda header: "of" in header)
    with pytest.raises(FileExistsError):
        staging.check_neighbours(replace=False)
    (partial_path(path) / "header.json").write_text('{"of": "us"}')
    staging.check_neighbours(replace=False)
    staging = Staging(path, "header.json", others=lambda folder: ["notes.txt"])
    with pytest.raises(FileExistsError, match=r"notes\.txt"):
        staging.discard()
    assert names(partial_path(path)) == ["header.json"]


def test_an_empty_unfinished_folder_is_used(tmp_path: Path) -> None:
    path = tmp_path / "x"
    partial_path(path).mkdir()  # killed before the header was written
    temporary_path(partial_path(path) / "header.json").touch()
    Staging(path, "header.json").check_neighbours(replace=False)
    staged(path, "new").publish(replace=False, keep_header=True)
    assert names(path) == ["data", "header.json"]


@pytest.mark.parametrize("name", ["x" * 255, "字" * 85])
def test_a_name_of_the_greatest_length_works(tmp_path: Path, name: str) -> None:
    for replace in (False, True):
        staged(tmp_path / name, "new").publish(replace=replace, keep_header=True)
    assert names(tmp_path) == [name]


def test_what_cannot_be_renamed_is_not_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    staged(tmp_path / "x", "old").publish(replace=False, keep_header=True)
    (tmp_path / "x" / "below").mkdir()
    staging = Staging(tmp_path / "x", "header.json")
    staging.check_neighbours(replace=True)
    with monkeypatch.context() as patch:
        patch.chdir(tmp_path / "x" / "below")
        with pytest.raises(OSError, match="holds the current folder"):
            staging.check_neighbours(replace=True)
    with monkeypatch.context() as patch:
        patch.setattr(os, "access", lambda path, mode: path != tmp_path / "x")
        with pytest.raises(PermissionError, match="may not be written"):
            staging.check_neighbours(replace=True)
    monkeypatch.setattr(os.path, "ismount", lambda path: True)
    with pytest.raises(OSError, match="is a mount point"):
        staging.check_neighbours(replace=True)
