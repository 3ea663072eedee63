"""In: an evaluation.json. Out: its figures, checked field by field."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hwgen.io.json_files import read_object, reading
from hwgen.schema import from_json

EVALUATION_FILE = "evaluation.json"
EVALUATION_FORMAT = "hwgen-evaluation"
EVALUATION_VERSION = 1


@dataclass(frozen=True)
class JudgedStore:
    """What an evaluation says of a store that it read.

    Attributes:
        path: of the store.
        count: its pictures.
        content_sha256: of them.
        provenance: of a synthetic one: the weights that it was drawn from; "" where not told.
    """

    path: str
    count: int
    content_sha256: str
    provenance: str = ""


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
    with reading(file, "an evaluation", "Run hwgen evaluate again"):
        plain = read_object(file, EVALUATION_FORMAT, EVALUATION_VERSION)
        found: _File = from_json(_File, plain, "evaluation", ignore_unknown=True)
    stores = {"synthetic": found.synthetic, "real": found.real, "real_test": found.real_test}
    return Evaluation(
        path=file.parent,
        settings=found.settings,
        versions=found.versions,
        stores={role: store for role, store in stores.items() if store is not None},
        notes=found.notes,
        figures=found.figures,
        purity=found.per_class.purity,
    )


@dataclass(frozen=True)
class _PerClass:
    purity: dict[str, float]


@dataclass(frozen=True)
class _File:
    """What is read of an evaluation.json."""

    settings: dict[str, Any]
    versions: dict[str, str]
    synthetic: JudgedStore
    real: JudgedStore | None
    real_test: JudgedStore | None
    notes: tuple[str, ...]
    figures: dict[str, Figure]
    per_class: _PerClass
