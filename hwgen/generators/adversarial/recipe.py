"""Recipe of a GAN: all settings of a training run, apart from the data and the seed.

One family of networks covers all presets: G doubles the size of a small map, D halves it again;
28 = 7 x 2^2, 32 = 4 x 2^3, 64 = 4 x 2^4, 112 = 7 x 2^4.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from hwgen.errors import InputError
from hwgen.record import PixelRange
from hwgen.schema import MAX_KERNEL, MAX_SIZE, MAX_STAGES, MAX_WIDTH, from_json, with_changes


@dataclass(frozen=True)
class Stage:
    """One convolution (D) or up-convolution (G): output channels, kernel size, stride."""

    channels: int
    kernel: int
    stride: int


@dataclass(frozen=True)
class GeneratorSpec:
    """Generator: (z, Φ(y)) -> (linear) -> linear -> start map -> stages -> (linear) -> image.

    Attributes:
        z_dim: width of the noise z.
        z: "uniform" in (-1, 1) as the authors, or "normal".
        label_dim: width of Φ(y); Φ is G's own.
        label_sd: standard deviation of Φ's initial weights. If it is large, G ignores z and does
            not learn to use it later.
        label: "input": Φ(y) is concatenated to z only; "concat": to the input of every layer.
        hidden: width of a linear layer before the first map; 0 for none.
        start: channels and size of the first map.
        stages: up-convolutions.
        head: last layer, without a norm: "stage", the last stage; "linear", an additional linear
            layer on the whole last map.
        upsampling: "deconv" (transposed convolution) or "nearest" (then a convolution).
        norm: "batch", "conditional" (batch norm whose gain and bias are linear in (z, Φ(y))),
            or "none".
        start_norm: features of the first map for batch norm: "number", each number, as in the
            authors' networks for characters; "channel", as in those for scenes.
        output: "sigmoid" for a range of [0, 1], "tanh" for [-1, 1].
    """

    start: tuple[int, int]
    stages: tuple[Stage, ...]
    z_dim: int = 1024
    z: Literal["uniform", "normal"] = "uniform"
    label_dim: int = 256
    label_sd: float = 0.02
    label: Literal["input", "concat"] = "input"
    hidden: int = 0
    head: Literal["stage", "linear"] = "stage"
    upsampling: Literal["deconv", "nearest"] = "deconv"
    norm: Literal["batch", "conditional", "none"] = "batch"
    start_norm: Literal["number", "channel"] = "number"
    output: Literal["sigmoid", "tanh"] = "tanh"


@dataclass(frozen=True)
class DiscriminatorSpec:
    """Discriminator: image -> stages -> (linear) -> one number.

    Attributes:
        stages: convolutions; the first never has a norm.
        hidden: width of a linear layer before the last one; 0 for none.
        label: "concat": Φ(y) is concatenated to the output of every layer but not to the image
            (Mao et al.); "projection": <Φ(y), h> is added to the output (Miyato & Koyama 2018).
        label_dim: width of Φ(y) for "concat"; D has a Φ of its own.
        label_sd: standard deviation of Φ's initial weights.
        norm: "batch", "spectral" or "none".
    """

    stages: tuple[Stage, ...]
    hidden: int = 0
    label: Literal["concat", "projection"] = "concat"
    label_dim: int = 256
    label_sd: float = 0.02
    norm: Literal["batch", "spectral", "none"] = "batch"


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


@dataclass(frozen=True)
class Recipe:
    """All settings of a run, apart from the data and the seed.

    The fields from `balanced` on are for few samples per class, or for rare classes; all are off by
    default.

    Attributes:
        preset: name of the preset that this recipe was made from.
        size: width and height of the images, pixels; larger images of a store are averaged down.
        channels: 1 for grey, 3 for colour.
        pixels: float values of paper and ink.
        generator: G.
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
        label_pull: each step moves the rows of Φ of G and D towards their mean, by label_pull times
            the learning rate of the way.
    """

    preset: str
    size: int
    channels: int
    pixels: PixelRange
    generator: GeneratorSpec
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

    def __post_init__(self) -> None:
        broken = [rule for rule, holds in self._rules().items() if not holds]
        if broken:
            raise InputError(f"invalid recipe: {'; '.join(broken)}")
        side = self.generator.start[1]
        for stage in self.generator.stages:
            side *= stage.stride
        made = (self.generator.stages[-1].channels, side)
        if self.generator.head == "stage" and made != (self.channels, self.size):
            raise InputError(
                f"the generator of {self.preset} makes {side}x{side} images with "
                f"{self.generator.stages[-1].channels} channels, the recipe has {self.size} and "
                f"{self.channels}"
            )

    def _rules(self) -> dict[str, bool]:
        """Rules in words, and whether each holds."""
        g, d, o, w = self.generator, self.discriminator, self.optimizer, self.warp
        return {
            "generator.stages must not be empty": bool(g.stages),
            "every channels, kernel and stride must be at least 1": all(
                min(stage.channels, stage.kernel, stage.stride) >= 1
                for stage in (*g.stages, *d.stages)
            ),
            f"channels, hidden, z_dim and label_dim must be at most {MAX_WIDTH:,}": (
                max(g.start[0], g.z_dim, g.label_dim, d.label_dim, g.hidden, d.hidden) <= MAX_WIDTH
                and all(stage.channels <= MAX_WIDTH for stage in (*g.stages, *d.stages))
            ),
            f"sizes must be at most {MAX_SIZE:,}, kernels and strides {MAX_KERNEL}": (
                1 <= self.size <= MAX_SIZE
                and g.start[1] <= MAX_SIZE
                and all(
                    max(stage.kernel, stage.stride) <= MAX_KERNEL
                    for stage in (*g.stages, *d.stages)
                )
            ),
            f"there must be at most {MAX_STAGES} stages": (
                max(len(g.stages), len(d.stages)) <= MAX_STAGES
            ),
            "channels must be 1 or 3": self.channels in (1, 3),
            "a deconv's kernel must be at least its stride": g.upsampling == "nearest"
            or all(stage.kernel >= stage.stride for stage in g.stages),
            "generator.start, z_dim and label_dim must be at least 1": (
                min(*g.start, g.z_dim, g.label_dim, d.label_dim) >= 1
            ),
            "hidden must be at least 0": min(g.hidden, d.hidden) >= 0,
            "pixels must be 0 and 1 with a sigmoid, -1 and 1 with tanh": (
                {self.pixels.paper, self.pixels.ink}
                == ({0.0, 1.0} if g.output == "sigmoid" else {-1.0, 1.0})
            ),
            "batch must be at least 1, images and every at least one batch": (
                1 <= self.batch <= min(self.images, self.every)
            ),
            "batch norm needs a batch of at least 2": (
                self.batch > 1 or "batch" not in (g.norm, d.norm)
            ),
            "r1_every must be at least 1, r1_gamma and translate at least 0": (
                self.r1_every >= 1 and min(self.r1_gamma, self.translate) >= 0
            ),
            "ema must be at least 0 and below 1": 0 <= self.ema < 1,
            "warp.scale, shear and fade must be at least 0 and below 1, rotate at most 45": (
                0 <= min(w.scale, w.shear, w.fade) <= max(w.scale, w.shear, w.fade) < 1
                and 0 <= w.rotate <= 45
            ),
            "transition must rise within [0, 1]": 0
            <= self.transition[0]
            <= self.transition[1]
            <= 1,
            "transition and label_pull need labels": (
                self.conditional or (self.transition == (0, 0) and not self.label_pull)
            ),
            "label_pull must be at least 0, times the learning rates below 1": (
                0 <= self.label_pull * max(o.lr_g, o.lr_d) < 1
            ),
            "learning rates must be above 0, betas at least 0 and below 1": (
                min(o.lr_g, o.lr_d) > 0 and 0 <= min(o.beta1, o.beta2) <= max(o.beta1, o.beta2) < 1
            ),
        }

    @property
    def steps(self) -> int:
        """Training steps in total."""
        return self.images // self.batch

    @property
    def steps_between_snapshots(self) -> int:
        """Steps from one snapshot to the next."""
        return max(1, self.every // self.batch)


def recipe_to_json(recipe: Recipe) -> dict[str, Any]:
    """A recipe as plain JSON values."""
    plain: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(recipe)))
    return plain


def recipe_from_json(value: Mapping[str, Any]) -> Recipe:
    """The recipe that `recipe_to_json` wrote.

    Raises:
        InputError: a field is missing, unknown, or of the wrong type.
    """
    recipe: Recipe = from_json(Recipe, value, "recipe")
    return recipe


def completed(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """A recipe's JSON with the defaults of fields that an older version did not have.

    Raises:
        InputError: it is not a valid recipe.
    """
    return recipe_to_json(recipe_from_json(recipe))


def change(recipe: Recipe, changes: Mapping[str, str]) -> Recipe:
    """A recipe with fields replaced by texts, such as {"loss.a": "-1"}.

    Values are JSON (`0.5`, `true`, `[256, 4]`) or plain words.

    Raises:
        InputError: an unknown field (near names are suggested), or a value that does not fit.
    """
    return recipe_from_json(with_changes(recipe_to_json(recipe), changes))
