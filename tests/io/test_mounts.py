import os
from pathlib import Path

import pytest

from hwgen.io import mounts
from hwgen.io.mounts import is_mount_point


def test_a_mount_point_within_a_file_system_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bound, other = tmp_path / "手 写\\b", tmp_path / "other"
    for folder in (bound, other):
        folder.mkdir()
    escaped = str(bound.resolve()).replace("\\", "\\134").replace(" ", "\\040")
    lines = f"22 1 0:21 / /proc rw - proc proc rw\n36 22 8:1 /data {escaped} rw - ext4 /dev rw\n\n"
    (tmp_path / "mountinfo").write_bytes(os.fsencode(lines))
    monkeypatch.setattr(mounts, "_MOUNTS", tmp_path / "mountinfo")
    (tmp_path / "link").symlink_to(bound)
    assert is_mount_point(bound)
    assert is_mount_point(tmp_path / "link")
    assert not is_mount_point(other)
    assert not is_mount_point(tmp_path / "absent")


def test_systems_without_a_list_of_mounts_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mounts, "_MOUNTS", tmp_path / "absent")
    assert is_mount_point(Path("/"))
    assert not is_mount_point(tmp_path)
