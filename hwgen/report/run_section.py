"""The section of a GAN run: recipe, curves, and grids of samples over time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hwgen.errors import HwgenError
from hwgen.generators.gan.presets import PRESETS, Loss, Recipe, recipe_from_json, recipe_to_json
from hwgen.report import plots
from hwgen.report.images import read_image
from hwgen.report.inputs import name_of
from hwgen.report.logs import Log, found, last
from hwgen.report.markup import (
    Html,
    as_json,
    facts,
    figure,
    image,
    join,
    missing,
    section,
    tag,
    text,
)
from hwgen.report.number_format import count, duration, percent
from hwgen.runs import Run
from hwgen.schema import differences

FRAMES = 6
"""Maximum number of grids over time, the first and the last included."""

_GRID_WIDTH = 480  # of the last grid and the real one, CSS pixels
_FRAME_WIDTH = 320  # of the grids over time


def run_section(run: Run, anchor: str, *, real: bool) -> Html:
    """The section of one run.

    Args:
        run: of kind "gan".
        anchor: id of the section, unique on the page; letters, digits and hyphens.
        real: whether the grid of training images may be shown.
    """
    log = run.read_log()
    recipe: Recipe | None
    try:
        recipe = recipe_from_json(run.recipe)
        shown = _recipe(run, recipe)
    except HwgenError as error:
        recipe = None
        shown = missing(f"The recipe cannot be read by this version of hwgen: {error}")
    return section(
        anchor,
        join(["Training run ", tag("em", name_of(run.path))]),
        _progress(run, recipe, log),
        tag("h3", "Samples"),
        _grids(run, recipe, real=real),
        tag("h3", "Curves"),
        _curves(log, recipe, anchor),
        tag("h3", "Recipe"),
        shown,
        as_json("All of the recipe as JSON", run.recipe),
    )


def _progress(run: Run, recipe: Recipe | None, log: Log) -> Html:
    seen, seconds = last(log, "images"), last(log, "seconds")
    planned = f" of {count(recipe.images)}" if recipe else ""
    rows: list[tuple[object, object]] = [
        ("Classes", count(len(run.charset))),
        ("Training images seen", "none logged" if seen is None else f"{count(seen)}{planned}"),
        ("Training time", "not logged" if seconds is None else duration(seconds)),
    ]
    if recipe is not None:
        rows.append(("Parameters", _parameters(recipe, len(run.charset))))
    rows.append(("Seed", run.seed))
    return facts(rows)


def _parameters(recipe: Recipe, classes: int) -> str:
    # Imported here, because it needs torch, which a page without a run does not.
    from hwgen.generators.gan.estimate import count_parameters

    g, d = count_parameters(recipe, classes)
    return f"generator {g:,}, discriminator {d:,}"


def _recipe(run: Run, recipe: Recipe) -> Html:
    g, d, opt = recipe.generator, recipe.discriminator, recipe.optimizer
    started = PRESETS.get(recipe.preset)
    changes = differences(recipe_to_json(started), run.recipe) if started else []
    if not recipe.conditional:
        condition = "none: trained without labels"
    elif d.label == "projection":
        condition = f"Φ, {g.label_dim} wide, into G; projection in D"
    else:
        into = "every layer of G" if g.label == "concat" else "G"
        condition = f"Φ, {g.label_dim} wide into {into}, {d.label_dim} wide at every layer of D"
    average = (
        f"decay {recipe.ema:g} per step; samples come from the average" if recipe.ema else "none"
    )
    r1 = f"γ = {recipe.r1_gamma:g}, every {recipe.r1_every} steps" if recipe.r1_gamma else "none"
    rates = f"{opt.lr_g:g}" if opt.lr_g == opt.lr_d else f"G {opt.lr_g:g}, D {opt.lr_d:g}"
    betas = f"β₁ {opt.beta1:g}, β₂ {opt.beta2:g}" if opt.kind == "adam" else f"decay {opt.beta2:g}"
    name = {"adam": "Adam", "rmsprop": "RMSProp", "tf-rmsprop": "RMSProp (TensorFlow's)"}[opt.kind]
    channels = "grey" if recipe.channels == 1 else "colour"
    shift = f"up to {recipe.translate} px" if recipe.translate else "none"
    rows: list[tuple[object, object]] = [
        ("Preset", recipe.preset),
        ("Changed from it", _lines(changes) if started else "not a preset of this version"),
        ("Images", f"{recipe.size}×{recipe.size}, {channels}"),
        ("Loss", _loss(recipe.loss)),
        ("Optimiser", f"{name}, rate {rates}, {betas}"),
        ("Batch", count(recipe.batch)),
        ("Noise z", f"{g.z_dim} numbers, {g.z}"),
        ("Label", condition),
        ("Generator", f"{len(g.stages)} stages, {g.upsampling} upsampling, norm {g.norm}"),
        ("Discriminator", f"{len(d.stages)} convolutions, norm {d.norm}"),
        ("R1 penalty", r1),
        ("Random shift of D's input", shift),
        ("Moving average of G", average),
    ]
    return facts(rows)


def _lines(lines: Sequence[str]) -> Html:
    return tag("span", join(lines, "<br>")) if lines else text("nothing")


def _loss(loss: Loss) -> str:
    summed = f"{loss.reduction} over the batch"
    if loss.kind == "gan":
        return f"sigmoid cross entropy, {summed}"
    return f"least squares (LSGAN), a = {loss.a:g}, b = {loss.b:g}, c = {loss.c:g}, {summed}"


def _curves(log: Log, recipe: Recipe | None, anchor: str) -> Html:
    loss = recipe.loss if recipe else None
    levels = (
        [plots.Level(loss.a, "target a: generated"), plots.Level(loss.b, "target b: training")]
        if loss and loss.kind == "lsgan"
        else []
    )
    blocks: list[Html] = []
    lost: list[str] = []
    scored = found(log, {"purity": "purity", "diversity": "diversity"})
    if scored:
        blocks.append(
            figure(
                plots.curves(f"{anchor}-scores", scored, percent=True),
                "Purity: fraction of generated images that the scoring recogniser reads as the "
                "label that they were generated for. Diversity: variation within a class, divided "
                "by that of the training images. High purity with low diversity means mode "
                "collapse.",
                "Purity and diversity",
            )
        )
    elif recipe is None or recipe.conditional:
        lost.append(
            "Purity and diversity were not measured, because this run had no recogniser to score "
            "its samples."
        )
    losses = found(log, {"discriminator": "loss_d", "generator": "loss_g"})
    if losses:
        blocks.append(
            figure(
                plots.curves(f"{anchor}-losses", losses),
                "Adversarial losses, mean per image, without the R1 penalty. They show whether "
                "training is stable, not whether the images are good.",
                "Losses",
            )
        )
    else:
        lost.append("No losses in the log.")
    unit = ", before the sigmoid" if loss and loss.kind == "gan" else ""
    outputs = found(log, {"training images": "d_real", "generated images": "d_fake"})
    if outputs:
        blocks.append(
            figure(
                plots.curves(f"{anchor}-outputs", outputs, levels=levels),
                f"Mean output of the discriminator for training and for generated images{unit}. "
                "The closer the two, the less it can distinguish them; a wide and growing gap "
                "means that the generator no longer learns.",
                "Discriminator output",
            )
        )
    else:
        lost.append("No discriminator outputs in the log.")
    speed = found(log, {"images per second": "images_per_second"})
    if speed:
        blocks.append(
            figure(
                plots.curves(f"{anchor}-speed", speed, from_zero=True),
                "Training images per second.",
                "Speed",
            )
        )
    else:
        lost.append("No speeds in the log.")
    return join([tag("div", *blocks, class_="plots"), *map(missing, lost)])


def _grids(run: Run, recipe: Recipe | None, *, real: bool) -> Html:
    labelled = recipe is None or recipe.conditional
    files = run.grid_files()
    blocks: list[object] = []
    if files:
        newest = _frame(files[-1], f"Generated, {_after(files[-1])}", _GRID_WIDTH)
    else:
        newest = missing("No grid of samples yet.")
    truth = run.grids / "real.png"
    if not real:
        beside = missing("The grid of training images is left out (--no-real).")
    elif truth.is_file():
        beside = _frame(
            truth,
            "Training images, the same classes" if labelled else "Training images",
            _GRID_WIDTH,
        )
    else:
        beside = missing("This run has no grid of training images.")
    blocks.append(tag("div", newest, beside, class_="pair"))
    blocks.append(
        tag(
            "p",
            "Each row is one class. "
            * labelled
            + "The noise z of each generated image is the same in every grid of this run, so grids "
            "can be compared position by position. Nothing was picked by eye.",
            class_="note",
        )
    )
    if len(files) > 1:
        frames = [_frame(file, _after(file), _FRAME_WIDTH) for file in _some(files)]
        shown = f"{len(frames)} of {len(files)} grids, the first and the last among them."
        blocks += [
            tag("h4", "Over time"),
            tag("div", *frames, class_="frames"),
            tag("p", shown, class_="note"),
        ]
    return join(blocks)


def _some(files: Sequence[Path]) -> list[Path]:
    """The first, the last, and some between, evenly spaced."""
    indices = {round(i * (len(files) - 1) / (FRAMES - 1)) for i in range(FRAMES)}
    return [files[index] for index in sorted(indices)]


def _after(file: Path) -> str:
    return f"after {count(int(file.stem))} training images"


def _frame(file: Path, caption: str, width: int) -> Html:
    uri = read_image(file)
    if uri is None:
        return missing(f"{file.name} ({caption}) cannot be read as a PNG image.")
    return figure(image(uri, width, caption), caption)


def key_figures(run: Run) -> list[tuple[str, str, str]]:
    """(value, what it is, where it comes from) for the top of the page."""
    log = run.read_log()
    out = []
    for field, what in (("purity", "purity"), ("diversity", "diversity")):
        value = last(log, field)
        if value is not None:
            out.append((percent(value), f"{what} at the last score", name_of(run.path)))
    seen = last(log, "images")
    if seen is not None:
        out.append((count(seen), "training images seen", name_of(run.path)))
    return out
