"""What a lift says of a generator."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class GeneratorFacts:
    """What a lift says of one of its generators.

    Attributes:
        name: see Series.
        settings: plain JSON on which its samples depend.
        classes: number of classes of the lift.
        trained_before: not in each trial.
        classes_seen: how many of them it was trained on before, by its run's record, which may
            count classes without samples; None if not known, and without `trained_before`.
        images: images, or pairs, of a training; None if not known.
        seconds: mean duration of a training; None if not known.
    """

    name: str = ""
    settings: dict[str, Any]
    classes: int
    trained_before: bool = False
    classes_seen: int | None = None
    images: int | None = None
    seconds: float | None = None

    @property
    def title(self) -> str:
        """Subject of a sentence: its name, or `The generator`."""
        return self.name or "The generator"

    @property
    def seen(self) -> str:
        """How many of the classes it was trained on before, a sentence; "" if it was not."""
        if not self.trained_before or self.images == 0:
            return ""
        if self.classes_seen is None:
            return (
                f"{self.title} was trained on classes that its run does not name, perhaps on "
                "samples of these classes and of the test writers."
            )
        unseen = self.classes - self.classes_seen
        seen = f"{self.classes_seen:,}" if self.classes_seen else "none"
        risk = ", perhaps on samples of the test writers" if self.classes_seen else ""
        return (
            f"{self.title} was trained on {seen} of these classes{risk} "
            f"(never seen: {unseen:,} of {self.classes:,} classes)."
        )

    @property
    def cost(self) -> str:
        """What its training took, a sentence."""
        if self.images == 0:
            return f"{self.title} needs no training."
        each = "The training" if self.trained_before else "Each training"
        of = f" of {self.name}" if self.name else " of the generator"
        images = "an unknown number of" if self.images is None else f"{self.images:,}"
        took = "an unknown time" if self.seconds is None else f"{self.seconds / 60:,.1f} minutes"
        return f"{each}{of} took {images} images and {took}."
