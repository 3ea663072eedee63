"""Standard streams that fail or are closed: the work is done, and what stops early is saved."""

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from hwgen.store import Store

WORK = """
import os, signal, sys, time
from pathlib import Path
from hwgen_cli.interrupt import interruptible
from hwgen_cli.output import print_lines
from hwgen_cli.progress import bar
from hwgen_cli import progress, terminal

progress.LINE_EVERY = 0
terminal.guard_streams()
out = Path(sys.argv[1])
with bar("Working", "steps") as advance, interruptible() as stop:
    for step in range(300):
        advance(step, 300, "note")
        if step == 250:
            signal.raise_signal(signal.SIGINT)
        if stop():
            (out / "saved").write_text(str(step))
            break
        time.sleep(0.001)
print_lines("stopped", stderr=True)
sys.exit(130)
"""


@pytest.mark.parametrize("redirected", ["2>/dev/full", "2>&1 | head -1", "2>&1 | true", "2>&-"])
def test_work_goes_on_without_standard_error(tmp_path: Path, redirected: str) -> None:
    command = f'"$0" -c "$1" "$2" {redirected}; exit ${{PIPESTATUS[0]}}'
    done = subprocess.run(["bash", "-c", command, sys.executable, WORK, tmp_path], check=False)
    assert done.returncode == 130
    assert (tmp_path / "saved").read_text() == "250"


def test_work_goes_on_without_its_terminal(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-c", WORK, tmp_path]
    # Not its controlling terminal: no SIGHUP, and each write fails.
    child = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    os.close(ours)
    assert child.wait(60) == 130
    assert (tmp_path / "saved").read_text() == "250"


def hwgen(arguments: str, store: Store, folder: Path) -> tuple[int, str]:
    """Exit code and standard error of hwgen in a shell, without what the shell redirects."""
    words = arguments.replace("STORE", str(store.path))
    command = f'"$0" -P -m hwgen_cli {words}; exit ${{PIPESTATUS[0]}}'
    if sys.version_info < (3, 11):
        command = command.replace(" -P ", " ")
    environment = {**os.environ, "PYTHONPATH": os.getcwd(), "COLUMNS": "200"}
    done = subprocess.run(
        ["bash", "-c", command, sys.executable],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stderr


@pytest.mark.parametrize(
    "command", ["export STORE --format gnt --out out --overwrite", "presets --json"]
)
def test_results_that_cannot_be_written_are_an_error_after_the_work(
    toy_store: Store, tmp_path: Path, command: str
) -> None:
    code, shown = hwgen(f"{command} > /dev/full", toy_store, tmp_path)
    assert code == 1
    assert shown.splitlines()[-1].startswith("error: standard output: No space left on device")
    code, shown = hwgen(f"{command} | true", toy_store, tmp_path)
    assert code == 1
    assert "Exception" not in shown
    assert "error" not in shown


CLOSED = """
import os, sys
from hwgen_cli import terminal
terminal.guard_streams()
with open(sys.argv[1], "w") as file:
    assert file.fileno() > 2
    print("lost")
    print("lost", file=sys.stderr, flush=True)
    os.write(2, b"lost")
    assert os.get_inheritable(2)
    file.write("kept")
"""


def test_no_file_takes_the_number_of_a_closed_stream(tmp_path: Path) -> None:
    command = '"$0" -c "$1" "$2" <&- >&- 2>&-'
    file = tmp_path / "file"
    subprocess.run(["bash", "-c", command, sys.executable, CLOSED, file], check=True)
    assert file.read_text() == "kept"
