"""Strokes as written in Japan, from the PyPI package `kanjivg` (the extra `demo`)."""

from __future__ import annotations

import importlib.metadata
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Set
from pathlib import Path

import numpy as np

from hwgen.errors import InputError
from hwgen.requirements import install_extra
from hwgen.sources.strokes.data import STEP, Points, StrokeData, Strokes, resample


class KanjiVG(StrokeData):
    """KanjiVG's stroke paths, Bezier curves: 6,413 Chinese characters, and other symbols."""

    name = "KanjiVG"
    notice = (
        "Simulated handwriting, not scans: rendered by hwgen from the stroke paths of KanjiVG, "
        "copyright Ulrich Apel, CC BY-SA 3.0, https://kanjivg.tagaini.net. "
        "Images made from it are under the same licence."
    )

    @property
    def path(self) -> Path:
        """See StrokeData."""
        return next(iter(kanjivg_characters().values())).parent

    def characters(self) -> Set[str]:
        """See StrokeData."""
        return kanjivg_characters().keys()

    def read(self, characters: Set[str]) -> dict[str, Strokes]:
        """See StrokeData."""
        files = kanjivg_characters()
        return {character: read_svg(files[character]) for character in characters}


def kanjivg_characters() -> dict[str, Path]:
    """The characters of KanjiVG with their SVG files, without variants.

    Raises:
        InputError: the package `kanjivg` is not installed.
    """
    try:
        package = importlib.metadata.distribution("kanjivg")
    except importlib.metadata.PackageNotFoundError:
        raise InputError(
            "the strokes of KanjiVG need the package kanjivg, which is not installed",
            remedy=f"Leave out --strokes kanjivg, or: {install_extra('demo')}",
        ) from None
    return {
        chr(int(file.stem, 16)): Path(str(package.locate_file(file)))
        for file in package.files or ()
        # The names of variants continue after the code: 0585a-Kaisho.svg.
        if re.fullmatch(r"[0-9a-f]{5}\.svg", file.name)
    }


def read_svg(path: Path) -> Strokes:
    """The strokes of one KanjiVG file, in writing order.

    Raises:
        InputError: a path cannot be read, or there is none.
    """
    root = ElementTree.parse(path).getroot()
    paths = root.iter("{http://www.w3.org/2000/svg}path")
    try:
        strokes = tuple(resample(parse_path(element.get("d", "")), STEP) for element in paths)
    except ValueError as error:
        raise InputError(f"unreadable stroke path: {error}", where=str(path)) from None
    if not strokes:
        raise InputError("no strokes found", where=str(path))
    return strokes


def parse_path(commands: str, pieces: int = 12) -> Points:
    """SVG path data as a polyline: M, L, C and S, absolute or relative, one subpath.

    Args:
        commands: the attribute `d`.
        pieces: straight segments per cubic Bezier curve.

    Returns:
        float [n, 2]: (x, y) of the points, from the beginning of the path.

    Raises:
        ValueError: another command, a second subpath, or missing numbers.
    """
    t = np.linspace(0, 1, pieces + 1)[1:, None]
    # Bernstein polynomials of degree 3.
    bernstein = np.hstack([(1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3])
    runs: list[Points] = []
    here = handle = np.zeros(2)
    for command, text in re.findall(r"([A-Za-z])([^A-Za-z]*)", commands):
        numbers = [float(number) for number in re.findall(r"[-+]?(?:\d+\.?\d*|\.\d+)", text)]
        kind = command.upper()
        points_each = {"M": 1, "L": 1, "C": 3, "S": 2}.get(kind)
        if points_each is None or (kind == "M") == bool(runs):
            raise ValueError(f"unexpected command {command!r} in {commands!r}")
        if not numbers or len(numbers) % (2 * points_each):
            raise ValueError(f"{command!r} has {len(numbers)} numbers in {commands!r}")
        for group in np.reshape(numbers, (-1, points_each, 2)):
            points = group + here if command.islower() else group
            if kind in "CS":
                first = points[:1] if kind == "C" else 2 * here[None] - handle
                runs.append(bernstein @ np.vstack([here[None], first, points[-2:]]))
                handle = points[-2]
            else:
                runs.append(points)
                handle = points[-1]
            here = points[-1]
    if not runs:
        raise ValueError(f"no path in {commands!r}")
    return np.concatenate(runs)
