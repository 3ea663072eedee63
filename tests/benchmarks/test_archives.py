import json
from pathlib import Path

import pytest

from benchmarks import archives


@pytest.mark.parametrize("archive", archives.ARCHIVES)
def test_every_archive_is_made(archive: str) -> None:
    name, make = archives.ARCHIVES[archive]
    assert Path(name).name == name
    assert make()


def test_a_row_has_records_message_and_files_outside(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    some = ["undamaged", "name climbs out: ../../../up.gnt", "encrypted"]
    archives.main(["--out", str(tmp_path / "out"), "--only", *some])
    result = json.loads((tmp_path / "out" / "archives.json").read_text("utf-8"))
    assert result["command"].startswith("python -m benchmarks.archives --out out --only ")
    found = result["rows"]
    assert [one["archive"] for one in found] == some
    assert [one["read"] for one in found] == [3, 3, None]
    assert all(one["outside"] == [] for one in found)
    assert "a.gnt is encrypted" in found[2]["said"]
    text = (tmp_path / "out" / "archives.md").read_text("utf-8")
    assert text.count("\n") == 2 + len(some)
    assert "| encrypted | refused |" in text
    assert str(tmp_path) not in text
    assert "| encrypted | refused |" in capsys.readouterr().out
