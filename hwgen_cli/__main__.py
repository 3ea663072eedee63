"""In: a command line. Out: one library call, its result on the screen, errors without traceback."""

from __future__ import annotations

import codecs
import io
import os
import sys
from typing import Any

import typer
from rich.console import Console
from rich.markup import escape
from typer.core import TyperGroup

from hwgen import __version__
from hwgen.errors import HwgenError
from hwgen.io import os_errors
from hwgen.io.files import repair_utf8
from hwgen.names import suggest
from hwgen_cli import memory
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


class _Commands(TyperGroup):
    """Behaves alike with every version of typer."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Suggest near names for a command that there is not."""
        if args and args[0] not in self.commands and not args[0].startswith("-"):
            ctx.fail(f"No such command {args[0]!r}. {suggest(args[0], self.commands)}")
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Leave with 130 after a second Ctrl-C, or one where nothing is to be saved."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            _say_once("stopped")
            raise typer.Exit(130) from None


app = typer.Typer(
    name="hwgen",
    cls=_Commands,
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


_SHOWN = "hwgen.shown"
"""What is done with what a terminal cannot show, as a handler of errors of codecs."""


def _show_anyhow(error: UnicodeError) -> tuple[bytes, int]:
    """Names of files as the UTF-8 that they are; what is not in the encoding by its codes.

    The codes are those of JSON, too, where they stand in a text: of UTF-16.
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


codecs.register_error(_SHOWN, _show_anyhow)


def main() -> None:
    """Entry point of `hwgen`: exit code 0, 1 for what a user can mend, 130 after Ctrl-C."""
    for stream in (sys.stdout, sys.stderr):
        # In a locale without Chinese characters they are shown by their codes.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=_SHOWN)
    try:
        app()
    except Exception as error:
        said = _told(error)
        if not said:
            raise
        _say_once(f"[bold red]error:[/] {escape(repair_utf8(said))}")
        sys.exit(1)


def _told(error: Exception) -> str:
    """What a user should read of an error; "" where it is a mistake of hwgen's own."""
    if memory.ran_out(error):
        command = next((word for word in sys.argv[1:] if not word.startswith("-")), "")
        return memory.told(error, command)
    if isinstance(error, OSError):
        # A file in the way, a missing right, a full disk.
        where = "" if error.filename is None else os.fsdecode(error.filename)
        return str(HwgenError(os_errors.reason(error), where=where, remedy=os_errors.remedy(error)))
    return str(error) if isinstance(error, HwgenError) else ""


def _say_once(text: str) -> None:
    """Print on standard error, once for all processes of a torchrun."""
    if "TORCHELASTIC_RUN_ID" in os.environ:
        from hwgen.compute.distributed import first_to_say

        if not first_to_say("error"):
            return
    Console(stderr=True).print(text, soft_wrap=True, highlight=False)


if __name__ == "__main__":
    main()
