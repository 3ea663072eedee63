"""A training's checkpoint: all that is needed to resume."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from torch import Tensor

from hwgen.compute.tensor_files import load_tensors, load_texts, save_tensors
from hwgen.errors import RunError

CHECKPOINT_SECONDS = 60.0
"""Least time between two checkpoints that are not asked for."""


@dataclass(frozen=True)
class Checkpoint:
    """The state from which a run resumes; without tensors it starts from scratch.

    Attributes:
        step: steps done.
        seconds: time spent on them.
        tensors: of everything that training changes.
    """

    step: int = 0
    seconds: float = 0.0
    tensors: Mapping[str, Tensor] = field(default_factory=dict)


def read_checkpoint(path: Path, run: str) -> Checkpoint:
    """A run's checkpoint, or an empty one if there is none.

    Args:
        path: the file.
        run: the run's id, which the checkpoint must name.

    Raises:
        RunError: it is damaged, or another run's.
    """
    if not path.exists():
        return Checkpoint()
    tensors, texts = load_tensors(path)
    step, seconds = _progress_of(texts, path, run)
    return Checkpoint(step, seconds, tensors)


def write_checkpoint(
    path: Path, run: str, checkpoint: Checkpoint, texts: Mapping[str, str] | None = None
) -> None:
    """Write what `read_checkpoint` reads, atomically.

    Args:
        path: the file.
        run: the run's id.
        checkpoint: steps, seconds and tensors.
        texts: further ones.

    Raises:
        RunError: writing fails, such as on a full disk.
    """
    own = {"step": str(checkpoint.step), "seconds": str(checkpoint.seconds), "run": run}
    save_tensors(path, checkpoint.tensors, {**own, **(texts or {})})


def read_step(path: Path, run: str) -> int:
    """The steps of a run's checkpoint; 0 if there is none. No tensor is read.

    Raises:
        RunError: see `read_checkpoint`, as for the arguments.
    """
    return _progress_of(load_texts(path), path, run)[0] if path.exists() else 0


def _progress_of(texts: Mapping[str, str], where: Path, run: str) -> tuple[int, float]:
    """Steps done and seconds spent, from the texts of a checkpoint of this run.

    Raises:
        RunError: it is another run's, or they are missing or invalid.
    """
    if texts.get("run") != run:
        raise RunError(
            f"belongs to run {texts.get('run')!r}, not to {run!r}",
            where=str(where),
            remedy="Remove it to start from scratch",
        )
    try:
        step, seconds = int(texts["step"]), float(texts["seconds"])
    except (KeyError, ValueError) as error:
        raise RunError(f"is not a checkpoint ({error})", where=str(where)) from None
    if step < 0 or not 0 <= seconds < math.inf:
        raise RunError(f"is not a checkpoint (step {step} after {seconds} s)", where=str(where))
    return step, seconds
