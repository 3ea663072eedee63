"""What a kind of generator says of itself in reports, model cards and the reference page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

Facts = Sequence[tuple[str, str | Sequence[str]]]
"""Names with their values; a value of several texts has one line for each."""


@dataclass(frozen=True)
class Curve:
    """Fields of the log that a report plots together.

    Attributes:
        name: short, unique within a kind.
        title: heading of the plot.
        about: what the reader sees in it.
        fields: legend -> field of the log.
        levels: values with labels to mark as horizontal lines.
        percent: the values are fractions, shown as percentages.
        from_zero: the axis begins at 0.
        absent: said where the log has none of the fields; "" says nothing.
    """

    name: str
    title: str
    about: str
    fields: Mapping[str, str]
    levels: Sequence[tuple[float, str]] = ()
    percent: bool = False
    from_zero: bool = False
    absent: str = ""


@dataclass(frozen=True)
class Description:
    """What a report says of a training run.

    Attributes:
        planned: images, or pairs, that the recipe trains on; None if it cannot be read.
        facts: about the run besides its progress, such as the number of parameters.
        recipe: the recipe's settings in words; empty if it cannot be read.
        unreadable: why the recipe cannot be read, "" if it can.
        curves: what to plot.
        labelled: whether the model is conditional on the class.
        note: one paragraph on the kind, "" for none.
        key_figures: (value, name) for the top of the page.
        sheets: name of a PNG in grids/ -> caption, of what to show beside samples and real images.
    """

    planned: int | None
    facts: Facts
    recipe: Facts
    unreadable: str
    curves: Sequence[Curve]
    labelled: bool = True
    note: str = ""
    key_figures: Sequence[tuple[str, str]] = ()
    sheets: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class CardTexts:
    """What a model card says of a model of this kind.

    Attributes:
        pipeline_tag: of the Hugging Face Hub.
        usage: Markdown: how to sample from the model folder.
        noise: Python: method of a NumPy random generator, with arguments, that gives the noise of 8
            samples for model.onnx; "" for kinds without ONNX.
        classes: what it can generate, in words.
        data: further lines on what it was trained on, and under which licence that is.
    """

    pipeline_tag: str
    usage: str
    noise: str = ""
    classes: str = "only the classes above"
    data: Sequence[str] = ()


@dataclass(frozen=True)
class ReferenceTable:
    """A table on the presets of a kind, for the reference page.

    Attributes:
        title: heading.
        note: paragraph before the table, "" for none.
        head: column titles; the first column has the names of presets, losses, ...
        rows: one for each name, which the first column has.
    """

    title: str
    note: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
