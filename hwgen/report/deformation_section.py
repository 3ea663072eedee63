"""In: a training run of a deformation model. Out: its part of the page: recipe and curves."""

from __future__ import annotations

import math

from hwgen.errors import HwgenError
from hwgen.generators.deformation.recipe import DeformationRecipe, recipe_from_json
from hwgen.report import plots
from hwgen.report.inputs import name_of
from hwgen.report.logs import Log, found, last
from hwgen.report.markup import Html, as_json, facts, figure, join, missing, section, tag
from hwgen.report.number_format import count, duration, percent
from hwgen.runs import Run

_FIGURES = {
    "Distance": (
        {"bent to its partner": "distance", "left as it is": "unbent"},
        "How far a sample is from another one of its class, before the model bends it to that one "
        "and after. The lower the first curve lies below the second, the more of what sets samples "
        "of a class apart the model can express.",
    ),
    "Kullback-Leibler term": (
        {"nats": "kl"},
        "How much of the deformation z tells, in nats. Near 0, z tells nothing, and every "
        "deformation that is drawn is the same.",
    ),
    "Loss": (
        {"loss": "loss"},
        "What is minimised: the distance, the weighted Kullback-Leibler term and the penalty on "
        "rough deformations.",
    ),
}
"""Title -> ({legend: field of the log}, what the reader sees)."""


def deformation_section(run: Run, anchor: str) -> Html:
    """Everything about one run.

    Args:
        run: of kind "deformation".
        anchor: id of the section, unique on the page; letters, digits and hyphens.
    """
    log = run.read_log()
    recipe: DeformationRecipe | None
    try:
        recipe = recipe_from_json(run.recipe)
        shown = _recipe(recipe)
    except HwgenError as error:
        recipe = None
        shown = missing(f"The recipe cannot be read by this version of hwgen: {error}")
    return section(
        anchor,
        join(["Training run ", tag("em", name_of(run.path))]),
        _progress(run, recipe, log),
        tag(
            "p",
            "A deformation model bends real samples and draws none itself. Give the store that "
            "hwgen synthesize wrote to see them.",
            class_="note",
        ),
        tag("h3", "Curves"),
        _curves(log, anchor),
        tag("h3", "Recipe"),
        shown,
        as_json("The whole recipe as JSON", run.recipe),
    )


def key_figures(run: Run) -> list[tuple[str, str, str]]:
    """(value, what it is, where it comes from) for the top of the page."""
    log = run.read_log()
    distance, unbent, seen = (last(log, field) for field in ("distance", "unbent", "images"))
    out = []
    if distance is not None and unbent and math.isfinite(distance / unbent):
        what = "distance that is left after bending"
        out.append((percent(distance / unbent), what, name_of(run.path)))
    if seen is not None:
        out.append((count(seen), "pairs seen in training", name_of(run.path)))
    return out


def _progress(run: Run, recipe: DeformationRecipe | None, log: Log) -> Html:
    seen, seconds = last(log, "images"), last(log, "seconds")
    planned = f" of {count(recipe.steps * recipe.batch)}" if recipe else ""
    return facts(
        [
            ("Classes", count(len(run.charset))),
            ("Pairs seen", "none logged" if seen is None else f"{count(seen)}{planned}"),
            ("Training time", "not logged" if seconds is None else duration(seconds)),
            ("Seed", run.seed),
        ]
    )


def _curves(log: Log, anchor: str) -> Html:
    blocks: list[Html] = []
    lost: list[Html] = []
    for number, (title, (fields, about)) in enumerate(_FIGURES.items(), 1):
        drawn = found(log, fields)
        if drawn:
            name = f"{anchor}-curves-{number}"
            curves = plots.curves(name, drawn, from_zero=title == "Distance", seen="pairs seen")
            blocks.append(figure(curves, about, title))
        else:
            lost.append(missing(f"The log does not hold: {title}."))
    return join([tag("div", *blocks, class_="plots"), *lost])


def _recipe(recipe: DeformationRecipe) -> Html:
    return facts(
        [
            ("Pictures", f"{recipe.size}×{recipe.size}, grey"),
            ("Optimiser", f"Adam, highest rate {recipe.lr:g}"),
            ("Batch", f"{count(recipe.batch)} pairs"),
            ("Steps", count(recipe.steps)),
            ("Noise z", f"{recipe.z_dim} numbers, normal"),
            ("Control points", f"{recipe.grid}×{recipe.grid}"),
            ("Narrowest convolutions", f"{recipe.width} channels"),
            ("Weight of the Kullback-Leibler term", f"{recipe.kl:g}"),
            ("Weight of the roughness", f"{recipe.smoothness:g}"),
        ]
    )
