from pathlib import Path

import pytest

from hwgen.errors import StoreError
from hwgen.io.staging import Staging, partial_path, replaced_path


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


def test_a_link_to_an_empty_folder_gives_way(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "x").symlink_to("empty")
    staged(tmp_path / "x", "new").publish(replace=False, keep_header=False)
    assert not (tmp_path / "x").is_symlink()
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
    (tmp_path / "x.lock").touch()
    staging.remove_leftovers()
    assert names(tmp_path) == ["x"]
    assert names(path) == ["data"]


def test_an_unfinished_folder_lies_beside_its_name() -> None:
    assert partial_path(Path("a/b.c")) == Path("a/b.c.partial")
    assert replaced_path(Path("a/b.c")) == Path("a/b.c.replaced")
