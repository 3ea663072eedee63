"""How the names and labels of inputs were decoded, for reports."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

from hwgen.io.encodings import name_text

_PLAIN = ("ascii", "utf-8")


class Decoded(Protocol):
    """Something whose name or labels were decoded."""

    @property
    def name(self) -> str:
        """As in `Record.source`; `!` precedes a path in a zip."""

    @property
    def path(self) -> Path:
        """The file, folder or zip on the disk."""

    @property
    def encoding(self) -> str:
        """How its name or its labels were decoded, as Python's name of a codec."""

    @property
    def guessed(self) -> bool:
        """Whether that is the most plausible of several that fit."""


def encodings_of(found: Iterable[Decoded]) -> tuple[dict[str, str], list[str]]:
    """The encodings that a user should check, and which of them are guessed.

    Returns:
        Codec by input, where it is not as UTF-8 or is guessed; and the names of inputs of which
        several encodings fit.
    """
    codecs: dict[str, str] = {}
    guessed: dict[str, None] = {}
    for one in found:
        if one.encoding in _PLAIN and not one.guessed:
            continue
        name = _input_of(one)
        codecs[name] = one.encoding
        if one.guessed:
            guessed[name] = None
    return codecs, list(guessed)


def _input_of(one: Decoded) -> str:
    """The zip or file that it is in, or the folder given, by its name."""
    archive = name_text(one.path.name)
    before, found, _ = one.name.partition(f"{archive}!")
    if found:
        return before + archive
    return one.name.partition("/")[0] if one.path.is_dir() else one.name
