"""The strokes of a refiner, kept beside its weights: sampling needs them for every character.

Points are rounded to 1/256 of a unit of the box and stored as int16.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Set
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from hwgen.compute.tensor_files import load_tensors, save_tensors
from hwgen.errors import InputError, RunError
from hwgen.io.json_files import parse_json
from hwgen.sources.strokes.data import MAX_POINTS, MAX_STROKES, StrokeData, Strokes
from hwgen.sources.strokes.rounding import SCALE, stored

FILE = "strokes.safetensors"
"""Name of the file in a run directory or a model folder."""

_FORMAT = "hwgen-strokes"
_MAX_LABEL = 64  # characters
_MAX_TEXT = 4_000  # of the notice, characters


def save_strokes(path: Path, strokes: Mapping[str, Strokes], name: str, notice: str) -> None:
    """Write strokes to a file, atomically.

    Args:
        path: of the file.
        strokes: label -> strokes in a box of BOX units.
        name: of the stroke data, for messages.
        notice: authors and licence.
    """
    labels = sorted(strokes)
    lines = [line for label in labels for line in strokes[label]]
    tensors = {
        "points": np.concatenate([np.empty((0, 2), np.int16), *map(stored, lines)]),
        "lengths": np.array([len(line) for line in lines], np.int32),
        "counts": np.array([len(strokes[label]) for label in labels], np.int32),
    }
    texts = {
        "format": _FORMAT,
        "labels": json.dumps(labels, ensure_ascii=False),
        "name": name,
        "notice": notice,
    }
    save_tensors(path, {key: torch.from_numpy(value) for key, value in tensors.items()}, texts)


class StoredStrokes(StrokeData):
    """Strokes from a file that `save_strokes` wrote; it may be untrusted.

    Args:
        path: of the file.

    Raises:
        RunError: there is no such file, or it is damaged.
    """

    def __init__(self, path: Path) -> None:
        tensors, texts = load_tensors(path)
        try:
            if texts.get("format") != _FORMAT:
                raise ValueError(f"format {texts.get('format')!r:.40}")
            labels = _labels(texts["labels"])
            lengths = _counts(tensors["lengths"], MAX_POINTS)
            counts = _counts(tensors["counts"], MAX_STROKES)
            points = tensors["points"]
            if points.dtype != torch.int16 or points.shape != (int(lengths.sum()), 2):
                raise ValueError("points and lengths do not fit together")
            if counts.sum() != len(lengths) or len(labels) != len(counts):
                raise ValueError("labels, counts and lengths do not fit together")
        except (KeyError, ValueError, InputError) as error:
            reason = f"it lacks {error}" if isinstance(error, KeyError) else error
            raise RunError(
                f"is not a file of strokes that this version of hwgen can read ({reason})",
                where=str(path),
                remedy="Copy the run or the model again",
            ) from None
        self.name = texts.get("name", "")[:_MAX_LABEL] or "this file"  # type: ignore[misc]
        self.notice = texts.get("notice", "")[:_MAX_TEXT]  # type: ignore[misc]
        self._numbers = {label: number for number, label in enumerate(labels)}
        self._points: npt.NDArray[np.int16] = points.numpy()
        self._point_ends = np.concatenate([[0], np.cumsum(lengths)])
        self._line_ends = np.concatenate([[0], np.cumsum(counts)])

    def characters(self) -> Set[str]:
        """See StrokeData."""
        return self._numbers.keys()

    def read(self, characters: Set[str]) -> dict[str, Strokes]:
        """See StrokeData."""
        return {label: self._strokes(self._numbers[label]) for label in characters}

    def _strokes(self, number: int) -> Strokes:
        first, last = self._line_ends[number : number + 2]
        ends = self._point_ends[first : last + 1]
        return tuple(
            self._points[start:end].astype(np.float64) / SCALE
            for start, end in pairwise(ends.tolist())
        )


def _labels(text: str) -> list[str]:
    labels: Any = parse_json(text)
    if not isinstance(labels, list) or len(set(map(str, labels))) != len(labels):
        raise ValueError("labels are not a list of different texts")
    if not all(isinstance(label, str) and 0 < len(label) <= _MAX_LABEL for label in labels):
        raise ValueError(f"labels are not texts of 1 to {_MAX_LABEL} characters")
    return labels


def _counts(tensor: torch.Tensor, most: int) -> npt.NDArray[np.int64]:
    """Positive counts from an untrusted tensor, int64 [n]."""
    if tensor.dtype != torch.int32 or tensor.ndim != 1:
        raise ValueError(f"counts are {tensor.dtype} of shape {list(tensor.shape)}")
    counts: npt.NDArray[np.int64] = tensor.numpy().astype(np.int64)
    if counts.min(initial=1) < 1 or counts.max(initial=1) > most:
        raise ValueError(f"a count is not from 1 to {most:,}")
    return counts
