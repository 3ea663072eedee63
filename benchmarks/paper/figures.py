"""In: a figure of matplotlib. Out: a PNG file, whole or not at all."""

from __future__ import annotations

from pathlib import Path

from matplotlib.figure import Figure

from hwgen.io.files import atomic_write

DPI = 110


def save_png(figure: Figure, file: Path) -> None:
    """Write the figure on white; what was there before stays until the new one is whole."""
    with atomic_write(file) as temporary:
        figure.savefig(temporary, format="png", dpi=DPI, facecolor="white")
