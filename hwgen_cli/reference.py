"""docs/reference.md: all commands, presets and formats, generated from the code.

`python -m hwgen_cli.reference` in the repository writes it. It is built from the declarations
rather than from the output of --help, so that it is the same for any terminal and any version of
typer.
"""

from __future__ import annotations

import enum
import inspect
import re
import sys
import types
import typing
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import typer.main
from typer.models import ParameterInfo

from hwgen_cli.__main__ import app

FILE = Path("docs/reference.md")

CLASSES = 3_740
"""Classes of HWDB, for which parameters are counted."""

_HEAD = """\
# Reference

Generated from the code by `python -m hwgen_cli.reference`; do not edit it.

`hwgen --install-completion` installs completion of commands, options, and the names of presets,
losses and formats; it works in new shells.

Exit codes: 0 success; 1 an error that you can fix, such as a wrong file, printed without a
traceback; 2 a wrong command line; 130 stopped by Ctrl-C. After Ctrl-C a command finishes its
current step and saves what it can; rerun it to resume. Ctrl-C twice stops at once.
"""

Row = Sequence[str]


Command = tuple[str, Any, Callable[..., Any]]
"""Name, command of click, and the function with its declarations."""


def reference() -> str:
    """The whole page, Markdown."""
    commands = sorted(all_commands(app), key=lambda command: command[0])
    parts = [_HEAD, "## Commands\n"]
    parts += [
        f"- [{name}](#hwgen-{name.replace(' ', '-')}): {_summary(command)}"
        for name, command, _ in commands
    ]
    parts += [_command(*command) for command in commands]
    parts += [_generators(), _recognisers(), _formats()]
    return "\n".join(parts)


def all_commands(application: typer.Typer, prefix: str = "") -> Iterator[Command]:
    """Commands and those of groups, as `study make`, in the order in which they are registered."""
    group: Any = typer.main.get_group(application)
    for info in application.registered_commands:
        name = str(info.name)
        assert info.callback is not None
        yield prefix + name, group.commands[name], info.callback
    for sub in application.registered_groups:
        assert sub.typer_instance is not None
        yield from all_commands(sub.typer_instance, f"{prefix}{sub.name} ")


def main(arguments: Sequence[str]) -> None:
    """Write the page to the file given, or to docs/reference.md."""
    if any(one.startswith("-") for one in arguments):
        sys.exit("usage: python -m hwgen_cli.reference [FILE]")
    file = Path(arguments[0]) if arguments else FILE
    file.write_text(reference(), encoding="utf-8")


def _command(name: str, command: Any, function: Callable[..., Any]) -> str:
    declared = _declared(function)
    parameters = [p for p in command.params if p.name in declared]  # typer adds some of its own
    arguments = [p for p in parameters if p.param_type_name == "argument"]
    options = [p for p in parameters if p.param_type_name == "option"]
    order = " ".join(_argument(p) if p.required else f"[{_argument(p)}]" for p in arguments)
    needed = " ".join(f"{p.opts[0]} {_values(p, *declared[p.name])}" for p in options if p.required)
    usage = f"hwgen {name} {order} {needed} [OPTIONS]"
    lines = [f"\n## hwgen {name}\n", "```text", re.sub(" +", " ", usage), "```\n"]
    lines += _paragraphs(inspect.cleandoc(function.__doc__ or ""))
    if arguments:
        places = [(f"`{_cell(_argument(p))}`", _text(p.help)) for p in arguments]
        lines.append(_table(("argument", "meaning"), places))
    panels = dict.fromkeys(p.rich_help_panel or "" for p in options)
    for panel in sorted(panels, key=bool):
        rows = [
            (_names(p), _code(_values(p, *declared[p.name])), _default(p), _text(p.help))
            for p in options
            if (p.rich_help_panel or "") == panel
        ]
        lines += [f"{panel}:\n"] if panel else []
        lines.append(_table(("option", "value", "default", "meaning"), rows))
    return "\n".join(lines)


def _declared(function: Callable[..., Any]) -> dict[str, tuple[Any, ParameterInfo]]:
    """For each parameter its type, without None, and its declaration for typer."""
    declared = {}
    for name, parameter in inspect.signature(function, eval_str=True).parameters.items():
        kind, info = parameter.annotation, parameter.default
        if typing.get_origin(kind) is typing.Annotated:
            kind, info = typing.get_args(kind)[:2]
        if typing.get_origin(kind) in (types.UnionType, typing.Union):
            (kind,) = (one for one in typing.get_args(kind) if one is not type(None))
        if typing.get_origin(kind) is list:
            (kind,) = typing.get_args(kind)
        declared[name] = kind, info
    return declared


