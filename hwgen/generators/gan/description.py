"""A GAN's recipe and curves in words, for reports."""

from __future__ import annotations

from hwgen.generators.base import Curve, Facts
from hwgen.generators.gan.presets import PRESETS, Loss, Recipe, recipe_to_json
from hwgen.schema import differences

_OPTIMIZERS = {"adam": "Adam", "rmsprop": "RMSProp", "tf-rmsprop": "RMSProp (TensorFlow's)"}


def facts(recipe: Recipe, classes: int) -> Facts:
    """Number of parameters."""
    # Imported here because it imports torch, which a page without a run does not need.
    from hwgen.generators.gan.estimate import count_parameters

    g, d = count_parameters(recipe, classes)
    return [("Parameters", f"generator {g:,}, discriminator {d:,}")]


def recipe_in_words(recipe: Recipe, plain: dict[str, object]) -> Facts:
    """The recipe's settings.

    Args:
        recipe: of the run.
        plain: the same as the run has it, to compare with the preset.
    """
    g, d, opt = recipe.generator, recipe.discriminator, recipe.optimizer
    preset = PRESETS.get(recipe.preset)
    changes = differences(recipe_to_json(preset), plain) if preset else []
    betas = f"β₁ {opt.beta1:g}, β₂ {opt.beta2:g}" if opt.kind == "adam" else f"decay {opt.beta2:g}"
    rates = f"{opt.lr_g:g}" if opt.lr_g == opt.lr_d else f"G {opt.lr_g:g}, D {opt.lr_d:g}"
    r1 = f"γ = {recipe.r1_gamma:g}, every {recipe.r1_every} steps" if recipe.r1_gamma else "none"
    return [
        ("Preset", recipe.preset),
        (
            "Changed from it",
            (changes or "nothing") if preset else "not a preset of this version",
        ),
        (
            "Images",
            f"{recipe.size}×{recipe.size}, {'grey' if recipe.channels == 1 else 'colour'}",
        ),
        ("Loss", _loss(recipe.loss)),
        ("Optimiser", f"{_OPTIMIZERS[opt.kind]}, rate {rates}, {betas}"),
        ("Batch", f"{recipe.batch:,}"),
        ("Noise z", f"{g.z_dim} numbers, {g.z}"),
        ("Label", _condition(recipe)),
        ("Generator", f"{len(g.stages)} stages, {g.upsampling} upsampling, norm {g.norm}"),
        ("Discriminator", f"{len(d.stages)} convolutions, norm {d.norm}"),
        ("R1 penalty", r1),
        (
            "Random shift of D's input",
            f"up to {recipe.translate} px" if recipe.translate else "none",
        ),
        (
            "Moving average of G",
            f"decay {recipe.ema:g} per step; samples come from the average"
            if recipe.ema
            else "none",
        ),
    ]


def curves(recipe: Recipe | None) -> list[Curve]:
    """What a report plots of a run's log; without a recipe nothing specific to the loss."""
    loss = recipe.loss if recipe else None
    least_squares = loss is not None and loss.kind == "lsgan"
    levels = (
        [(loss.a, "target a: generated"), (loss.b, "target b: training")]
        if loss is not None and least_squares
        else []
    )
    unit = ", before the sigmoid" if loss is not None and not least_squares else ""
    return [
        Curve(
            "scores",
            "Purity and variety",
            "Purity: fraction of generated images that the scoring recogniser reads as the label "
            "that they were generated for. Variety: deviation within a class, divided by that of "
            "the training images. High purity with low variety means mode collapse.",
            {"purity": "purity", "variety": "diversity"},
            percent=True,
            absent="Purity and variety were not measured, because this run had no recogniser to "
            "score its samples."
            if recipe is None or recipe.conditional
            else "",
        ),
        Curve(
            "losses",
            "Losses",
            "Adversarial losses, mean per image, without the R1 penalty. They show whether "
            "training is stable, not whether the images are good.",
            {"discriminator": "loss_d", "generator": "loss_g"},
            absent="No losses in the log.",
        ),
        Curve(
            "outputs",
            "Discriminator output",
            f"Mean output of the discriminator for training and for generated images{unit}. "
            "The closer the two, the less it can distinguish them; a wide and growing gap means "
            "that the generator no longer learns.",
            {"training images": "d_real", "generated images": "d_fake"},
            levels=levels,
            absent="No discriminator outputs in the log.",
        ),
        Curve(
            "speed",
            "Speed",
            "Training images per second.",
            {"images per second": "images_per_second"},
            from_zero=True,
            absent="No speeds in the log.",
        ),
    ]


def _condition(recipe: Recipe) -> str:
    g, d = recipe.generator, recipe.discriminator
    if not recipe.conditional:
        return "none: trained without labels"
    if d.label == "projection":
        return f"Φ, {g.label_dim} wide, into G; projection in D"
    into = "every layer of G" if g.label == "concat" else "G"
    return f"Φ, {g.label_dim} wide into {into}, {d.label_dim} wide at every layer of D"


def _loss(loss: Loss) -> str:
    summed = f"{loss.reduction} over the batch"
    if loss.kind == "gan":
        return f"sigmoid cross entropy, {summed}"
    return f"least squares (LSGAN), a = {loss.a:g}, b = {loss.b:g}, c = {loss.c:g}, {summed}"
