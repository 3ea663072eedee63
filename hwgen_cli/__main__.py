"""The command `hwgen`: all its commands, and errors without a traceback."""

from __future__ import annotations

import hwgen_cli.import_path  # noqa: F401 - before all others

# isort: split
from hwgen_cli import early_interrupt

# isort: split
import codecs
import io
import os
import sys

import typer

from hwgen import __version__
from hwgen.errors import HwgenError
from hwgen.io import os_errors
from hwgen.io.files import repair_utf8
from hwgen.io.machine import usable_cpus, visible_cpus
from hwgen_cli import memory
from hwgen_cli.benchmark import benchmark
from hwgen_cli.demo import demo
from hwgen_cli.doctor import doctor
from hwgen_cli.evaluate import evaluate
from hwgen_cli.export import export
from hwgen_cli.export_curves import export_curves
from hwgen_cli.export_model import export_model
from hwgen_cli.groups import Application, Commands
from hwgen_cli.inspect import inspect
from hwgen_cli.lift import lift
from hwgen_cli.lines import lines
from hwgen_cli.once import print_once
from hwgen_cli.prepare_gnt import prepare_gnt
from hwgen_cli.prepare_images import prepare_images
from hwgen_cli.prepare_pot import prepare_pot
from hwgen_cli.prepare_strokes import prepare_strokes
from hwgen_cli.presets import presets
from hwgen_cli.report import report
from hwgen_cli.simulate import simulate
from hwgen_cli.study import study
from hwgen_cli.synthesize import synthesize
from hwgen_cli.terminal import escape, flush_output, guard_streams
from hwgen_cli.train import train
from hwgen_cli.upload import upload

early_interrupt.imported()

app = Application(
    name="hwgen",
    cls=Commands,
    help="Generate labelled handwritten Chinese characters, and measure whether they help OCR.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)


@app.callback(invoke_without_command=True)
def root(
    version: bool = typer.Option(False, "--version", help="Print the version and exit."),
) -> None:
    """Generate labelled handwritten Chinese characters, and measure whether they help OCR."""
    if version:
        print(__version__)
        raise typer.Exit()


DATA, GENERATORS, MEASUREMENT = "Data", "Generators", "Measurement"
EXPORT, HELP = "Export and report", "Inspection"
"""Panels, in which `hwgen --help` groups the commands."""

app.command("prepare-gnt", rich_help_panel=DATA)(prepare_gnt)
app.command("prepare-pot", rich_help_panel=DATA)(prepare_pot)
app.command("prepare-images", rich_help_panel=DATA)(prepare_images)
app.command("prepare-strokes", rich_help_panel=DATA)(prepare_strokes)
app.command("simulate", rich_help_panel=DATA)(simulate)
app.command("presets", rich_help_panel=GENERATORS)(presets)
app.command("train", rich_help_panel=GENERATORS)(train)
app.command("synthesize", rich_help_panel=GENERATORS)(synthesize)
app.command("lines", rich_help_panel=GENERATORS)(lines)
app.command("demo", rich_help_panel=MEASUREMENT)(demo)
app.command("benchmark", rich_help_panel=MEASUREMENT)(benchmark)
app.command("lift", rich_help_panel=MEASUREMENT)(lift)
app.command("evaluate", rich_help_panel=MEASUREMENT)(evaluate)
app.add_typer(study, name="study", rich_help_panel=MEASUREMENT)
app.command("export", rich_help_panel=EXPORT)(export)
app.command("export-model", rich_help_panel=EXPORT)(export_model)
app.command("upload", rich_help_panel=EXPORT)(upload)
app.command("export-curves", rich_help_panel=EXPORT)(export_curves)
app.command("report", rich_help_panel=EXPORT)(report)
app.command("inspect", rich_help_panel=HELP)(inspect)
app.command("doctor", rich_help_panel=HELP)(doctor)


_UNENCODABLE = "hwgen.unencodable"
"""Name of the codec error handler for what a terminal cannot show."""


def _encode_anyhow(error: UnicodeError) -> tuple[bytes, int]:
    """File names as the UTF-8 bytes that they are; other characters by their UTF-16 codes.

    These are also the codes of JSON.
    """
    assert isinstance(error, UnicodeEncodeError)
    end = error.end
    while end < len(error.object) and "\udc80" <= error.object[end] <= "\udcff":
        end += 1  # some codecs ask for each character alone
    text = repair_utf8(error.object[error.start : end])
    try:
        return text.encode(error.encoding), end
    except UnicodeEncodeError:
        codes = memoryview(text.encode("utf-16-le")).cast("H")
        return "".join(map(chr, codes)).encode(error.encoding, "backslashreplace"), end


codecs.register_error(_UNENCODABLE, _encode_anyhow)


def main() -> None:
    """Entry point of `hwgen`: exit code 0, 1 for an error that a user can fix, 130 after Ctrl-C."""
    for stream in (sys.stdout, sys.stderr):
        # A locale without Chinese characters shows their codes.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=_UNENCODABLE)
    try:
        guard_streams()
        _limit_threads()
        try:
            app()
        finally:
            flush_output()
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:  # as with `| head -1`
        sys.exit(1)
    except Exception as error:
        message = _message(error)
        if not message:
            raise
        text = "\n".join(map(escape, map(repair_utf8, message)))
        print_once(f"[bold red]error:[/] {text}")
        sys.exit(1)


def _limit_threads() -> None:
    """Compute with at most as many threads as the container has CPUs, which torch ignores."""
    cpus = usable_cpus()
    if cpus < visible_cpus():
        os.environ.setdefault("OMP_NUM_THREADS", str(cpus))


def _message(error: Exception) -> list[str]:
    """Lines to print of an error; none for a bug of hwgen, which needs its traceback."""
    if memory.ran_out(error):
        return [memory.message(error, sys.argv[1:])]
    if isinstance(error, OSError):
        # A file in the way, a missing permission, a full disk.
        where = "" if error.filename is None else os.fsdecode(error.filename)
        error = HwgenError(os_errors.reason(error), where=where, remedy=os_errors.remedy(error))
    return error.lines() if isinstance(error, HwgenError) else []


def _main_of_torchrun() -> None:
    """`main` without the end of the interpreter, where threads of a process group have aborted."""
    code: str | int | None = 0
    try:
        main()
    except SystemExit as leaving:
        code = leaving.code
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else int(code is not None))


if __name__ == "__main__":
    if "TORCHELASTIC_RUN_ID" in os.environ:
        _main_of_torchrun()
    main()
