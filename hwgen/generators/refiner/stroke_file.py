"""The strokes of a refiner, kept beside its weights: sampling needs them for every character.

Points are rounded to 1/256 of a unit of the box and stored as int16.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Set
from pathlib import Path

import numpy as np
import torch

from hwgen.compute.tensor_files import load_tensors, save_tensors
from hwgen.errors import InputError, RunError
from hwgen.io.json_files import parse_json
from hwgen.sources.strokes.data import StrokeData, Strokes

FILE = "strokes.safetensors"
"""Name of the file in a run directory or a model folder."""

_SCALE = 256
_FORMAT = "hwgen-strokes"


def save_strokes(path: Path, strokes: Mapping[str, Strokes], name: str, notice: str) -> None:
    """Write strokes to a file, atomically.

    Args:
        path: of the file.
        strokes: label -> strokes in a box of BOX units.
        name: of the stroke data, for messages.
        notice: authors and licence.
    """
    lines = [line for label in sorted(strokes) for line in strokes[label]]
    points = np.concatenate(lines) if lines else np.empty((0, 2))
    tensors = {
        "points": np.clip(np.rint(points * _SCALE), -(1 << 15), (1 << 15) - 1).astype(np.int16),
        "lengths": np.array([len(line) for line in lines], np.int32),
        "counts": np.array([len(strokes[label]) for label in sorted(strokes)], np.int32),
    }
    texts = {
        "format": _FORMAT,
        "labels": json.dumps(sorted(strokes), ensure_ascii=False),
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
            labels = parse_json(texts["labels"])
            points, lengths, counts = (
                tensors[key].numpy() for key in ("points", "lengths", "counts")
            )
            fits = (
                texts["format"] == _FORMAT
                and isinstance(labels, list)
                and all(isinstance(label, str) for label in labels)
                and points.dtype == np.int16
                and points.shape == (lengths.sum(), 2)
                and lengths.ndim == counts.ndim == 1
                and min(lengths.min(initial=1), counts.min(initial=1)) >= 1
                and counts.sum() == len(lengths)
                and len(labels) == len(counts)
            )
            if not fits:
                raise ValueError("its parts do not fit together")
        except (KeyError, ValueError, InputError) as error:
            raise RunError(f"is not a file of strokes ({error})", where=str(path)) from None
        self.name = str(texts.get("name", "this file"))  # type: ignore[misc]
        self.notice = str(texts.get("notice", ""))  # type: ignore[misc]
        self._numbers = {label: number for number, label in enumerate(labels)}
        lines = np.split(points.astype(np.float64) / _SCALE, np.cumsum(lengths)[:-1])
        self._lines = lines
        self._first = np.cumsum(counts) - counts
        self._counts = counts

    def characters(self) -> Set[str]:
        """See StrokeData."""
        return self._numbers.keys()

    def read(self, characters: Set[str]) -> dict[str, Strokes]:
        """See StrokeData."""
        found = {}
        for label in characters:
            first = self._first[self._numbers[label]]
            found[label] = tuple(self._lines[first : first + self._counts[self._numbers[label]]])
        return found
