"""Export of a run's log and sample grids for TensorBoard.

A step is the number of real images trained on; the time is that of training.
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
from hwgen.requirements import install_extra
from hwgen.runs import Run, logged

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

LAYOUT_VERSION = 1
"""Raised when the files of an export change for the same run."""

FILE = "events.out.tfevents.hwgen"
"""TensorBoard reads every file with `tfevents` in its name; its own names contain the host name."""

_NOT_CURVES = ("images", "seconds")


def export_curves(run: Run, out: Path | str, *, overwrite: bool = False) -> int:
    """Write the curves and sample grids of a run as an event file; it holds no real images.

    The same call again does nothing; after further training it needs `overwrite`.

    Returns:
        Number of values and images written.

    Raises:
        RunError: the log is empty, or a grid is damaged.
        InputError: something else is at `out`, or tensorboard is not installed.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise InputError(
            f"export-curves needs {error.name}",
            remedy=f"Install it with: {install_extra('tensorboard')}",
        ) from None
    out = Path(out)
    log = run.read_log()
    if not log:
        raise RunError("the log is empty", where=str(run.path), remedy="Train the run first")
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
            # Written elsewhere first, since the writer accepts only names in UTF-8.
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
            with PilImage.open(grid, formats=["PNG"]) as image:
                pixels = np.asarray(image.convert("RGB"))
        except (OSError, ValueError, SyntaxError, PilImage.DecompressionBombError) as error:
            raise RunError(
                f"is not a readable PNG ({error})", where=str(grid), remedy="Remove it"
            ) from None
        images = int(grid.stem)
        writer.add_image("grid", pixels, images, times.get(images, 0.0), dataformats="HWC")


def _numbers(entry: Mapping[str, Any]) -> dict[str, float]:
    found = {name: logged(entry, name) for name in entry if name not in _NOT_CURVES}
    return {name: value for name, value in found.items() if value is not None}
