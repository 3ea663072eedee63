"""Figures of matplotlib as PNG files, written atomically."""

from __future__ import annotations

from pathlib import Path

from matplotlib.figure import Figure

from hwgen.io.files import atomic_write

DPI = 110


def save_png(figure: Figure, file: Path) -> None:
    """Write a figure on white; an existing file is replaced at once."""
    with atomic_write(file) as temporary:
        figure.savefig(temporary, format="png", dpi=DPI, facecolor="white")
