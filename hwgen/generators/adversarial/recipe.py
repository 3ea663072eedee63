"""Recipe of an adversarial training: all settings that do not depend on the kind of generator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeVar

from hwgen.errors import InputError
from hwgen.pixel_range import PixelRange
from hwgen.schema import (
    MAX_KERNEL,
    MAX_SIZE,
    MAX_STAGES,
    MAX_WIDTH,
    from_json,
    to_json,
    with_changes,
)
from hwgen.suggestions import suggest


@dataclass(frozen=True)
class Stage:
    """One convolution (D) or up-convolution (G): output channels, kernel size, stride."""

    channels: int
    kernel: int
    stride: int


@dataclass(frozen=True)
class DiscriminatorSpec:
    """Discriminator: image -> stages -> (linear) -> one number.

    Attributes:
        stages: convolutions; the first never has a norm.
        hidden: width of a linear layer before the last one; 0 for none.
        label: "concat": Φ(y) is concatenated to the output of every layer (Mao et al.);
            "projection": <Φ(y), h> is added to the output (Miyato & Koyama 2018).
        label_dim: width of Φ(y) for "concat"; D has a Φ of its own.
        label_sd: standard deviation of Φ's initial weights.
        norm: "batch", "spectral" or "none".
        recogniser_steps: training steps of a recogniser of the store's classes, whose features D
            sees, see hwgen.generators.adversarial.feature_discriminator; it is trained first, for
            each run. With 0 D sees pixels.
        label_on_image: with "concat", whether Φ(y) is concatenated to the image too.
    """

    stages: tuple[Stage, ...]
    hidden: int = 0
    label: Literal["concat", "projection"] = "concat"
    label_dim: int = 256
    label_sd: float = 0.02
    norm: Literal["batch", "spectral", "none"] = "batch"
    recogniser_steps: int = 0
    label_on_image: bool = False


@dataclass(frozen=True)
class Loss:
    """LSGAN with targets (a, b, c), or the regular GAN with sigmoid cross entropy.

    Attributes:
        kind: "lsgan" or "gan".
        a: D's target for generated images (LSGAN).
        b: D's target for real images (LSGAN).
        c: G's target for D's output on generated images (LSGAN).
        reduction: "mean" over the batch, or the authors' "sum" (tf.nn.l2_loss).
    """

    kind: Literal["lsgan", "gan"] = "lsgan"
    a: float = 0.0
    b: float = 1.0
    c: float = 1.0
    reduction: Literal["mean", "sum"] = "mean"


LOSSES: Mapping[str, Loss] = {
    "lsgan-eq9": Loss(a=0.0, b=1.0, c=1.0),
    "lsgan-eq8": Loss(a=-1.0, b=1.0, c=0.0),
    "gan": Loss(kind="gan"),
}
"""Named losses: Eq. 9 (0-1 coding), Eq. 8 (Pearson chi^2), and the regular GAN."""


@dataclass(frozen=True)
class Optimizer:
    """Adam or RMSProp for both networks; beta2 is RMSProp's decay too.

    "tf-rmsprop" is TensorFlow's, which differs from torch's "rmsprop": see
    hwgen.generators.adversarial.optimizers.TensorFlowRMSprop.
    """

    kind: Literal["adam", "rmsprop", "tf-rmsprop"] = "adam"
    lr_g: float = 2e-4
    lr_d: float = 2e-4
    beta1: float = 0.5
    beta2: float = 0.999


@dataclass(frozen=True)
class Warp:
    """Limits of DiffAugment's random warps of D's inputs, real and generated; 0 for none.

    Each is drawn uniformly up to the limit in both directions, for each image. There are no flips,
    since a mirrored character is a different one, or none.

    Attributes:
        scale: of width and height, independently; 0.1 is from 0.91 to 1.11 times.
        shear: horizontal shift in pixels per pixel down.
        rotate: degrees.
        fade: largest fraction of the ink's darkness that is removed.
    """

    scale: float = 0.0
    shear: float = 0.0
    rotate: float = 0.0
    fade: float = 0.0

    @property
    def moves(self) -> bool:
        """Whether the warp moves pixels."""
        return max(self.scale, self.shear, self.rotate) > 0


@dataclass(frozen=True, kw_only=True)
class AdversarialRecipe:
    """All settings of a run but those of the generator, the data and the seed.

    A kind of generator adds its own fields, rules (see `_rules`) and presets. The fields from
    `balanced` on are for few samples per class, or for rare classes; all are off by default.

    Attributes:
        preset: name of the preset that this recipe was made from.
        size: width and height of the images, pixels; larger images of a store are averaged down.
        channels: 1 for grey, 3 for colour.
        pixels: float values of paper and ink.
        discriminator: D.
        conditional: False trains without labels.
        init: "normal" (standard deviation 0.02; truncated for convolutions, as the authors), or
            "he".
        loss: of D and G.
        optimizer: of D and G.
        batch: real images, and as many generated ones, per step.
        images: real images to train on in total; steps = images / batch.
        r1_gamma: weight of gamma/2 E|grad D(x)|^2 on real images (Mescheder et al. 2018), relative
            to the mean loss per image; 0 for none.
        r1_every: steps between two R1 penalties, each that many times stronger (the lazy form of
            StyleGAN2).
        translate: largest random shift of D's inputs, pixels (part of DiffAugment); 0 for none.
        ema: decay per step of the generator's moving average, which is sampled from; 0 samples
            from G itself.
        every: real images between two snapshots (weights, grid, checkpoint).
        balanced: train on every class equally often, however many records it has.
        warp: small affine changes of D's inputs (part of DiffAugment).
        transition: fractions of the run between which Φ fades in linearly: without labels up to
            the first, fully conditional from the second on; (0, 0) is conditional throughout.
        label_pull: each step moves the rows of every Φ of G and D towards their mean, by label_pull
            times the learning rate of the way.
    """

    preset: str
    size: int
    channels: int
    pixels: PixelRange
    discriminator: DiscriminatorSpec
    conditional: bool = True
    init: Literal["normal", "he"] = "normal"
    loss: Loss = field(default_factory=Loss)
    optimizer: Optimizer = field(default_factory=Optimizer)
    batch: int = 64
    images: int = 64_000_000
    r1_gamma: float = 0.0
    r1_every: int = 1
    translate: int = 0
    ema: float = 0.0
    every: int = 64_000
    balanced: bool = False
    warp: Warp = field(default_factory=Warp)
    transition: tuple[float, float] = (0.0, 0.0)
    label_pull: float = 0.0

    @property
    def skips_empty(self) -> bool:
        """Whether classes without records are left out, instead of being refused."""
        return False

    def __post_init__(self) -> None:
        broken = dict.fromkeys(rule for rule, holds in self._rules() if not holds)
        if broken:
            raise InputError(f"invalid recipe: {'; '.join(broken)}")

    def _rules(self) -> list[tuple[str, bool]]:
        """Rules in words, and whether each holds; a kind of generator adds its own."""
        d, o, w = self.discriminator, self.optimizer, self.warp
        return [
            *network_rules(d.stages, size=self.size, widths=(d.label_dim, d.hidden)),
            ("label_dim must be at least 1", d.label_dim >= 1),
            (
                "discriminator.label_on_image needs discriminator.label = concat",
                not d.label_on_image or d.label == "concat",
            ),
            *recogniser_rules(d, size=self.size, conditional=self.conditional),
            ("channels must be 1 or 3", self.channels in (1, 3)),
            (
                "batch must be at least 1, images and every at least one batch",
                1 <= self.batch <= min(self.images, self.every),
            ),
            ("batch norm needs a batch of at least 2", self.batch > 1 or d.norm != "batch"),
            (
                "r1_every must be at least 1, r1_gamma and translate at least 0",
                self.r1_every >= 1 and min(self.r1_gamma, self.translate) >= 0,
            ),
            ("ema must be at least 0 and below 1", 0 <= self.ema < 1),
            (
                "warp.scale, shear and fade must be at least 0 and below 1, rotate at most 45",
                0 <= min(w.scale, w.shear, w.fade) <= max(w.scale, w.shear, w.fade) < 1
                and 0 <= w.rotate <= 45,
            ),
            (
                "transition must rise within [0, 1]",
                0 <= self.transition[0] <= self.transition[1] <= 1,
            ),
            (
                "transition and label_pull need labels",
                self.conditional or (self.transition == (0, 0) and not self.label_pull),
            ),
            (
                "label_pull must be at least 0, times the learning rates below 1",
                0 <= self.label_pull * max(o.lr_g, o.lr_d) < 1,
            ),
            (
                "learning rates must be above 0, betas at least 0 and below 1",
                min(o.lr_g, o.lr_d) > 0 and 0 <= min(o.beta1, o.beta2) <= max(o.beta1, o.beta2) < 1,
            ),
        ]

    @property
    def steps(self) -> int:
        """Training steps in total."""
        return self.images // self.batch

    @property
    def steps_between_snapshots(self) -> int:
        """Steps from one snapshot to the next."""
        return max(1, self.every // self.batch)


def recogniser_rules(
    d: DiscriminatorSpec, *, size: int, conditional: bool
) -> list[tuple[str, bool]]:
    """Rules of a D that sees images through a recogniser in words, and whether each holds."""
    if not d.recogniser_steps:
        return []
    return [
        ("discriminator.recogniser_steps must be at least 0", d.recogniser_steps > 0),
        (
            "discriminator.recogniser_steps needs conditional, label = projection, norm = none, "
            "hidden",
            conditional and d.label == "projection" and d.norm == "none" and d.hidden > 0,
        ),
        (
            "discriminator.recogniser_steps needs two stages, of strides 2 and 1",
            tuple(stage.stride for stage in d.stages) == (2, 1),
        ),
        (
            "discriminator.recogniser_steps needs a size of 32, 64, 128, ...",
            size >= 32 and size & (size - 1) == 0,
        ),
    ]


def network_rules(
    stages: Sequence[Stage], *, size: int, widths: Sequence[int]
) -> list[tuple[str, bool]]:
    """Rules of the settings of one network in words, and whether each holds.

    Args:
        stages: of the network.
        size: width and height of its input, pixels.
        widths: of its other layers; 0 where a layer is left out.
    """
    return [
        (
            "every channels, kernel and stride must be at least 1",
            all(min(stage.channels, stage.kernel, stage.stride) >= 1 for stage in stages),
        ),
        (
            f"channels, hidden, z_dim and label_dim must be at most {MAX_WIDTH:,}",
            max(*widths, *(stage.channels for stage in stages)) <= MAX_WIDTH,
        ),
        (
            f"sizes must be at most {MAX_SIZE:,}, kernels and strides {MAX_KERNEL}",
            1 <= size <= MAX_SIZE
            and all(max(stage.kernel, stage.stride) <= MAX_KERNEL for stage in stages),
        ),
        (f"there must be at most {MAX_STAGES} stages", len(stages) <= MAX_STAGES),
        ("hidden and other widths must be at least 0", min(widths) >= 0),
    ]


AnyRecipe = TypeVar("AnyRecipe", bound=AdversarialRecipe)


def recipe_to_json(recipe: AdversarialRecipe) -> dict[str, Any]:
    """A recipe as plain JSON values."""
    plain: dict[str, Any] = to_json(recipe)
    return plain


def recipe_from_json(kind: type[AnyRecipe], value: Mapping[str, Any]) -> AnyRecipe:
    """The recipe of this class that `recipe_to_json` wrote.

    Fields that have a default may be absent, as in recipes of older versions.

    Raises:
        InputError: a field is missing, unknown, or of the wrong type.
    """
    recipe: AnyRecipe = from_json(kind, value, "recipe")
    return recipe


def change(recipe: AnyRecipe, changes: Mapping[str, str]) -> AnyRecipe:
    """A recipe with fields replaced by texts, such as {"loss.a": "-1"}.

    Values are JSON (`0.5`, `true`, `[256, 4]`) or plain words.

    Raises:
        InputError: an unknown field (near names are suggested), or a value that does not fit.
    """
    return recipe_from_json(type(recipe), with_changes(recipe_to_json(recipe), changes))


def change_by_name(recipe: AnyRecipe, changes: Mapping[str, str]) -> AnyRecipe:
    """As `change`, but "loss" is the name of one of LOSSES, and "lr" sets both learning rates.

    Raises:
        InputError: see `change`, or no such loss.
    """
    given = dict(changes)
    named: dict[str, str] = {}
    if "lr" in given:
        named = dict.fromkeys(("optimizer.lr_g", "optimizer.lr_d"), given.pop("lr"))
    if "loss" in given:
        loss = loss_named(given.pop("loss"))
        fields = {"kind": loss.kind, "a": loss.a, "b": loss.b, "c": loss.c}
        named |= {f"loss.{field}": str(value) for field, value in fields.items()}
    return change(recipe, {**named, **given})


def loss_name(loss: Loss) -> str:
    """The name in LOSSES of a loss, whatever its reduction, or its kind and targets."""
    same = (name for name, one in LOSSES.items() if one == replace(loss, reduction=one.reduction))
    return next(same, f"{loss.kind} ({loss.a:g}, {loss.b:g}, {loss.c:g})")


def loss_named(name: str) -> Loss:
    """A row of LOSSES.

    Raises:
        InputError: no such loss; near names are suggested.
    """
    if name not in LOSSES:
        raise InputError(f"no loss {name!r}", remedy=suggest(name, LOSSES))
    return LOSSES[name]
