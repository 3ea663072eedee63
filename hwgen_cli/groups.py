"""Groups of commands that suggest near names, and commands whose numbers can be written."""

from __future__ import annotations

import copy
import inspect
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from hwgen.errors import InputError
from hwgen.schema import check_numbers
from hwgen.suggestions import did_you_mean, meant_names, suggest
from hwgen_cli import words
from hwgen_cli.once import print_once


class Command(TyperCommand):
    """A command that suggests options, and takes no number that hwgen could write but not read."""

    def parse_args(self, ctx: Any, args: list[str]) -> Any:
        """Suggest options that may be meant by an unknown one, and values of a missing one."""
        try:
            return super().parse_args(ctx, args)
        except Exception as error:  # typer has click's exceptions, or copies of them
            missing = getattr(error, "param", None) if "Missing" in type(error).__name__ else None
            values = str(getattr(missing, "metavar", None) or "")
            if missing is not None and "|" in values and values.islower():  # not STORE|RUN
                names = " / ".join(f"'{name}'" for name in missing.opts)
                ctx.fail(f"Missing option {names}. Choose from {', '.join(values.split('|'))}")
            if not hasattr(error, "possibilities"):
                raise
            name = str(getattr(error, "option_name", ""))
            options = [option for param in self.params for option in param.opts]
            near = meant_names(name, options, words.OPTIONS, cutoff=0.6)
            remedy = words.REMARKS.get(name, did_you_mean(near) if near else "")
            ctx.fail(f"No such option: {name}. {remedy}".rstrip())

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Show the paragraphs of the help as wide as the terminal."""
        shown = copy.copy(self)
        shown.help = _reflowed(self.help or "")
        super(Command, shown).format_help(ctx, formatter)

    def make_context(self, *args: Any, **settings: Any) -> Any:
        """Refuse NaN, infinity and whole numbers beyond 64 bits, of any option or argument."""
        context = super().make_context(*args, **settings)
        params: list[Any] = self.params
        for param in params:
            try:
                check_numbers(context.params.get(param.name), "the number")
            except InputError as error:
                raise typer.BadParameter(error.what, ctx=context, param=param) from None
        return context


def _reflowed(text: str) -> str:
    """A docstring with one line per paragraph; typer would break the lines where it does."""
    paragraphs = inspect.cleandoc(text).split("\n\n")
    return "\n\n".join(
        paragraph if paragraph.startswith((" ", "\b")) else paragraph.replace("\n", " ")
        for paragraph in paragraphs
    )


class Application(typer.Typer):
    """A group of such commands."""

    def command(self, name: str | None = None, **settings: Any) -> Any:
        """Add a command."""
        return super().command(name, cls=Command, **settings)


class Commands(TyperGroup):
    """Commands by name."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Suggest near names for an unknown command."""
        if args and args[0] not in self.commands and not args[0].startswith("-"):
            ctx.fail(
                f"No such command {args[0]!r}. {suggest(args[0], self.commands, words.COMMANDS)}"
            )
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Leave with exit code 130 after a second Ctrl-C, or one where nothing is to be saved."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            print_once("stopped")
            raise typer.Exit(130) from None
