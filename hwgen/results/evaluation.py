"""evaluation.json: a synthetic store measured beside real ones."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

from hwgen.results.files import ResultFile
from hwgen.results.parts import StoreFacts, WorstClass
from hwgen.schema import key


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One measurement beside its reference: the same for real samples.

    Attributes:
        value: of the judged store.
        reference: of real samples; None where there is none.
        low, high: 95 % limits of the value; None where not known.
        title: short name.
        unit: "share" (a fraction), "ratio", "distance" or "count".
        better: which values are better, in words.
        meaning: one sentence.
    """

    value: float
    reference: float | None = field(metadata=key("floor"))
    title: str
    unit: str
    better: str
    meaning: str
    low: float | None = field(default=None, metadata=key("low", left_out=None))
    high: float | None = field(default=None, metadata=key("high", left_out=None))


@dataclass(frozen=True)
class Judge:
    """The recogniser that read the stores, and what it and the generator were trained on.

    Attributes:
        trained_on: content hashes of its training stores.
        generator_data: content hash of the generator's training store; None if not known.
        sha256: hash of its file; None where it has none.
        learnt_with_generator: whether both were trained on one store, the runs that the generator
            started from included; None if not known.
        learnt_from_real: whether it was trained on the store "real"; None if not known.
        classifier: facts about a classifier of the user: file, hash, classes, input; None for a
            recogniser of hwgen.
    """

    trained_on: tuple[str, ...]
    generator_data: str | None
    sha256: str | None
    learnt_with_generator: bool | None
    learnt_from_real: bool | None
    classifier: dict[str, Any] | None = field(
        default=None, metadata=key("classifier", left_out=None)
    )


@dataclass(frozen=True)
class Compared:
    """What was compared as sets.

    Attributes:
        classes: that the stores share.
        samples: of each store, as many per class in all.
        repeated: real samples left out as exact repetitions.
    """

    classes: int
    samples: int
    repeated: int


@dataclass(frozen=True)
class PerClass:
    """Figures by label.

    Attributes:
        purity: fraction read as its label.
        diversity_pixels, diversity_features: variety within the class, judged divided by real.
    """

    purity: dict[str, float]
    diversity_pixels: dict[str, float] = field(default_factory=dict)
    diversity_features: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class LeftOut:
    """Classes of the judged store for which not everything could be measured.

    Attributes:
        unread: label -> samples, of classes that the recogniser does not have: no purity.
        without_real: label -> samples, of classes without samples of `real` or of the reference:
            they are not compared.
    """

    unread: dict[str, int]
    without_real: dict[str, int]


@dataclass(frozen=True, kw_only=True)
class Evaluation(ResultFile):
    """The content of evaluation.json.

    Attributes:
        settings: number of samples, seed, recipe.
        versions: of hwgen, Python, torch and NumPy.
        synthetic: the judged store; it may be real, to see what real samples get.
        real: the store that it is compared with.
        real_test: the store that gives the references; None where halves of `real` do.
        judge: the recogniser; None in a file that does not say.
        compared: None in a file that does not say.
        notes: how far the figures can be trusted.
        figures: by name.
        per_class: by label.
        left_out: classes that were measured in part; None where all were measured, and in a file
            that does not say.
        worst: the classes of the judged store that are misread most.
        copies: by "pixels" and "features": see hwgen.evaluation.metrics.near_copies.Copies.
        images: names of the contact sheets beside the file.
    """

    NAME: ClassVar[str] = "evaluation.json"
    FORMAT: ClassVar[str] = "hwgen-evaluation"
    WHAT: ClassVar[str] = "an evaluation"
    COMMAND: ClassVar[str] = "hwgen evaluate"

    settings: dict[str, Any]
    versions: dict[str, str]
    synthetic: StoreFacts
    real: StoreFacts | None
    real_test: StoreFacts | None
    judge: Judge | None = None
    compared: Compared | None = None
    notes: tuple[str, ...]
    figures: dict[str, Figure]
    per_class: PerClass
    left_out: LeftOut | None = field(default=None, metadata=key("left_out", left_out=None))
    worst: tuple[WorstClass, ...] = ()
    copies: dict[str, Any] = field(default_factory=dict)
    images: tuple[str, ...] = field(default=(), metadata=key("pictures"))

    @property
    def stores(self) -> dict[str, StoreFacts]:
        """Those that were given, by role: "synthetic", "real", "real_test"."""
        roles = {"synthetic": self.synthetic, "real": self.real, "real_test": self.real_test}
        return {role: store for role, store in roles.items() if store is not None}
