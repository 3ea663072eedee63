"""Recipe of a refiner, and its presets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from hwgen.generators.adversarial import recipe as adversarial
from hwgen.generators.adversarial.recipe import (
    AdversarialRecipe,
    DiscriminatorSpec,
    Optimizer,
    Stage,
    Warp,
    recipe_to_json,
)
from hwgen.pixel_range import PixelRange
from hwgen.schema import MAX_STAGES, MAX_WIDTH, key

if TYPE_CHECKING:
    from hwgen.imaging.framing import Framing

MAX_HANDS = 1 << 16
MAX_DOMAINS = 64


@dataclass(frozen=True)
class RefinerSpec:
    """Generator: (simulated image, z) -> down -> up -> (bent image, ink) -> image.

    Attributes:
        widths: channels of the maps of 1/2, 1/4, ... of the image size, down to 4x4.
        z_dim: width of the noise z, normal.
        flow: largest displacement, in halves of the image size; 0 for none.
        ink: whether G also changes the ink of the bent image.
        domains: number of stores that it learns from, whose look it can give to any character;
            training sets it.
    """

    widths: tuple[int, ...] = (32, 64, 128)
    z_dim: int = 32
    flow: float = 0.3
    ink: bool = True
    domains: int = field(default=1, metadata=key("domains", left_out=1))


@dataclass(frozen=True, kw_only=True)
class RefinerRecipe(AdversarialRecipe):
    """All settings of a run of a refiner, apart from the data and the seed; see AdversarialRecipe.

    Attributes:
        generator: G.
        hands: simulated writers whose images of each class G is trained on.
        held_out: fraction of the classes that are not trained on, but sampled for grids and scores.
        margin: paper border of simulated images, pixels; -1 takes that of the training store.
        stretch: whether simulated images lose their aspect ratio; training takes the store's.
        strokes: fingerprint of the strokes; training sets it.
    """

    generator: RefinerSpec = field(default_factory=RefinerSpec)
    hands: int = 40
    held_out: float = 0.05
    margin: int = -1
    stretch: bool = False
    strokes: str = ""

    @property
    def skips_empty(self) -> bool:
        """See AdversarialRecipe: what it learns on some characters applies to all."""
        return True

    @property
    def framing(self) -> Framing:
        """How simulated images are scaled."""
        from hwgen.imaging.framing import Framing  # needs Pillow, which the help does not

        return Framing(self.size, stretch=self.stretch, margin=self.margin)

    def _rules(self) -> list[tuple[str, bool]]:
        g = self.generator
        return [
            *super()._rules(),
            (
                f"generator.widths must be 2 to {MAX_STAGES} numbers from 1 to {MAX_WIDTH:,}",
                2 <= len(g.widths) <= MAX_STAGES
                and 1 <= min(g.widths) <= max(g.widths) <= MAX_WIDTH,
            ),
            (
                f"size must be 4 * 2^{len(g.widths)} for so many generator.widths",
                self.size == 4 << len(g.widths),
            ),
            (f"z_dim must be from 1 to {MAX_WIDTH:,}", 1 <= g.z_dim <= MAX_WIDTH),
            ("generator.flow must be from 0 to 1", 0 <= g.flow <= 1),
            (f"generator.domains must be from 1 to {MAX_DOMAINS}", 1 <= g.domains <= MAX_DOMAINS),
            (f"hands must be from 1 to {MAX_HANDS:,}", 1 <= self.hands <= MAX_HANDS),
            ("held_out must be at least 0 and below 1", 0 <= self.held_out < 1),
            (
                "margin must be -1 or 0, or without stretch less than half the size",
                -1 <= self.margin <= (0 if self.stretch else (self.size - 1) // 2),
            ),
            (
                "a refiner needs conditional, channels = 1, pixels from 1 (paper) to -1",
                self.conditional
                and self.channels == 1
                and self.pixels == PixelRange(paper=1.0, ink=-1.0),
            ),
        ]


# D sees features: it tells more of real from generated images after 1,000 steps than one of pixels
# after 3,000 (benchmarks/results/refiner-ablation-2026-11-28-2cpu). A first width of 16 is as good
# as 32, in three quarters of the time (refiner-forms-2026-11-28-2cpu).
_REFINER_32 = RefinerRecipe(
    preset="refiner-32",
    size=32,
    channels=1,
    pixels=PixelRange(paper=1.0, ink=-1.0),
    generator=RefinerSpec(widths=(16, 64, 128)),
    discriminator=DiscriminatorSpec(
        stages=(Stage(64, 3, 2), Stage(128, 3, 1)),
        hidden=256,
        label="projection",
        label_sd=0.1,
        norm="none",
        recogniser_steps=5_000,
    ),
    init="he",
    optimizer=Optimizer(lr_g=4e-4, lr_d=4e-4, beta1=0.5, beta2=0.99),
    batch=64,
    images=320_000,
    r1_gamma=0.1,
    r1_every=8,
    ema=0.998,
    every=64_000,
)

_REFINER_64 = replace(
    _REFINER_32,
    preset="refiner-64",
    size=64,
    generator=RefinerSpec(widths=(32, 64, 96, 160)),
    images=1_280_000,
    every=128_000,
    batch=128,
)

PRESETS: Mapping[str, RefinerRecipe] = {
    recipe.preset: recipe for recipe in (_REFINER_32, _REFINER_64)
}
"""Named recipes."""

ABOUT: Mapping[str, str] = {
    "refiner-32": "For characters with few samples or none: makes simulated characters look real.",
    "refiner-64": "The same at twice the size, for a GPU.",
}
"""What each is for."""


_WHOLE_RECOGNISER = 0.1
"""Of a preset's images; a training of fewer has a shorter one of D's recogniser."""


def steps_for_length(images: int, preset: RefinerRecipe) -> int:
    """Steps of D's recogniser for a training of a preset with so many images.

    Below a tenth of the preset's images they are in proportion: otherwise a try of 640 images would
    wait minutes for its recogniser.
    """
    steps, whole = preset.discriminator.recogniser_steps, _WHOLE_RECOGNISER * preset.images
    return steps if images >= whole else max(1, round(steps * images / whole))


def for_few_samples(recipe: RefinerRecipe) -> RefinerRecipe:
    """The recipe with which a run is continued on few samples, which D soon knows by heart.

    The networks are the same. Against overfitting, the steps are smaller and fewer, the random
    shifts and scales of what D sees larger, R1 stronger, every class equally frequent, and no class
    is held out. With 1,000 samples D did not overfit in this length; with 20, 4,000 images were too
    many (benchmarks/results/refiner-adapted-2026-11-29-2cpu). The other numbers were chosen by
    reasoning. Margin and aspect ratio are those of the new store.
    """
    return replace(
        recipe,
        generator=replace(recipe.generator, domains=1),
        optimizer=replace(recipe.optimizer, lr_g=1e-4, lr_d=1e-4),
        images=24_000,
        every=4_000,
        balanced=True,
        translate=2,
        warp=Warp(scale=0.15),
        r1_gamma=1.0,
        held_out=0.0,
        margin=-1,
        stretch=False,
        strokes="",
    )


def recipe_from_json(value: Mapping[str, Any]) -> RefinerRecipe:
    """The recipe that `recipe_to_json` wrote.

    Raises:
        InputError: a field is missing, unknown, or of the wrong type.
    """
    return adversarial.recipe_from_json(RefinerRecipe, value)


def completed(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """A recipe's JSON with the defaults of fields that an older version did not have.

    Raises:
        InputError: it is not a valid recipe.
    """
    return recipe_to_json(recipe_from_json(recipe))
