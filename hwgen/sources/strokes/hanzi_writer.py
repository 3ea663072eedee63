"""Strokes of 9,574 characters as written in China, from hanzi-writer-data or Make Me a Hanzi.

Each character is a JSON object with the "medians" of its strokes: points in a box of 1024, y up.
`npm pack hanzi-writer-data` downloads a tar with one file per character; `graphics.txt` of Make Me
a Hanzi has one line per character, which also has "character".
"""

from __future__ import annotations

import tarfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Set
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from hwgen.errors import InputError
from hwgen.io.json_files import parse_json
from hwgen.io.paths import suggest_path
from hwgen.io.streams import refuse_stream
from hwgen.sources.strokes.data import (
    BOX,
    MAX_POINTS,
    MAX_STROKES,
    STEP,
    Points,
    StrokeData,
    Strokes,
    resample,
)

_SIDE, _BASE = 1024.0, 900.0  # y = 900 is the top of the box
_MAX_BYTES = 1 << 20  # of one character; the longest of 9,574 has 8,621
_MAX_ALL = 1 << 30  # of all of them, unpacked
_DAMAGE = (tarfile.TarError, zlib.error, EOFError, OSError)

_Found = tuple[str, Callable[[], bytes]]


class HanziWriter(StrokeData):
    """A tar or folder of hanzi-writer-data, or `graphics.txt` of Make Me a Hanzi.

    Args:
        path: the file or folder.
    """

    name = "Make Me a Hanzi"
    notice = (
        "Simulated handwriting, not scans: rendered by hwgen from the stroke medians of Make Me a "
        "Hanzi (https://github.com/skishore/makemeahanzi), which come from fonts that are "
        "copyright 1999 Arphic Technology Co., Ltd., under the Arphic Public License. "
        "Treat images made from them as under the same licence."
    )

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def path(self) -> Path:
        """See StrokeData."""
        return self._path

    def characters(self) -> Set[str]:
        """See StrokeData."""
        return self._known

    def read(self, characters: Set[str]) -> dict[str, Strokes]:
        """See StrokeData."""
        return {
            character: self._strokes(character, medians)
            for character, medians in self.medians(characters)
        }

    def medians(self, characters: Set[str]) -> Iterator[tuple[str, list[Points]]]:
        """Each of these characters with the medians of its strokes, as they are in the file.

        Raises:
            InputError: they cannot be read.
        """
        for character, data in self._all():
            if character in characters:
                yield character, _medians(data(), self._where(character))

    def _strokes(self, character: str, medians: list[Points]) -> Strokes:
        strokes = strokes_of(medians)
        if max(map(len, strokes)) > MAX_POINTS:
            raise _not_strokes(self._where(character))
        return strokes

    def _where(self, character: str) -> str:
        return f"{self.path}: {character}"

    @cached_property
    def _known(self) -> Set[str]:
        found = {character for character, _ in self._all()}
        if not found:
            raise InputError(
                "contains no characters",
                where=str(self.path),
                remedy="Give the tar from `npm pack hanzi-writer-data`, or graphics.txt",
            )
        return found

    def _all(self) -> Iterator[_Found]:
        """Each character once, in the order of the file, with a function that reads its JSON."""
        refuse_stream(self.path)
        if not self.path.exists():
            raise InputError(
                "no such file", where=str(self.path), remedy=suggest_path(self.path, "")
            )
        try:
            if self.path.is_dir():
                yield from _in_folder(self.path)
            elif mode := _tar_mode(self.path):
                yield from _in_tar(self.path, mode)
            else:
                yield from _in_lines(self.path)
        except _DAMAGE as error:
            raise InputError(f"cannot be read ({error})", where=str(self.path)) from None


def _in_folder(folder: Path) -> Iterator[_Found]:
    for file in sorted(folder.glob("?.json")):

        def data(file: Path = file) -> bytes:
            _check(file.stat().st_size, _MAX_BYTES, str(file))
            return file.read_bytes()

        yield file.stem, data


def _tar_mode(path: Path) -> str:
    """Mode for tarfile; "" if not a tar. Other compressions could exhaust the memory."""
    with open(path, "rb") as file:
        head = file.read(512)
    if head.startswith(b"\x1f\x8b"):
        return "r:gz"
    return "r:" if head[257:262] == b"ustar" else ""


def _in_tar(path: Path, mode: str) -> Iterator[_Found]:
    seen: set[str] = set()
    unpacked = 0
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for member in archive:
            unpacked += member.size
            _check(unpacked, _MAX_ALL, str(path))
            name = PurePosixPath(member.name)
            if not member.isfile() or name.suffix != ".json" or len(name.stem) != 1:
                continue
            if name.stem in seen:
                continue
            seen.add(name.stem)

            def data(member: tarfile.TarInfo = member) -> bytes:
                _check(member.size, _MAX_BYTES, f"{path}: {member.name!r}")
                stream = archive.extractfile(member)
                assert stream is not None  # since it is a file
                return stream.read()

            yield name.stem, data


def _in_lines(path: Path) -> Iterator[_Found]:
    seen: set[str] = set()
    with open(path, "rb") as lines:
        while line := lines.readline(_MAX_BYTES + 1):
            _check(len(line), _MAX_BYTES, str(path))
            character = _parsed(line, str(path)).get("character")
            if not isinstance(character, str) or len(character) != 1:
                raise _not_strokes(str(path))
            if character not in seen:
                seen.add(character)
                yield character, lambda line=line: line  # type: ignore[misc]


def strokes_of(medians: Iterable[Points]) -> Strokes:
    """The strokes along medians [n, 2] of a box of 1024 units, y up."""
    to_box = np.array([1.0, -1.0]) * BOX / _SIDE
    return tuple(resample((line - [0.0, _BASE]) * to_box, STEP) for line in medians)


def _medians(data: bytes, where: str) -> list[Points]:
    medians = _parsed(data, where).get("medians")
    try:
        lines = [np.asarray(median, np.float64) for median in medians or ()]
    except (TypeError, ValueError, OverflowError):
        raise _not_strokes(where) from None
    if not 0 < len(lines) <= MAX_STROKES or not all(
        line.ndim == 2
        and line.shape[1] == 2
        and 2 <= len(line) <= MAX_POINTS
        and np.abs(line).max() <= 2 * _SIDE
        for line in lines
    ):
        raise _not_strokes(where)
    return lines


def _parsed(data: bytes, where: str) -> dict[str, Any]:
    try:
        value = parse_json(data.decode())
    except ValueError:
        raise _not_strokes(where) from None
    if not isinstance(value, dict):
        raise _not_strokes(where)
    return value


def _not_strokes(where: str) -> InputError:
    return InputError(
        "is not stroke data; expected JSON objects with the medians of a character's strokes",
        where=where,
        remedy="Give the tar from `npm pack hanzi-writer-data`, or graphics.txt",
    )


def _check(size: int, most: int, where: str) -> None:
    if size > most:
        raise InputError(f"expected at most {most:,} bytes, found {size:,}", where=where)
