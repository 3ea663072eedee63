import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import typer.main

import hwgen_cli.interrupt
from hwgen.exports import FORMATS
from hwgen.exports.formats import exporter_named
from hwgen.store import Store
from hwgen_cli.__main__ import app, main

Export = Callable[..., tuple[int, str, str]]


@pytest.fixture
def export(
    toy_store: Store, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Export:
    """Runs the command: (exit code, standard output, standard error), white space joined."""

    def call(out: Path, *options: object) -> tuple[int, str, str]:
        arguments = ["hwgen", "export", toy_store.path, "--out", out, *options]
        monkeypatch.setattr(sys, "argv", list(map(str, arguments)))
        with pytest.raises(SystemExit) as leaving:
            main()
        shown = capsys.readouterr()
        return int(leaving.value.code or 0), " ".join(shown.out.split()), shown.err

    return call


def test_a_store_is_exported_and_summarised(export: Export, tmp_path: Path) -> None:
    code, printed, err = export(tmp_path / "out", "--format", "folder")
    assert code == 0
    assert f"{tmp_path}/out: 30 records" in printed
    assert "torchvision's ImageFolder" in printed
    assert "30 of 30" in err
    assert len(list((tmp_path / "out").rglob("*.png"))) == 30


def test_a_subset_in_parts_as_json(export: Export, tmp_path: Path) -> None:
    code, printed, _ = export(
        tmp_path / "out", "-f", "webdataset", "--classes", "十一", "--writers", "w0,w1",
        "--split", "train=0.5,test=0.5", "--split-seed", 3, "--shard-records", 4, "--json",
    )  # fmt: skip
    assert code == 0
    found = json.loads(printed)
    assert found["charset"] == ["一", "十"]
    assert found["records"] == {"train": 10, "test": 10}
    assert found["shards"] == {"train": [4, 8, 10], "test": [4, 8, 10]}
    assert found["recipe"]["selection"]["split"]["seed"] == 3
    shards = sorted(path.relative_to(tmp_path / "out") for path in tmp_path.rglob("*.tar"))
    assert list(map(str, shards))[:2] == ["test/test-000000.tar", "test/test-000001.tar"]


def test_by_record_and_by_bytes(export: Export, tmp_path: Path) -> None:
    code, printed, _ = export(
        tmp_path / "out", "-f", "ocr-lmdb", "--split", "a=0.9,b=0.1", "--split-by", "record",
        "--shard-bytes", 1, "--json",
    )  # fmt: skip
    assert code == 0
    assert json.loads(printed)["records"] == {"a": 27, "b": 3}
    assert json.loads(printed)["shards"]["b"] == [1, 2, 3]


def test_an_export_resumes_after_ctrl_c(
    export: Export, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        patch.setattr(hwgen_cli.interrupt, "interruptible", pressed)
        code, _, err = export(out, "-f", "gnt")
    assert code == 130
    assert "stopped; rerun the command to resume" in err
    assert not out.exists()
    assert export(out, "-f", "gnt")[0] == 0
    assert {path.name for path in out.glob("*.gnt")} == {"w0.gnt", "w1.gnt"}


class pressed:  # noqa: N801
    """Somebody pressed Ctrl-C already."""

    def __enter__(self) -> Callable[[], bool]:
        return lambda: True

    def __exit__(self, *_: object) -> None:
        pass


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["-f", "gmt"], "no format 'gmt'. Did you mean gnt"),
        (["-f", "gnt", "--classes", "天"], "1 of 1 characters are not among the 3 classes"),
        (["-f", "gnt", "--writers", "9"], "no writer '9' among the 2 writers"),
        (["-f", "gnt", "--split", "train"], "Write it as train=0.9,test=0.1"),
    ],
)
def test_input_errors_are_printed(
    export: Export, tmp_path: Path, options: list[str], text: str
) -> None:
    code, _, err = export(tmp_path / "out", *options)
    assert code == 1
    assert text in err
    assert not (tmp_path / "out").exists()


def test_overwrite_replaces_another_export(export: Export, tmp_path: Path) -> None:
    assert export(tmp_path / "out", "-f", "gnt")[0] == 0
    code, _, err = export(tmp_path / "out", "-f", "folder")
    assert code == 1
    assert "--overwrite" in err
    assert export(tmp_path / "out", "-f", "folder", "--overwrite")[0] == 0


def test_the_help_names_every_format() -> None:
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    (option,) = [one for one in commands["export"].params if one.name == "format"]
    assert option.metavar.split("|") == list(FORMATS)
    for name, row in FORMATS.items():
        assert exporter_named(name) is row
