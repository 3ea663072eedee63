"""Groups of commands that suggest near names, with every version of typer."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperGroup

from hwgen.suggestions import suggest
from hwgen_cli.once import print_once


class Commands(TyperGroup):
    """Commands by name."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Suggest near names for an unknown command."""
        if args and args[0] not in self.commands and not args[0].startswith("-"):
            ctx.fail(f"No such command {args[0]!r}. {suggest(args[0], self.commands)}")
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Leave with exit code 130 after a second Ctrl-C, or one where nothing is to be saved."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            print_once("stopped")
            raise typer.Exit(130) from None
