"""Things of a user's in the places where hwgen would write."""

import os
from pathlib import Path

FOREIGN = ("file", "folder", "link to a file", "link to a folder", "link to nowhere", "pipe")


def put(kind: str, path: Path) -> Path:
    """Make something of a kind at a path, with content where it can have any."""
    target = path.with_name(f"{path.name[:40]}-target")
    if kind == "file":
        path.write_text("mine")
    elif kind == "folder":
        path.mkdir()
        (path / "mine").write_text("mine")
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        if kind == "link to a file":
            target.write_text("mine")
        elif kind == "link to a folder":
            target.mkdir()
            (target / "mine").write_text("mine")
        path.symlink_to(target)
    return path


def assert_untouched(kind: str, path: Path) -> None:
    """Check that it is still what `put` made."""
    assert path.is_symlink() == kind.startswith("link")
    if kind.endswith("file"):
        assert path.read_text() == "mine"
    elif kind.endswith("folder"):
        assert [file.read_text() for file in path.iterdir()] == ["mine"]
    elif kind == "pipe":
        assert path.is_fifo()
    else:
        assert not path.exists()
