"""In: an evaluation.json. Out: its figures, checked field by field."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hwgen.errors import InputError

EVALUATION_FILE = "evaluation.json"
EVALUATION_FORMAT = "hwgen-evaluation"
EVALUATION_VERSION = 1


@dataclass(frozen=True)
class JudgedStore:
    """What an evaluation says of a store that it read."""

    path: str
    count: int
    content_sha256: str


@dataclass(frozen=True)
class Figure:
    """One figure beside that of real samples.

    Attributes:
        title: what it is called.
        value: of the judged set.
        floor: of real samples; None where there is none.
        unit: "share", "ratio", "distance" or "count".
        better: which values are better, in words.
        meaning: one sentence.
    """

    title: str
    value: float
    floor: float | None
    unit: str
    better: str
    meaning: str


@dataclass(frozen=True)
class Evaluation:
    """An evaluation.json, checked.

    Attributes:
        path: its folder.
        settings: plain JSON.
        stores: by role: "synthetic", "real", "real_test".
        notes: how far the figures may be believed.
        figures: by name.
        purity: share read as its label, a class.
    """

    path: Path
    settings: dict[str, Any]
    versions: dict[str, str]
    stores: dict[str, JudgedStore]
    notes: tuple[str, ...]
    figures: dict[str, Figure]
    purity: dict[str, float]


def read_evaluation(file: Path) -> Evaluation:
    """An evaluation.json, checked field by field.

    Raises:
        InputError: not JSON, of another format, or a field is missing or of the wrong type.
    """
    try:
        value = json.loads(file.read_text(encoding="utf-8"))
        found = (value["format"], value["format_version"])
        if found != (EVALUATION_FORMAT, EVALUATION_VERSION):
            raise ValueError(f"format {found[0]!r} version {found[1]!r}")
        return _evaluation(file, value)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"is not an evaluation this hwgen can read ({type(error).__name__}: {error})",
            where=str(file),
            remedy="Run hwgen evaluate again",
        ) from None


def _evaluation(file: Path, value: Mapping[str, Any]) -> Evaluation:
    return Evaluation(
        path=file.parent,
        settings=dict(value["settings"]),
        versions={str(name): str(version) for name, version in value["versions"].items()},
        stores={
            role: JudgedStore(
                path=str(value[role]["path"]),
                count=int(value[role]["count"]),
                content_sha256=str(value[role]["content_sha256"]),
            )
            for role in ("synthetic", "real", "real_test")
            if value[role] is not None
        },
        notes=tuple(str(note) for note in value["notes"]),
        figures={str(name): _figure(figure) for name, figure in value["figures"].items()},
        purity={str(k): float(v) for k, v in value["per_class"]["purity"].items()},
    )


def _figure(value: Mapping[str, Any]) -> Figure:
    return Figure(
        title=str(value["title"]),
        value=float(value["value"]),
        floor=None if value["floor"] is None else float(value["floor"]),
        unit=str(value["unit"]),
        better=str(value["better"]),
        meaning=str(value["meaning"]),
    )
