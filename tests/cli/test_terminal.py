import io
import json
import os
import re
import subprocess
import sys
import unicodedata
from pathlib import Path
from typing import Any

import lmdb
import pytest
from rich.progress import Progress
from rich.table import Table

from hwgen_cli import terminal
from hwgen_cli.terminal import Console, escape, one_line, to_json, visible
from tests.image_files import encoded, photo, put

HOSTILE = (
    "\x1b[31mred",
    "\x1b]0;title\x07",
    "\x9b2Jclear",
    "\u202egnp.exe",
    "a\u2028b",
    "a\u200bb",
    "a\rb",
    "a\nb",
    "\x7f",
    "\ufeff",
    "[bold]a",
    "\u2066x\u2069",
)
NOT_RAW = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]")


def test_every_control_and_format_character_is_shown_by_its_code() -> None:
    for code in [*range(0x1_2000), *range(0xE0000, 0xE0100)]:
        char = chr(code)
        if unicodedata.category(char) in ("Cc", "Cf", "Zl", "Zp") and char not in "\t\n":
            assert visible(f"a{char}b").isascii(), hex(code)
        elif unicodedata.category(char) not in ("Cn", "Cs"):  # unassigned ones may become formats
            assert visible(char) == char
    assert visible("\x1b[2J\u202e") == r"\x1b[2J\u202e"
    assert visible("a\tb\n") == "a\tb\n"
    assert one_line("a\tb\n") == r"a\tb\n"
    assert escape("[b]\n") == r"\[b]\n"
    for kept in ("\ue000", "\u3000", "é", "e\u0301", "葛\U000e0100", "\U00031350"):
        assert visible(kept) == kept


def test_bytes_of_file_names_are_no_way_around() -> None:
    name = os.fsdecode(b"a\xc2\x9b2J\xe2\x80\xae\xff")
    assert visible(name.encode("utf-8", "surrogateescape").decode("ascii", "surrogateescape")) == (
        r"a\x9b2J\u202e" + "\ufffd"
    )
    chinese = "字".encode().decode("ascii", "surrogateescape")
    assert visible(chinese) == chinese


def test_json_stays_exact() -> None:
    value = {name: [name] for name in HOSTILE}
    text = to_json({**value, "path": Path("\U000e0001")})
    assert not NOT_RAW.search(text)
    assert json.loads(text) == {**value, "path": "\U000e0001"}


@pytest.mark.parametrize("hostile", HOSTILE)
def test_a_console_styles_and_does_not_obey(hostile: str) -> None:
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, color_system="standard", width=80)
    table = Table(title=escape(hostile))
    table.add_row(escape(hostile), hostile, style="red")
    console.print(table)
    console.print(hostile, markup=False)
    console.print(f"[red]{escape(hostile)}[/]")
    with Progress(console=console) as progress:
        progress.add_task(hostile, total=3)
    text = stream.getvalue()
    assert "\x1b[31m" in text  # our own
    for sequence in re.findall(r"\x1b\[[0-9;?]*[A-Za-z]", text):
        text = text.replace(sequence, "")
    assert not NOT_RAW.search(text.replace("\r", ""))
    assert "\x1b" not in text


@pytest.mark.parametrize("columns", ["0", "1", "20", "40", "60", "80", "1000", "wide"])
def test_no_width_cuts_a_table(monkeypatch: pytest.MonkeyPatch, columns: str) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    words = ["c24b674c636ec23c", "d37486d84c9d5918", "99.5", "字" * 12, "a b c"]
    path = "/folder" * 20
    for table in (Table(*"abcde", title="some title"), Table.grid(padding=(0, 2))):
        stream = io.StringIO()
        console = Console(file=stream)
        table.add_row(*words)
        table.add_row("path", path)
        console.print(table)
        text = stream.getvalue()
        assert all(word in text for word in words[:3])
        assert "…" not in text
        assert text.count("/") == 20
        assert text.count("字") == 12


