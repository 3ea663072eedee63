"""Recipe and curves of an adversarial training in words, for reports."""

from __future__ import annotations

from collections.abc import Mapping

from hwgen.generators.adversarial.recipe import AdversarialRecipe, Loss, recipe_to_json
from hwgen.generators.descriptions import Curve, Facts
from hwgen.schema import differences

_OPTIMIZERS = {"adam": "Adam", "rmsprop": "RMSProp", "tf-rmsprop": "RMSProp (TensorFlow's)"}


def recipe_in_words(
    recipe: AdversarialRecipe,
    presets: Mapping[str, AdversarialRecipe],
    generator: Facts,
) -> Facts:
    """The recipe's settings.

    Args:
        recipe: of the run.
        presets: of the kind of generator.
        generator: what the kind says of noise, label and generator.
    """
    d, opt = recipe.discriminator, recipe.optimizer
    preset = presets.get(recipe.preset)
    changes = differences(recipe_to_json(preset), recipe_to_json(recipe)) if preset else []
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
        *generator,
        (
            "Discriminator",
            f"{len(d.stages)} convolutions, norm {d.norm}"
            + (
                f", of a recogniser's features ({d.recogniser_steps:,} steps)"
                if d.recogniser_steps
                else ""
            ),
        ),
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


def curves(recipe: AdversarialRecipe | None) -> list[Curve]:
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


def _loss(loss: Loss) -> str:
    summed = f"{loss.reduction} over the batch"
    if loss.kind == "gan":
        return f"sigmoid cross entropy, {summed}"
    return f"least squares (LSGAN), a = {loss.a:g}, b = {loss.b:g}, c = {loss.c:g}, {summed}"
