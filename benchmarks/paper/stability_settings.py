"""Arms of the stability experiment: batch norm left out, optimiser and loss, and their recipes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from hwgen.generators.gan.presets import LOSSES, Recipe, Stage, change, preset

NETS = {64: "dcgan-64", 32: "cifar10"}
"""The paper's networks for 64 pixels; those for 32, with one stage less, are not the paper's."""

LABELS = {
    "bn": "batch norm kept",
    "bn-g": "none in G (BN_G)",
    "bn-gd": "none in G and D (BN_GD)",
}


@dataclass(frozen=True)
class Setting:
    """One arm.

    Attributes:
        left_out: networks without batch norm; "bn" has it in both, to show that they can learn.
        optimizer: of G and D; "tf-rmsprop" is the authors', "rmsprop" torch's with its defaults.
        loss: a name in LOSSES.
    """

    left_out: Literal["bn", "bn-g", "bn-gd"]
    optimizer: Literal["adam", "tf-rmsprop", "rmsprop"]
    loss: str

    def changes(self) -> dict[str, str]:
        """Changes to the preset, as arguments of --set."""
        # Decays are the defaults of tf.train.RMSPropOptimizer, torch's RMSprop and both Adams.
        decay = {"adam": "0.999", "tf-rmsprop": "0.9", "rmsprop": "0.99"}[self.optimizer]
        return {
            "generator.norm": "batch" if self.left_out == "bn" else "none",
            "discriminator.norm": "none" if self.left_out == "bn-gd" else "batch",
            "optimizer.kind": self.optimizer,
            "optimizer.beta2": decay,
        }


MAIN: Mapping[str, Setting] = {
    "bn-g-adam-lsgan": Setting("bn-g", "adam", "lsgan-eq9"),
    "bn-g-adam-gan": Setting("bn-g", "adam", "gan"),
    "bn-g-rmsprop-lsgan": Setting("bn-g", "tf-rmsprop", "lsgan-eq9"),
    "bn-g-rmsprop-gan": Setting("bn-g", "tf-rmsprop", "gan"),
    "bn-gd-adam-lsgan": Setting("bn-gd", "adam", "lsgan-eq9"),
    "bn-gd-adam-gan": Setting("bn-gd", "adam", "gan"),
    "bn-gd-rmsprop-lsgan": Setting("bn-gd", "tf-rmsprop", "lsgan-eq9"),
    "bn-gd-rmsprop-lsgan-eq8": Setting("bn-gd", "tf-rmsprop", "lsgan-eq8"),
    "bn-gd-rmsprop-gan": Setting("bn-gd", "tf-rmsprop", "gan"),
}
"""The paper's eight arms, and Eq. 8's targets (-1, 1, 0) as in the released code."""

SETTINGS: Mapping[str, Setting] = {
    **MAIN,
    "bn-gd-adam-lsgan-eq8": Setting("bn-gd", "adam", "lsgan-eq8"),
    "bn-gd-torch-rmsprop-lsgan-eq8": Setting("bn-gd", "rmsprop", "lsgan-eq8"),
    "bn-adam-lsgan": Setting("bn", "adam", "lsgan-eq9"),
    "bn-adam-gan": Setting("bn", "adam", "gan"),
}
"""Also Eq. 8's targets with Adam, torch's RMSProp for TensorFlow's, and batch norm in both."""


def recipe_of(setting: Setting, *, size: int, narrow: int, images: int, snapshots: int) -> Recipe:
    """The recipe of an arm.

    Args:
        setting: the arm.
        size: 64 or 32.
        narrow: divisor of all widths of layers.
        images: training images in all.
        snapshots: number of snapshots, the last at the end.
    """
    base = narrowed(change(preset(NETS[size]), setting.changes()), narrow)
    loss = LOSSES[setting.loss]
    # tf.nn.l2_loss is a sum over the batch, the released cross entropy a mean.
    loss = replace(loss, reduction="sum" if loss.kind == "lsgan" else "mean")
    images -= images % (base.batch * snapshots)
    return replace(base, loss=loss, images=images, every=images // snapshots)


def narrowed(recipe: Recipe, by: int) -> Recipe:
    """The recipe with all widths of layers divided; the image keeps its channels."""

    def thin(stages: tuple[Stage, ...]) -> tuple[Stage, ...]:
        return tuple(replace(stage, channels=stage.channels // by) for stage in stages)

    g, d = recipe.generator, recipe.discriminator
    channels, size = g.start
    return replace(
        recipe,
        generator=replace(
            g, start=(channels // by, size), stages=(*thin(g.stages[:-1]), g.stages[-1])
        ),
        discriminator=replace(d, stages=thin(d.stages)),
    )