def _summary(command: Any) -> str:
    return _text(inspect.cleandoc(command.help or "").split("\n\n")[0])


def _argument(parameter: Any) -> str:
    return str(parameter.metavar or parameter.name.upper())


def _names(parameter: Any) -> str:
    on = ", ".join(f"`{name}`" for name in parameter.opts)
    off = ", ".join(f"`{name}`" for name in parameter.secondary_opts)
    repeated = ", repeatable" if parameter.multiple else ""
    return f"{on} or {off}" if off else on + repeated


def _values(parameter: Any, kind: Any, info: ParameterInfo) -> str:
    """Value and range: `N>=1`."""
    if kind is bool:
        return ""
    if issubclass(kind, enum.Enum):
        return "|".join(str(choice.value) for choice in kind)
    name = parameter.metavar or {int: "N", float: "NUMBER", Path: "PATH", str: "TEXT"}[kind]
    if info.min is None:
        return str(name)
    return f"{name}>={info.min:g}" if info.max is None else f"{name}, {info.min:g} to {info.max:g}"


def _default(parameter: Any) -> str:
    if parameter.required:
        return "required"
    shown, value = parameter.show_default, parameter.default
    if isinstance(shown, str):
        return _text(shown)
    if value is None or value is False or value == "":
        return ""
    if isinstance(value, list | tuple):
        return _code(",".join(map(str, value)))
    return _code(str(value.value if isinstance(value, enum.Enum) else value))


def _paragraphs(text: str) -> Iterator[str]:
    """A docstring as Markdown; lines that begin with `hwgen` or `Example: hwgen` are commands."""
    commands: list[str] = []
    for paragraph in [*text.split("\n\n"), ""]:
        line = " ".join(paragraph.split())
        command = line.removeprefix("Example: ")
        if command.startswith("hwgen "):
            commands.append(command)
            continue
        if commands:
            yield "\n".join(["```sh", *commands, "```\n"])
            commands = []
        if line:
            yield _text(line) + "\n"


def _generators() -> str:
    from hwgen.generators.base import all_kinds

    parts = []
    for found in (table for kind in all_kinds() for table in kind.reference_tables(CLASSES)):
        rows = [(f"`{row[0]}`", *row[1:-1], _text(row[-1])) for row in found.rows]
        parts.append(f"\n## {found.title}\n")
        parts += [f"{found.note}\n"] if found.note else []
        parts.append(_table(found.head, rows))
    return "\n".join(parts)


def _recognisers() -> str:
    import torch

    from hwgen.recogniser.network import ABOUT, RECOGNISERS, RecogniserNetwork, parameter_count

    rows = []
    for name, recipe in RECOGNISERS.items():
        with torch.device("meta"):
            size = parameter_count(RecogniserNetwork(recipe, CLASSES))
        widths = " / ".join(" ".join(map(str, stage)) for stage in recipe.widths)
        if recipe.stem:
            widths += f"; the first {recipe.stem}x{recipe.stem} with stride 2"
        figures = (f"{n:,}" for n in (recipe.hidden, size, recipe.batch, recipe.steps))
        reads = f"{recipe.size}x{recipe.size}"
        rows.append((f"`{name}`", reads, widths, *figures, f"adamw {recipe.lr:g}", ABOUT[name]))
    head = ("preset", "reads", "convolutions", "hidden", "parameters", "batch", "steps")
    note = (
        f"Parameters are counted for {CLASSES:,} classes. --size and --steps change the recipe.\n"
    )
    table = _table((*head, "optimiser", "purpose"), rows)
    return "\n".join(["\n## Presets of recognisers\n", note, table])


def _formats() -> str:
    from hwgen.exports import FORMATS

    rows = [(f"`{name}`", _text(row.files), _text(row.readers)) for name, row in FORMATS.items()]
    return "\n".join(["\n## Export formats\n", _table(("format", "files", "read by"), rows)])


def _table(head: Row, rows: Iterable[Row]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def _code(text: str) -> str:
    return f"`{_cell(text)}`" if text else ""


def _cell(text: str) -> str:
    """Escape bars, which end a cell of a table even inside code."""
    return text.replace("|", r"\|")


def _text(text: str | None) -> str:
    """Text on one line, with the signs that have a meaning in Markdown escaped."""
    return re.sub(r"([\\*_<>|])", r"\\\1", " ".join((text or "").split()))


if __name__ == "__main__":
    main(sys.argv[1:])