def test_all_that_a_process_prints_is_filtered(monkeypatch: pytest.MonkeyPatch) -> None:
    streams = io.StringIO(), io.StringIO()
    monkeypatch.setattr(sys, "stdout", streams[0])
    monkeypatch.setattr(sys, "stderr", streams[1])
    monkeypatch.setattr("typer.rich_utils.Console", Console)
    terminal.guard_streams()
    for hostile in HOSTILE:
        print(hostile)
        sys.stderr.writelines([hostile])
        Console(stderr=True).print(hostile, markup=False)
    assert not NOT_RAW.search(streams[0].getvalue() + streams[1].getvalue())
    assert streams[0].getvalue().startswith("\\x1b[31mred\n\\x1b]0;title\\x07\n")


def hwgen(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    result = subprocess.run(
        [sys.executable, "-m", "hwgen_cli", *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, "NO_COLOR": "1", "PYTHONPATH": os.getcwd(), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    assert not NOT_RAW.search(result.stdout + result.stderr)
    return result


def write_hostile(folder: Path) -> dict[str, Path]:
    """The hostile labels as folders, in an OCR LMDB and in a list, with losses in each."""
    for number, label in enumerate(HOSTILE):
        place = folder / "folders" / label.replace("/", "\\")
        put(place / f"{number}.png", encoded(photo(number)))
        put(place / f"{label.replace('/', '')}.png", b"damaged")
        put(place / f"{label.replace('/', '')}.heic", b"not read")
    entries: dict[bytes, bytes] = {b"num-samples": b"%d" % (2 * len(HOSTILE))}
    for number, label in enumerate(HOSTILE * 2, 1):
        damaged = number > len(HOSTILE)
        entries[b"image-%09d" % number] = b"x" if damaged else encoded(photo(number))
        entries[b"label-%09d" % number] = label.encode()
        entries[b"meta-%09d" % number] = json.dumps({"writer": f"w{label}"}).encode()
    (folder / "lmdb").mkdir()
    with lmdb.open(str(folder / "lmdb"), map_size=1 << 24) as env, env.begin(write=True) as txn:
        for key, value in entries.items():
            txn.put(key, value)
    lines = [f"{n}.png\t{label}" for n, label in enumerate(HOSTILE) if not set(label) & {*"\r\n"}]
    put(folder / "list" / "label.txt", "\n".join([*lines, "\x1b[2J"]).encode())
    for number in range(len(HOSTILE)):
        put(folder / "list" / f"{number}.png", encoded(photo(number)))
    return {name: folder / name for name in ("folders", "lmdb", "list")}


def test_hostile_labels_reach_no_terminal_raw_and_stay_exact(tmp_path: Path) -> None:
    reported: dict[str, Any] = {}
    for name, source in write_hostile(tmp_path).items():
        store = tmp_path / f"{name}\x1b[2J\u202e.store"
        arguments = ("prepare-images", source, "-o", store, "--size", 16)
        shown = hwgen(*arguments, cwd=tmp_path)
        assert shown.returncode == 0, shown.stderr
        again = hwgen(*arguments, "--json", "--overwrite", cwd=tmp_path)
        reported[name] = json.loads(again.stdout)
        hwgen("inspect", store, cwd=tmp_path)
        manifest = json.loads((store / "manifest.json").read_text(encoding="utf-8"))
        labels = set(manifest["charset"])
        lines = {label for label in HOSTILE if not set(label) & {"\r", "\n"}}
        assert labels == (lines if name == "list" else set(HOSTILE))
    assert len(reported["folders"]["bad_records"]) == len(HOSTILE)
    store = next(tmp_path.glob("lmdb*.store"))
    for arguments in (
        ("inspect", store, "--json"),
        ("inspect", tmp_path / "none\x1b[2J"),
        (
            "export",
            store,
            "-o",
            tmp_path / "x\u202e",
            "--format",
            "folder",
            "--classes",
            "\x1b\u202e",
        ),
        ("prepare-images", tmp_path / "list", "-o", store),
        ("prepare-images", tmp_path / "list", "-o", "y", "--charset", "字"),
        ("prepare-gnt", tmp_path / "folders", "-o", "y\x9b"),
        ("train", "--siz\x1be", "\x9b"),
        ("doctor\x1b[2J",),
        ("export", store, "-o", tmp_path / "x\u202e", "--format", "ocr-lmdb"),
    ):
        assert hwgen(*arguments, cwd=tmp_path).stdout is not None
