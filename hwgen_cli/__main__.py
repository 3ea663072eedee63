"""In: a command line. Out: one library call, its result on the screen, errors without traceback."""

from __future__ import annotations

import os
import sys

import typer
from rich.console import Console
from rich.markup import escape

from hwgen import __version__
from hwgen.errors import HwgenError
from hwgen_cli.benchmark import benchmark
from hwgen_cli.doctor import doctor
from hwgen_cli.evaluate import evaluate
from hwgen_cli.export import export
from hwgen_cli.inspect import inspect
from hwgen_cli.prepare_gnt import prepare_gnt
from hwgen_cli.prepare_images import prepare_images
from hwgen_cli.prepare_pot import prepare_pot
from hwgen_cli.report import report
from hwgen_cli.simulate import simulate
from hwgen_cli.study import study
from hwgen_cli.synthesize import synthesize
from hwgen_cli.train import train

app = typer.Typer(
    name="hwgen",
    help="From GNT files to labelled synthetic Chinese characters, and a measure of their use.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)


@app.callback(invoke_without_command=True)
def root(
    version: bool = typer.Option(False, "--version", help="Print the version and leave."),
) -> None:
    """From GNT files to labelled synthetic Chinese characters, and a measure of their use."""
    if version:
        print(__version__)
        raise typer.Exit()


app.command("benchmark")(benchmark)
app.command("doctor")(doctor)
app.command("evaluate")(evaluate)
app.command("export")(export)
app.command("inspect")(inspect)
app.command("prepare-gnt")(prepare_gnt)
app.command("prepare-images")(prepare_images)
app.command("prepare-pot")(prepare_pot)
app.command("report")(report)
app.command("simulate")(simulate)
app.command("study")(study)
app.command("synthesize")(synthesize)
app.command("train")(train)


def main() -> None:
    """Entry point of `hwgen`: exit code 0, 1 for a user's mistake, 130 after Ctrl-C."""
    try:
        app()
    except HwgenError as error:
        _say_once(f"[bold red]error:[/] {escape(str(error))}")
        sys.exit(1)
    except OSError as error:
        # A file in the way, a missing right, a full disk.
        where = f"{error.filename}: " if error.filename else ""
        _say_once(f"[bold red]error:[/] {escape(where + str(error.strerror or error))}")
        sys.exit(1)
    except KeyboardInterrupt:
        _say_once("stopped")
        sys.exit(130)


def _say_once(text: str) -> None:
    """Print on standard error, once for all processes of a torchrun."""
    if "TORCHELASTIC_RUN_ID" in os.environ:
        from hwgen.distributed import first_to_say

        if not first_to_say("error"):
            return
    Console(stderr=True).print(text, soft_wrap=True, highlight=False)


if __name__ == "__main__":
    main()
