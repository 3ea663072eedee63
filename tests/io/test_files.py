import json
import os
from pathlib import Path

import pytest

from hwgen.io.files import atomic_write, file_name, repair_utf8
from hwgen.io.json_files import parse_json, read_json, write_json


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

    with pytest.raises(RuntimeError), atomic_write(path) as temporary:
        fail(temporary)
    assert path.read_text() == "old"
    with pytest.raises(TypeError):
        write_json(path, object())
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_the_new_file_replaces_the_old_one_whole(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_text("old")
    with atomic_write(path) as temporary:
        temporary.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"


def test_json_is_read_back(tmp_path: Path) -> None:
    value = {"字": [1, -2.5, None, "\U00020000", -(1 << 63)]}
    write_json(tmp_path / "x.json", value)
    assert read_json(tmp_path / "x.json") == value
    deep = "[" * 100 + "1" + "]" * 100
    assert json.dumps(parse_json(deep), indent=1).count("[") == 100
    assert parse_json('"\\ud840\\udc00"') == "\U00020000"  # an escaped pair is one character


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "Expecting property name"),
        ("[" * 100_000, "nested too deeply"),
        ("[" * 102 + "]" * 102, "nested too deeply"),
        ('{"a":' * 102 + "1" + "}" * 102, "nested too deeply"),
        ("1" + "0" * 400, "an integer of 401 digits"),
        (str(1 << 63), "an integer of 19 digits"),
        ("-" + "9" * 5000, "an integer of 5001 digits"),
        ('{"a": ["\\ud800"]}', "lone surrogate"),
        ('{"\\udfff": 1}', "lone surrogate"),
    ],
)
def test_json_that_would_fail_later_is_refused_at_once(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_json(text)


def test_json_is_read_up_to_a_bound_and_as_utf8(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text('"' + "x" * 98 + '"')
    assert len(read_json(tmp_path / "x.json", max_bytes=100)) == 98
    with pytest.raises(ValueError, match="expected at most 99 bytes, found 100"):
        read_json(tmp_path / "x.json", max_bytes=99)
    (tmp_path / "x.json").write_bytes(b'"\xff"')
    with pytest.raises(ValueError, match="utf-8"):
        read_json(tmp_path / "x.json")


def pipe_of(text: str) -> Path:
    """A pipe that gives a text, as `<(command)` does."""
    reading, writing = os.pipe()
    os.write(writing, text.encode())
    os.close(writing)
    return Path(f"/dev/fd/{reading}")


def test_json_from_a_pipe_is_read_up_to_the_bound() -> None:
    pipes = [pipe_of('{"a": 1}'), pipe_of(" " * 100 + "1")]
    assert read_json(pipes[0], max_bytes=50) == {"a": 1}
    with pytest.raises(ValueError, match="expected at most 50 bytes, found 101"):
        read_json(pipes[1], max_bytes=50)
    for pipe in pipes:
        os.close(int(pipe.name))


def test_names_that_a_locale_did_not_understand_are_healed(tmp_path: Path) -> None:
    seen = "手写/一".encode().decode("ascii", "surrogateescape")  # as in the locale C
    assert repair_utf8(f"{seen} 丁") == "手写/一 丁"
    assert repair_utf8("\udcb0\udca1") == "\ufffd\ufffd"  # GBK, which is no UTF-8
    assert repair_utf8("\ud800丁\udfff") == "\ufffd丁\ufffd"  # of no file name
    write_json(tmp_path / "x.json", {"store": seen})
    assert read_json(tmp_path / "x.json") == {"store": "手写/一"}


def test_a_text_is_a_files_name_in_any_locale(monkeypatch: pytest.MonkeyPatch) -> None:
    assert file_name("张 三") == "张 三"
    monkeypatch.setattr("os.fsencode", lambda text: text.encode("ascii", "surrogateescape"))
    monkeypatch.setattr("os.fsdecode", lambda name: name.decode("ascii", "surrogateescape"))
    assert repair_utf8(file_name("张 三")) == "张 三"
    assert file_name("1001") == "1001"
