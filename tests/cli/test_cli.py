import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from rich.progress import Task

import hwgen
from hwgen_cli import progress
from hwgen_cli.__main__ import app, main
from hwgen_cli.interrupt import interruptible
from hwgen_cli.reference import all_commands

COMMANDS = [name for name, _, _ in all_commands(app)]

HELP = """
import sys
from typer.testing import CliRunner
from hwgen_cli.__main__ import app
for command in sys.argv[1:]:
    result = CliRunner().invoke(app, [*command.split(), "--help"])
    assert result.exit_code == 0, (command, result.output)
    assert "Usage" in result.output, command
heavy = {"torch", "matplotlib", "lmdb", "safetensors", "kanjivg", "PIL", "numpy"}
assert not heavy & sys.modules.keys(), heavy & sys.modules.keys()
"""


def test_help_of_every_command_imports_nothing_heavy() -> None:
    assert {"prepare-gnt", "inspect", "train", "synthesize", "benchmark", "report"} <= set(COMMANDS)
    subprocess.run([sys.executable, "-c", HELP, "", *filter(None, COMMANDS)], check=True)


def test_help_is_as_wide_as_the_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr("typer.rich_utils.MAX_WIDTH", 80)
    with pytest.raises(SystemExit):
        app(["prepare-gnt", "--help"])
    shown = capsys.readouterr().out
    assert "records are skipped and\n" not in shown.replace(" \n", "\n")
    assert " reported. A store fits every preset" in shown
    assert "   hwgen prepare-gnt HWDB1.0tst_gnt.zip -o test --charset train" in shown


def test_importing_hwgen_does_not_import_torch() -> None:
    code = "import sys, hwgen; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_version_is_printed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["hwgen", "--version"])
    with pytest.raises(SystemExit) as leaving:
        main()
    assert not leaving.value.code
    assert capsys.readouterr().out.strip() == hwgen.__version__


def test_errors_are_shown_without_markup_or_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    place = tmp_path / "[red]odd[/red]"
    monkeypatch.setattr(sys, "argv", ["hwgen", "synthesize", str(place), "--out", "x"])
    with pytest.raises(SystemExit) as leaving:
        main()
    assert leaving.value.code == 1
    err = capsys.readouterr().err
    assert err.startswith("error:")
    assert "[red]odd[/red]" in err


@pytest.mark.parametrize(
    ("number", "printed"),
    [
        (errno.ENOSPC, "x/.export.json: No space left on device. The disk may be full; free some"),
        (errno.EACCES, "x/.export.json: Permission denied. Change the permissions of the file"),
        (errno.EROFS, "x/.export.json: Read-only file system. The disk is mounted read-only; choo"),
        (errno.ENOTDIR, "x/.export.json: Not a directory\n"),
    ],
)
@pytest.mark.parametrize("name", ["x/.export.json", b"x/.export.json"])
def test_system_errors_have_a_remedy(
    number: int,
    printed: str,
    name: str | bytes,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def refuse() -> None:
        raise OSError(number, os.strerror(number), name)

    monkeypatch.setattr("hwgen_cli.__main__.app", refuse)
    with pytest.raises(SystemExit) as leaving:
        main()
    assert leaving.value.code == 1
    assert f"error: {printed}" in capsys.readouterr().err


def test_the_first_signal_requests_a_stop_and_the_second_stops() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with interruptible() as stop:
        assert not stop()
        signal.raise_signal(signal.SIGTERM)
        assert stop()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before
    assert stop()


def test_signal_handlers_are_restored_after_an_error() -> None:
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(ZeroDivisionError), interruptible():
        _ = 1 // 0
    assert signal.getsignal(signal.SIGINT) == before


def test_a_bar_shows_work_rate_and_note(capsys: pytest.CaptureFixture[str]) -> None:
    with progress.bar("train", "images") as advance:
        advance(1000, 4000, "D 0.25")
        advance(4000, 4000, "D 0.125 [not markup")
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "train" in shown.err
    assert "4,000" in shown.err


def test_a_resumed_training_has_the_rate_of_its_own_work(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter(range(0, 1000, 100))
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    with progress.bar("train", "images") as advance:  # 0 s
        advance(0, 128_000, "simulating: 1 of 2")
        advance(0, 128_000, "simulating: 2 of 2")  # 200 s
        advance(64_000, 128_000)  # the run begins where it was stopped, 300 s
        advance(64_300, 128_000, "D 0.25")  # 400 s
    lines = capsys.readouterr().err.splitlines()
    assert lines[:2] == ["train: simulating: 1 of 2", "train: simulating: 2 of 2"]
    assert lines[-1] == "train: 64,300 of 128,000, 3 images/s, 5:53:53 left  D 0.25"


def test_a_rate_is_empty_until_it_is_known() -> None:
    column = progress._Rate("images")
    clock = iter(range(100))
    task = Task(0, "t", 10, 0, _get_time=lambda: float(next(clock)))  # type: ignore[arg-type]
    assert column.render(task).plain == ""
    task.finished_speed = 1234.5
    assert column.render(task).plain in ("1,234 images/s", "1,235 images/s")
    for speed, shown in ((0.25, "900 images/h"), (0.0, ""), (1e-4, ""), (1.0, "1 images/s")):
        assert progress.rate(speed, "images") == shown


@pytest.mark.parametrize(
    ("done", "total", "speed", "note", "shown"),
    [
        (0.003, 0.003, 0.0, "812 records/s", "Preparing: 812 records/s"),
        (0.003, 0.003, 0.0, "", "Preparing: done"),
        (4, 4, 0.0, "", "Preparing: 4 of 4"),
        (4, None, 2.0, "", "Preparing: 4, 2 MB/s"),
        (1, 4, 2.0, "a note", "Preparing: 1 of 4, 2 MB/s, 0:00:02 left  a note"),
        (1, 7201, 2.0, "", "Preparing: 1 of 7,201, 2 MB/s, 1:00:00 left"),
    ],
)
def test_progress_line_of_a_log_file(
    done: float, total: float | None, speed: float, note: str, shown: str
) -> None:
    line = progress._line("Preparing", done, total, speed, "MB", note)
    assert line.plain == shown


def test_help_texts_contain_no_markup() -> None:
    texts = [
        text
        for _, command, _ in all_commands(app)
        for text in (command.help, *(getattr(p, "help", "") for p in command.params))
    ]
    assert len(texts) > 100
    assert not [text for text in texts if "[" in (text or "")]


@pytest.mark.parametrize(("arguments", "code"), [(["--version"], 0), (["none"], 2)])
def test_a_process_of_torchrun_ends_with_the_exit_code_and_all_that_was_printed(
    arguments: list[str], code: int
) -> None:
    environment = {**os.environ, "TORCHELASTIC_RUN_ID": "x", "WORLD_SIZE": "1"}
    command = [sys.executable, "-m", "hwgen_cli", *arguments]
    ended = subprocess.run(command, env=environment, check=False, capture_output=True, text=True)
    assert ended.returncode == code
    assert (hwgen.__version__ in ended.stdout) == (code == 0)
    assert ("No such command" in ended.stderr) == (code == 2)
