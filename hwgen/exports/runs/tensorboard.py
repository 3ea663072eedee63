"""In: a run. Out: its log and grids as TensorBoard shows them.

The step is the number of real pictures seen, the time is that spent training.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image as PilImage

from hwgen.compute.tensor_files import file_hash
from hwgen.errors import InputError, RunError
from hwgen.exports.staging import written_at_once
from hwgen.runs import Run, logged

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

LAYOUT_VERSION = 1
"""Rises when the same run comes to be written otherwise."""

FILE = "events.out.tfevents.hwgen"
"""TensorBoard takes every file with `tfevents` in its name; its own names tell the machine's."""

_NOT_CURVES = ("images", "seconds")


def export_curves(run: Run, out: Path | str, *, overwrite: bool = False) -> int:
    """Write a run's curves and grids as an event file; synthetic pictures only.

    The same call again returns, unless the run was trained on: then it needs `overwrite`.

    Returns:
        Numbers and pictures in the log so far.

    Raises:
        RunError: the run has logged nothing, or a grid is damaged.
        InputError: `out` is taken, or tensorboard is not installed.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise InputError(
            f"export-curves needs {error.name}",
            remedy="Install it with: pip install 'hwgen[tensorboard]'",
        ) from None
    out = Path(out)
    log = run.read_log()
    if not log:
        raise RunError("has logged nothing yet", where=str(run.path), remedy="Train it first")
    grids = run.grid_files()
    recipe: dict[str, Any] = {
        "format": "tensorboard",
        "layout": LAYOUT_VERSION,
        "run": run.id,
        "log": file_hash(run.path / "log.jsonl"),
        "grids": [grid.name for grid in grids],
    }
    with written_at_once(out, recipe, overwrite) as partial:
        if partial is not None:
            # Not in its place, since the writer takes names in UTF-8 alone.
            with tempfile.TemporaryDirectory() as folder:
                with SummaryWriter(folder) as writer:
                    _write(writer, log, grids)
                (written,) = Path(folder).glob("*tfevents*")
                shutil.move(written, partial / FILE)
    return sum(len(_numbers(entry)) for entry in log) + len(grids)


def _write(writer: SummaryWriter, log: Sequence[Mapping[str, Any]], grids: Sequence[Path]) -> None:
    times: dict[int, float] = {}
    seconds = 0.0
    for entry in log:
        seconds = logged(entry, "seconds") or seconds
        times[entry["images"]] = seconds
        for name, value in _numbers(entry).items():
            writer.add_scalar(name, value, entry["images"], seconds)
    for grid in grids:
        try:
            with PilImage.open(grid, formats=["PNG"]) as picture:
                pixels = np.asarray(picture.convert("RGB"))
        except (OSError, ValueError, SyntaxError, PilImage.DecompressionBombError) as error:
            raise RunError(
                f"is no PNG that can be read ({error})", where=str(grid), remedy="Remove it"
            ) from None
        images = int(grid.stem)
        writer.add_image("grid", pixels, images, times.get(images, 0.0), dataformats="HWC")


def _numbers(entry: Mapping[str, Any]) -> dict[str, float]:
    found = {name: logged(entry, name) for name in entry if name not in _NOT_CURVES}
    return {name: value for name, value in found.items() if value is not None}
