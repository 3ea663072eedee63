import os
from pathlib import Path

import pytest

from hwgen.errors import InputError
from hwgen.io.streams import refuse_stream


def test_pipes_and_devices_are_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    reading, writing = os.pipe()
    for path, kind in (
        (tmp_path / "pipe", "pipe"),
        (Path(f"/dev/fd/{reading}"), "pipe"),
        (Path("/dev/null"), "device"),
        (Path("-"), "standard input"),
    ):
        with pytest.raises(InputError, match=rf"{path}: .*{kind}.*Save the data to a file"):
            refuse_stream(path)
    os.close(reading)
    os.close(writing)


def test_files_folders_and_missing_paths_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("-").write_bytes(b"a file of this name")
    for path in (tmp_path, Path("-"), tmp_path / "missing", Path("x" * 5000)):
        refuse_stream(path)
