import os
import socket
from pathlib import Path

import pytest

from hwgen.errors import InputError
from hwgen.io.walk import walk


def put(path: Path, data: bytes = b"x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def searched(root: Path) -> tuple[list[str], list[tuple[str, str]], list[str]]:
    """Files found, what was told, and hidden files."""
    told: list[tuple[str, str]] = []
    hidden: list[str] = []
    places = walk(root, lambda reason, name: told.append((reason, name)), hidden.append)
    files = ["/".join((*place.parts, name)) for place in places for name, _ in place.files]
    return files, sorted(told), sorted(hidden)


def test_links_to_folders_and_files_are_followed(tmp_path: Path) -> None:
    put(tmp_path / "elsewhere" / "一" / "1.png")
    put(tmp_path / "elsewhere" / "2.png", b"12345")
    root = tmp_path / "root"
    put(root / "丁" / "3.png")
    (root / "一").symlink_to(tmp_path / "elsewhere" / "一")
    (root / "丁" / "2.png").symlink_to("../../elsewhere/2.png")
    assert searched(root) == (["一/1.png", "丁/2.png", "丁/3.png"], [], [])
    (place,) = [place for place in walk(root, print, print) if place.parts == ("丁",)]
    assert place.files == [("2.png", 5), ("3.png", 1)]


def test_a_link_to_a_folder_above_ends_the_search_there(tmp_path: Path) -> None:
    root = tmp_path / "above" / "root"
    put(root / "一" / "1.png")
    (root / "一" / "loop").symlink_to(root)
    (root / "一" / "self").symlink_to(root / "一")
    (root / "outside").symlink_to(tmp_path)
    reason = "link to a folder above it"
    expected = [(reason, "outside"), (reason, "一/loop"), (reason, "一/self")]
    assert searched(root) == (["一/1.png"], expected, [])


def test_links_that_lead_to_each_other_end(tmp_path: Path) -> None:
    for one, two in ("ab", "ba"):
        put(tmp_path / "root" / one / "1.png")
        (tmp_path / "root" / one / f"to-{two}").symlink_to(tmp_path / "root" / two)
    for level in range(40):  # each of 2**40 paths would lead to the last
        folder = tmp_path / "root" / "deep" / str(level)
        folder.mkdir(parents=True)
        for name in ("left", "right"):
            (folder / name).symlink_to(tmp_path / "root" / "deep" / str(level + 1))
    put(tmp_path / "root" / "deep" / "40" / "1.png")
    files, _, _ = searched(tmp_path / "root")
    assert 5 <= len(files) < 20


def test_a_folder_has_each_of_its_names_once(tmp_path: Path) -> None:
    put(tmp_path / "root" / "一" / "1.png")
    (tmp_path / "root" / "壹").symlink_to("一")
    (tmp_path / "root" / "more").mkdir()
    (tmp_path / "root" / "more" / "一").symlink_to("../一")
    expected = (["一/1.png", "壹/1.png"], [("read already", "more/一")], [])
    assert searched(tmp_path / "root") == expected


@pytest.mark.parametrize("link", [os.link, os.symlink])
def test_a_file_counts_once_in_folders_of_one_name(tmp_path: Path, link: object) -> None:
    assert callable(link)
    root = tmp_path / "root"
    for folder in ("train/一", "again/一", "other/二"):
        (root / folder).mkdir(parents=True)
    put(root / "train/一/1.png")
    for name in ("train/一/2.png", "again/一/1.png", "other/二/1.png"):
        link(root / "train/一/1.png", root / name)
    files, told, _ = searched(root)
    assert sorted(Path(file).parent.name for file in files) == ["一", "二"]
    assert [reason for reason, _ in told] == ["read already"] * 2


def test_what_is_no_file_is_named_and_not_opened(tmp_path: Path) -> None:
    put(tmp_path / "1.gnt")
    os.mkfifo(tmp_path / "2.gnt")  # opening it would wait for ever
    (tmp_path / "3.gnt").symlink_to("nowhere")
    (tmp_path / "4.gnt").symlink_to("/dev/null")
    with socket.socket(socket.AF_UNIX) as server:
        here = os.open(tmp_path, os.O_RDONLY)  # since a socket's path must be short
        server.bind(f"/proc/self/fd/{here}/5.gnt")
        os.close(here)
    no_file = "pipe, socket or device"
    expected = [
        ("broken link", "3.gnt"),
        (no_file, "2.gnt"),
        (no_file, "4.gnt"),
        (no_file, "5.gnt"),
    ]
    assert searched(tmp_path) == (["1.gnt"], expected, [])


def test_hidden_files_are_told_and_those_of_systems_are_not(tmp_path: Path) -> None:
    for name in (
        ".a.png",
        ".b/c/d.png",
        "e/.f.png",
        "._e.png",
        "@eaDir/e.png/T.jpg",
        "e/Thumbs.db",
    ):
        put(tmp_path / name)
    put(tmp_path / ".b" / ".ipynb_checkpoints" / "g.png")
    (tmp_path / ".b" / "loop").symlink_to(tmp_path)
    assert searched(tmp_path) == ([], [], [".a.png", ".f.png", "d.png"])


def test_a_folder_that_cannot_be_read_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path / "一" / "1.png")
    put(tmp_path / "二" / "1.png")
    scandir = os.scandir

    def refuse(path: Path) -> object:
        if Path(path).name == "二":
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(InputError, match=r"二: cannot be read \(Permission denied\)\. Change"):
        searched(tmp_path)


def test_what_vanishes_meanwhile_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path / "一" / "1.png")
    put(tmp_path / "二" / "1.png")
    scandir = os.scandir

    def remove(path: Path) -> object:
        if Path(path).name == "二":
            (tmp_path / "二" / "1.png").unlink()
            (tmp_path / "二").rmdir()
        return scandir(path)

    monkeypatch.setattr(os, "scandir", remove)
    assert searched(tmp_path) == (["一/1.png"], [("vanished during the search", "二")], [])


def test_deep_trees_and_names_of_any_bytes_are_searched(tmp_path: Path) -> None:
    deep = tmp_path.joinpath(*"d" * 1100)
    here = os.open(tmp_path, os.O_RDONLY)
    for _ in range(1100):
        os.mkdir("d", dir_fd=here)
        inner = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inner
    os.close(here)
    put(deep / "1.png")
    put(tmp_path / os.fsdecode(b"\xb0\xa1") / "1.png")
    try:
        files, _, _ = searched(tmp_path)
    finally:
        (deep / "1.png").unlink()
        os.removedirs(deep)  # shutil.rmtree cannot
    assert [len(Path(file).parts) for file in files] == [1101, 2]


def test_a_path_that_is_too_long_is_an_error(tmp_path: Path) -> None:
    here = os.open(tmp_path, os.O_RDONLY)
    for _ in range(20):
        os.mkdir("d" * 250, dir_fd=here)
        inner = os.open("d" * 250, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inner
    os.close(here)
    with pytest.raises(InputError, match="File name too long") as caught:
        searched(tmp_path)
    assert len(caught.value.where) < 300
