import json
from pathlib import Path

import pytest

from benchmarks import archives


@pytest.mark.parametrize("what", archives.ARCHIVES)
def test_every_archive_is_made(what: str) -> None:
    name, make = archives.ARCHIVES[what]
    assert Path(name).name == name
    assert make()


def test_a_row_tells_what_was_read_said_and_left(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    some = ["sound", "name climbs out: ../../../up.gnt", "encrypted"]
    archives.main(["--out", str(tmp_path / "out"), "--only", *some])
    found = json.loads((tmp_path / "out" / "archives.json").read_text("utf-8"))
    assert [one["archive"] for one in found] == some
    assert [one["read"] for one in found] == [3, 3, None]
    assert all(one["outside"] == [] for one in found)
    assert "a.gnt is encrypted" in found[2]["said"]
    text = (tmp_path / "out" / "archives.md").read_text("utf-8")
    assert text.count("\n") == 2 + len(some)
    assert "| encrypted | refused |" in text
    assert str(tmp_path) not in text
    assert "| encrypted | refused |" in capsys.readouterr().out
