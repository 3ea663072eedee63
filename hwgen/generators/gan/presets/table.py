"""The presets of GANs; PRESETS is at the end."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from hwgen.errors import InputError
from hwgen.generators.adversarial.recipe import (
    DiscriminatorSpec,
    Loss,
    Optimizer,
    Stage,
)
from hwgen.generators.gan.presets.recipe import GeneratorSpec, Recipe
from hwgen.pixel_range import PixelRange
from hwgen.suggestions import suggest

# The authors' networks for handwritten Chinese (arXiv 1611.04076v1 Fig. 6; mcgan.py).
_PAPER_HWDB = Recipe(
    preset="paper-hwdb",
    size=28,
    channels=1,
    pixels=PixelRange(paper=1.0, ink=0.0),
    generator=GeneratorSpec(
        start=(128, 7), stages=(Stage(128, 5, 2), Stage(1, 5, 2)), output="sigmoid"
    ),
    discriminator=DiscriminatorSpec(stages=(Stage(257, 5, 2), Stage(320, 5, 2)), hidden=1024),
    loss=Loss(a=0.0, b=1.0, c=1.0, reduction="sum"),
)

# A conditional LSGAN with Φ, conditional batch norm in G, projection in D, lazy R1 and a moving
# average. Widths, rates, batch and gamma come from two rounds of benchmarks/glyph_ablation.py: the
# lowest compute at which samples are legible and the generator still uses z.
_GLYPH_32 = Recipe(
    preset="glyph-32",
    size=32,
    channels=1,
    pixels=PixelRange(paper=-1.0, ink=1.0),
    generator=GeneratorSpec(
        start=(192, 4),
        stages=(Stage(96, 3, 2), Stage(48, 3, 2), Stage(24, 3, 2), Stage(1, 3, 1)),
        z_dim=128,
        z="normal",
        label_dim=128,
        label_sd=0.1,
        upsampling="nearest",
        norm="conditional",
    ),
    discriminator=DiscriminatorSpec(
        stages=(Stage(32, 4, 2), Stage(64, 4, 2), Stage(128, 4, 2), Stage(128, 3, 1)),
        hidden=256,
        label="projection",
        label_sd=0.1,
        norm="none",
    ),
    init="he",
    optimizer=Optimizer(lr_g=6e-4, lr_d=6e-4, beta1=0.5, beta2=0.99),
    batch=32,
    images=448_000,
    r1_gamma=0.3,
    r1_every=4,
    ema=0.998,
    every=32_000,
)

_GLYPH_64 = replace(
    _GLYPH_32,
    preset="glyph-64",
    size=64,
    generator=replace(_GLYPH_32.generator, stages=(Stage(192, 3, 2), *_GLYPH_32.generator.stages)),
    discriminator=replace(
        _GLYPH_32.discriminator,
        stages=(
            Stage(24, 4, 2),
            Stage(48, 4, 2),
            Stage(96, 4, 2),
            Stage(192, 4, 2),
            Stage(192, 3, 1),
        ),
    ),
    images=960_000,
    every=64_000,
)

# The authors' networks for scenes (arXiv 1611.04076v3 Fig. 3; LSGAN, vgg.py), and the regular GAN
# with the same networks. Runs published by others use a learning rate of 1e-4.
_PAPER_SCENE_112 = Recipe(
    preset="paper-scene-112",
    size=112,
    channels=3,
    pixels=PixelRange(paper=1.0, ink=-1.0),
    generator=GeneratorSpec(
        start=(256, 7),
        start_norm="channel",
        stages=(
            Stage(256, 3, 2),
            Stage(256, 3, 1),
            Stage(256, 3, 2),
            Stage(256, 3, 1),
            Stage(128, 3, 2),
            Stage(64, 3, 2),
            Stage(3, 3, 1),
        ),
    ),
    discriminator=DiscriminatorSpec(
        stages=(Stage(64, 5, 2), Stage(128, 5, 2), Stage(256, 5, 2), Stage(512, 5, 2))
    ),
    conditional=False,
    loss=Loss(a=0.0, b=1.0, c=1.0, reduction="sum"),
    optimizer=Optimizer(lr_g=1e-3, lr_d=1e-3),
)

_DCGAN_112 = replace(_PAPER_SCENE_112, preset="dcgan-112", loss=Loss(kind="gan"))

# DCGAN (Radford et al. 2016) with the authors' kernels: the networks of their stability comparison
# with batch norm (LSGAN, stability_comparison/). Without it: --set generator.norm=none.
_DCGAN_64 = replace(
    _DCGAN_112,
    preset="dcgan-64",
    size=64,
    generator=GeneratorSpec(
        start=(512, 4),
        start_norm="channel",
        stages=(Stage(256, 5, 2), Stage(128, 5, 2), Stage(64, 5, 2), Stage(3, 5, 2)),
    ),
    optimizer=Optimizer(),
)

# The paper gives learning rate, beta1 and scores for CIFAR-10 but no layers. These are our choice:
# dcgan-64 with one stage less.
_CIFAR10 = replace(
    _DCGAN_64,
    preset="cifar10",
    size=32,
    generator=replace(
        _DCGAN_64.generator, stages=(Stage(256, 5, 2), Stage(128, 5, 2), Stage(3, 5, 2))
    ),
    discriminator=DiscriminatorSpec(stages=(Stage(64, 5, 2), Stage(128, 5, 2), Stage(256, 5, 2))),
    loss=Loss(a=0.0, b=1.0, c=1.0, reduction="sum"),
)

# The comparison of losses on digits in v1, from its text: every layer of G and of D gets the label,
# the last layer of G is fully connected with a sigmoid. Widths are our choice, for two CPU cores.
# Digits are stored dark on white, like all images; here they become light on black, as in MNIST.
_MNIST_COMPARE = Recipe(
    preset="mnist-compare",
    size=28,
    channels=1,
    pixels=PixelRange(paper=0.0, ink=1.0),
    generator=GeneratorSpec(
        hidden=256,
        start=(64, 7),
        stages=(Stage(16, 5, 2),),
        head="linear",
        z_dim=100,
        label="concat",
        label_dim=32,
        output="sigmoid",
    ),
    discriminator=DiscriminatorSpec(
        stages=(Stage(32, 5, 2), Stage(64, 5, 2)), hidden=256, label_dim=32, label_on_image=True
    ),
    loss=Loss(a=0.0, b=1.0, c=1.0, reduction="sum"),
    images=640_000,
    every=6_400,
)

PRESETS: Mapping[str, Recipe] = {
    recipe.preset: recipe
    for recipe in (
        _PAPER_HWDB,
        _GLYPH_32,
        _GLYPH_64,
        _PAPER_SCENE_112,
        _DCGAN_112,
        _DCGAN_64,
        _CIFAR10,
        _MNIST_COMPARE,
    )
}
"""All presets by name."""

ABOUT: Mapping[str, str] = {
    "paper-hwdb": "The authors' networks and settings for handwritten Chinese.",
    "glyph-32": "For practical use, also on a CPU.",
    "glyph-64": "The same at twice the size.",
    "paper-scene-112": "The authors' networks for scenes, such as LSUN's.",
    "dcgan-112": "The regular GAN with the same networks, to compare with.",
    "dcgan-64": "DCGAN, as in the authors' comparison of stability.",
    "cifar10": "CIFAR-10, at the paper's rates; the layers are our choice.",
    "mnist-compare": "The paper's comparison of losses on digits.",
}
"""What each is for."""


def preset(name: str, also: Iterable[str] = ()) -> Recipe:
    """A row of PRESETS.

    Args:
        name: of the preset.
        also: other names that are valid in this place.

    Raises:
        InputError: no such preset; near names are suggested.
    """
    if name not in PRESETS:
        raise InputError(f"no preset {name!r}", remedy=suggest(name, [*PRESETS, *also]))
    return PRESETS[name]
