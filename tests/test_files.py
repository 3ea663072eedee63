import json
from pathlib import Path

import pytest

from hwgen.files import replacing, write_json


def test_json_is_readable_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    write_json(path, {"字": [1, 2.5, None]})
    text = path.read_text("utf-8")
    assert "字" in text
    assert json.loads(text) == {"字": [1, 2.5, None]}
    assert list(tmp_path.iterdir()) == [path]


def test_a_failure_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_text("old")

    def fail(temporary: Path) -> None:
        temporary.write_text("ne")
        raise RuntimeError("half way")

    with pytest.raises(RuntimeError), replacing(path) as temporary:
        fail(temporary)
    assert path.read_text() == "old"
    with pytest.raises(TypeError):
        write_json(path, object())
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_the_new_file_replaces_the_old_one_whole(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_text("old")
    with replacing(path) as temporary:
        temporary.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
