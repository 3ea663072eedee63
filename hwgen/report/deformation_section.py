"""The section of a deformation run: recipe and curves."""

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
        {"deformed towards its partner": "distance", "not deformed": "unbent"},
        "Distance between two samples of a class, before and after the model deforms one towards "
        "the other. The further the first curve is below the second, the more of the variation "
        "within a class the model can express.",
    ),
    "Kullback-Leibler term": (
        {"nats": "kl"},
        "Information about the deformation in z, in nats. Near 0 the model ignores z, and all "
        "deformations are the same.",
    ),
    "Loss": (
        {"loss": "loss"},
        "The sum that is minimised: distance, weighted Kullback-Leibler term, and penalty on rough "
        "deformations.",
    ),
}
"""Title -> ({legend: field of the log}, caption)."""


def deformation_section(run: Run, anchor: str) -> Html:
    """The section of one run.

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
            "A deformation model deforms training samples and makes none itself. To see deformed "
            "samples, add the output of hwgen synthesize.",
            class_="note",
        ),
        tag("h3", "Curves"),
        _curves(log, anchor),
        tag("h3", "Recipe"),
        shown,
        as_json("All of the recipe as JSON", run.recipe),
    )


def key_figures(run: Run) -> list[tuple[str, str, str]]:
    """(value, what it is, where it comes from) for the top of the page."""
    log = run.read_log()
    distance, unbent, seen = (last(log, field) for field in ("distance", "unbent", "images"))
    out = []
    if distance is not None and unbent and math.isfinite(distance / unbent):
        what = "of the distance left after deformation"
        out.append((percent(distance / unbent), what, name_of(run.path)))
    if seen is not None:
        out.append((count(seen), "training pairs seen", name_of(run.path)))
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
        series = found(log, fields)
        if series:
            name = f"{anchor}-curves-{number}"
            curves = plots.curves(
                name, series, from_zero=title == "Distance", seen="training pairs seen"
            )
            blocks.append(figure(curves, about, title))
        else:
            lost.append(missing(f"Not in the log: {title}."))
    return join([tag("div", *blocks, class_="plots"), *lost])


def _recipe(recipe: DeformationRecipe) -> Html:
    return facts(
        [
            ("Images", f"{recipe.size}×{recipe.size}, grey"),
            ("Optimiser", f"Adam, maximum learning rate {recipe.lr:g}"),
            ("Batch", f"{count(recipe.batch)} pairs"),
            ("Steps", count(recipe.steps)),
            ("Noise z", f"{recipe.z_dim} numbers, normal"),
            ("Control points", f"{recipe.grid}×{recipe.grid}"),
            ("Narrowest convolutions", f"{recipe.width} channels"),
            ("Weight of the Kullback-Leibler term", f"{recipe.kl:g}"),
            ("Weight of the roughness", f"{recipe.smoothness:g}"),
        ]
    )
