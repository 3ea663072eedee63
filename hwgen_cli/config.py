"""`--config FILE`: options of a command in a TOML file, and the file that every run writes."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer

from hwgen.errors import InputError
from hwgen.io.files import write_text
from hwgen.io.toml_files import read_toml
from hwgen.suggestions import suggest

FILE = "config.toml"
"""Name of the file that a run writes into its directory."""

_LEFT_OUT = ("config", "help", "dry-run", "json")
"""Names of parameters that are no settings of a run."""

_MARK = "# Options of hwgen "
"""Beginning of a file that hwgen wrote; no other is replaced."""

Progress = Callable[[float, float, str], None]


def _use(ctx: typer.Context, value: Path | None) -> Path | None:
    """Take the options of a file as defaults of a command."""
    if value is not None:
        ctx.default_map = read_config(value, _settings(ctx))
    return value


Config = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE.toml",
        is_eager=True,
        callback=_use,
        help='File with options as TOML, such as preset = "glyph-32"; options of the command '
        f"line come before it. A run writes its own as {FILE} into its output directory.",
    ),
]


def _settings(ctx: typer.Context) -> dict[str, Any]:
    """The parameters that a file may set, by their names in it: `--init-from` is `init-from`."""
    names = ((one.opts[0].removeprefix("--").replace("_", "-"), one) for one in ctx.command.params)
    return {name: param for name, param in names if name not in _LEFT_OUT}


def read_config(file: Path, settings: dict[str, Any]) -> dict[str, Any]:
    """Values by parameter, as texts, like those of a command line; True and False for flags.

    Args:
        file: TOML, untrusted.
        settings: parameters of click by their names in the file.

    Raises:
        InputError: the file cannot be read, an option is unknown, or its value of the wrong type.
    """
    where = str(file)
    values = {}
    for name, value in read_toml(file).items():
        if name not in settings:
            raise InputError(
                f"unknown option {name!r:.60}", where=where, remedy=suggest(name, settings)
            )
        param = settings[name]
        values[param.name] = _value(name, value, param, where)
    return values


def _value(name: str, value: Any, param: Any, where: str) -> Any:
    if getattr(param, "is_flag", False):
        if not isinstance(value, bool):
            raise InputError(f"{name} should be true or false, found {value!r:.60}", where=where)
        return value
    texts = [str(one) for one in (value if isinstance(value, list) else [value]) if _is_plain(one)]
    if len(texts) < (len(value) if isinstance(value, list) else 1):
        example = ' such as ["loss.a=-1"]' if name == "set" else ""
        raise InputError(
            f"{name} should be a text, a number, or a list of them{example}, found {value!r:.60}",
            where=where,
        )
    return texts if param.multiple else ",".join(texts)


def _is_plain(value: Any) -> bool:
    return isinstance(value, str | int | float) and not isinstance(value, bool)


def config_text(ctx: typer.Context) -> str:
    """The options of a command as TOML, without those that are not set."""
    command = ctx.info_name
    lines = [f"{_MARK}{command}; to use them again: hwgen {command} --config {FILE}"]
    for name, param in _settings(ctx).items():
        value = ctx.params.get(str(param.name))
        if value is not None and value is not False and value != [] and value != ():
            lines.append(f"{name} = {_toml(value)}")
    return "\n".join(lines) + "\n"


def _toml(value: Any) -> str:
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_toml, value))}]"
    value = value.value if isinstance(value, Enum) else value
    if isinstance(value, bool | int | float):
        return repr(value).lower()
    # JSON's strings are TOML's, but for one control character.
    return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")


def with_config(ctx: typer.Context, out: Path, progress: Progress) -> Progress:
    """Progress that also writes the options into an output directory, once that exists."""
    text, file = config_text(ctx), out / FILE
    waiting = True

    def report(done: float, total: float, note: str) -> None:
        nonlocal waiting
        progress(done, total, note)
        if waiting and out.is_dir():
            waiting = False
            with suppress(OSError):  # the work matters more
                _write(file, text)

    return report


def _write(file: Path, text: str) -> None:
    if not file.exists() or file.read_text("utf-8", errors="replace").startswith(_MARK):
        write_text(file, text)
