"""The terminal: what is untrusted in a text is shown and never obeyed, and its loss stops no work.

Labels, names and texts of files may contain control sequences, which move the cursor, change the
title or hide what follows. They stay exact in stores and results. All that is printed passes one of
two filters: the Console below, and for everything else the streams that `guard_streams` installs.

Messages and progress go to standard error. Where it fails (a pipe whose reader has left, a full
disk, a closed terminal), they are dropped and the work goes on. Results go to standard output; if
it fails, so does the command, after its work.
"""

from __future__ import annotations

import io
import json
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import rich.console
import rich.markup
from rich.console import ConsoleOptions, RenderableType
from rich.measure import Measurement
from rich.segment import Segment
from rich.table import Table

from hwgen.io.files import repair_utf8

# Unicode's categories Cc, Cf, Zl and Zp: controls, formats such as the bidirectional ones and
# zero-width characters, and separators of lines and paragraphs. Line breaks and tabs are layout.
_UNSEEN = (
    "\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u180e"
    "\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\U000110bd\U000110cd"
    "\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e007f"
)
_LEAST_WIDTH = 40
_USUAL_WIDTH = 80
"""Columns of text: narrower is no terminal, and a table may take so many to keep words whole."""

_ENDLESS = 10_000

_NOT_SHOWN = re.compile(f"[{_UNSEEN}]|[\udc80-\udcff]+")
_NOT_IN_A_LINE = re.compile(f"[{_UNSEEN}\t\n]|[\udc80-\udcff]+")


def visible(text: str) -> str:
    r"""A text with its controls and invisible characters as `\x1b` or `\u200b`."""
    return _NOT_SHOWN.sub(_escaped, text)


def one_line(text: str) -> str:
    """A label or a name: `visible`, and without line breaks and tabs of its own."""
    return _NOT_IN_A_LINE.sub(_escaped, text)


def escape(text: str) -> str:
    """A label or a name within rich's markup, as `one_line`."""
    return rich.markup.escape(one_line(text))


def to_json(value: Any) -> str:
    """Plain JSON, exact, with controls and invisible characters as JSON's own escapes."""
    text = json.dumps(value, ensure_ascii=False, default=str, indent=1)
    return _NOT_SHOWN.sub(lambda found: _replaced(found, lambda one: json.dumps(one)[1:-1]), text)


class Console(rich.console.Console):
    """A console that shows, and does not obey, what is in the texts that it prints.

    Nothing in a table is cut: it is wider than the terminal if its words are, and folds long ones.
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        if self.width < _LEAST_WIDTH and not (self.is_terminal and self.width):
            self.width = _USUAL_WIDTH  # the variable COLUMNS is wrong, such as 0

    def print(self, *objects: Any, **settings: Any) -> None:
        """See rich."""
        for table in objects:
            if isinstance(table, Table):
                for column in table.columns:
                    column.overflow = "fold"
                endless = self.options.update(max_width=_ENDLESS)
                words = Measurement.get(self, endless, table).minimum
                if words > self.width:
                    table.width = max(self.width, min(words, _USUAL_WIDTH))
                    settings["crop"] = False
        super().print(*objects, **settings)

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """See rich; its own control sequences stay."""
        for segment in super().render(renderable, options):
            text = segment.text if segment.control else visible(segment.text)
            yield segment if text == segment.text else Segment(text, segment.style)


class _Filter:
    """A stream of text that makes `visible` what is written to it.

    Consoles write to the stream behind it, by the attribute that rich has for this.
    """

    def __init__(self, stream: Any) -> None:
        self.rich_proxied_file = stream

    def write(self, text: str) -> int:
        self.rich_proxied_file.write(visible(text))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def __iter__(self) -> Iterator[str]:
        return iter(self.rich_proxied_file)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.rich_proxied_file, name)


class _Guard:
    """A standard stream whose errors are dropped, or named.

    Args:
        stream: of text.
        name: of it, for errors; "" to drop what cannot be written.
    """

    def __init__(self, stream: Any, name: str = "") -> None:
        self._stream, self._name = stream, name

    def write(self, text: str) -> int:
        with self._guarded():
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with self._guarded():
            self._stream.flush()

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if self._name:
                error.filename = self._name
                raise

    def __iter__(self) -> Iterator[str]:
        return iter(self._stream)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def guard_streams() -> None:
    """Filter all that the process prints: messages of libraries, warnings, tracebacks, usage.

    A standard stream that is closed is opened, to read and write nothing: else the next file that
    the process opens would have its number, and messages would be written into a store.
    """
    import typer.rich_utils

    vars(typer.rich_utils)["Console"] = Console  # its errors repeat arguments
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            # It gets the lowest free number, which is this one.
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
    nothing = io.StringIO()
    sys.stdout = _Filter(_Guard(sys.stdout or nothing, "standard output"))
    sys.stderr = _Filter(_Guard(sys.stderr or nothing))


def flush_output() -> None:
    """Write what standard output still holds.

    Raises:
        OSError: it cannot be written; it is dropped.
    """
    try:
        sys.stdout.flush()
    except OSError:
        # Else Python tries again at its end, and complains.
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, 1)
        os.close(nothing)
        raise


def _escaped(found: re.Match[str]) -> str:
    return _replaced(found, lambda char: char.encode("unicode_escape").decode())


def _replaced(found: re.Match[str], code: Callable[[str], str]) -> str:
    """The codes of what was found; bytes of file names stay if they are nothing of the kind."""
    text = found[0]
    if text[0] < "\udc80" or text[0] > "\udcff":
        return code(text)
    name = repair_utf8(text)
    if not _NOT_SHOWN.search(name):
        return text
    return "".join(code(char) if _NOT_SHOWN.match(char) else char for char in name)
