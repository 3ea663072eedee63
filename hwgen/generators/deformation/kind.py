"""Deformation models as a kind of generator, see hwgen.generators.base."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hwgen.errors import HwgenError
from hwgen.generators.base import GeneratorKind
from hwgen.generators.deformation.recipe import ABOUT, PRESETS, DeformationRecipe, recipe_from_json
from hwgen.generators.descriptions import CardTexts, Curve, Description, Facts, ReferenceTable
from hwgen.progress import NO_CONTROL, Control
from hwgen.runs import last_logged
from hwgen.schema import with_changes

if TYPE_CHECKING:
    from hwgen.compute.distributed import Ranks
    from hwgen.generators.samplers import Sampler
    from hwgen.runs import Run
    from hwgen.runs.models import Model
    from hwgen.store import Store

_CURVES = (
    Curve(
        "curves-1",
        "Distance",
        "Distance between two samples of a class, before and after the model deforms one towards "
        "the other. The further the first curve is below the second, the more of the variation "
        "within a class the model can express.",
        {"deformed towards its partner": "distance", "not deformed": "unbent"},
        from_zero=True,
        absent="Not in the log: Distance.",
    ),
    Curve(
        "curves-2",
        "Kullback-Leibler term",
        "Information about the deformation in z, in nats. Near 0 the model ignores z, and all "
        "deformations are the same.",
        {"nats": "kl"},
        absent="Not in the log: Kullback-Leibler term.",
    ),
    Curve(
        "curves-3",
        "Loss",
        "The sum that is minimised: distance, weighted Kullback-Leibler term, and penalty on rough "
        "deformations.",
        {"loss": "loss"},
        absent="Not in the log: Loss.",
    ),
)


class DeformationKind(GeneratorKind):
    """Models that deform real samples."""

    @property
    def presets(self) -> Mapping[str, DeformationRecipe]:
        """See GeneratorKind."""
        return PRESETS

    @property
    def about(self) -> Mapping[str, str]:
        """See GeneratorKind."""
        return ABOUT

    def recipe(self, name: str, changes: Mapping[str, str]) -> DeformationRecipe:
        """See GeneratorKind; "images" counts pairs."""
        given = dict(changes)
        pairs = given.pop("images", None)
        recipe = recipe_from_json(with_changes(asdict(PRESETS[name]), given))
        if pairs is None:
            return recipe
        return replace(recipe, steps=max(1, int(pairs) // recipe.batch))

    def recipe_to_json(self, recipe: DeformationRecipe) -> dict[str, Any]:
        """See GeneratorKind."""
        return asdict(recipe)

    def recipe_from_json(self, value: Mapping[str, Any]) -> DeformationRecipe:
        """See GeneratorKind."""
        return recipe_from_json(value)

    def parameters(self, recipe: DeformationRecipe, classes: int) -> Mapping[str, int]:
        """See GeneratorKind."""
        return {"network": _parameters(recipe)}

    def plan(
        self, recipe: DeformationRecipe, store: Store, **options: Any
    ) -> Sequence[tuple[str, str]]:
        """See GeneratorKind."""
        return [
            ("parameters", f"{_parameters(recipe):,}"),
            ("pairs", f"{recipe.steps * recipe.batch:,}"),
            ("memory: images", f"{len(store) * recipe.size**2 / 2**20:,.0f} MiB"),
        ]

    def check(
        self,
        store: Store,
        out: Path,
        recipe: DeformationRecipe,
        *,
        seed: int = 0,
        device: str = "auto",
        ranks: Ranks | None = None,
        **options: Any,
    ) -> None:
        """See GeneratorKind and hwgen.generators.deformation.training.check_training."""
        from hwgen.generators.deformation.training import check_training

        check_training(store, out, recipe, seed=seed, device=device)

    def train(
        self,
        store: Store,
        out: Path,
        recipe: DeformationRecipe,
        *,
        seed: int = 0,
        device: str = "auto",
        control: Control = NO_CONTROL,
        ranks: Ranks | None = None,
        **options: Any,
    ) -> Run:
        """See GeneratorKind and hwgen.generators.deformation.training.train_deformation."""
        from hwgen.generators.deformation.training import train_deformation

        return train_deformation(
            store, out, recipe, seed=seed, device=device, control=control, **options
        )

    def load(
        self,
        model: Model,
        *,
        device: str = "auto",
        source: Store | None = None,
        **options: Any,
    ) -> Sampler:
        """See GeneratorKind."""
        from hwgen.generators.deformation.sampling import DeformationSampler

        assert source is not None  # see GeneratorKind.needs_source
        return DeformationSampler.of_model(model, source, device)

    def describe(self, run: Run) -> Description:
        """See GeneratorKind."""
        recipe, unreadable = None, ""
        try:
            recipe = recipe_from_json(run.recipe)
        except HwgenError as error:
            unreadable = str(error)
        log = run.read_log()
        distance, unbent = last_logged(log, "distance"), last_logged(log, "unbent")
        figures = []
        if distance is not None and unbent and math.isfinite(distance / unbent):
            figures = [
                (f"{100 * distance / unbent:.1f} %", "of the distance left after deformation")
            ]
        return Description(
            planned=recipe.steps * recipe.batch if recipe else None,
            facts=[],
            recipe=_in_words(recipe) if recipe else [],
            unreadable=unreadable,
            curves=_CURVES,
            note="A deformation model deforms training samples and makes none itself. To see "
            "deformed samples, add the output of hwgen synthesize.",
            key_figures=figures,
        )

    def card(self, model: Model, name: str) -> CardTexts:
        """See GeneratorKind."""
        return CardTexts(
            pipeline_tag="image-to-image",
            usage="It deforms real samples, which it does not contain: give a store of them.\n\n"
            f"```sh\nhwgen synthesize {name} --real STORE --out synthetic --per-class 50\n```\n\n"
            "```python\nimport hwgen\n\n"
            f'generator = hwgen.load_generator("{name}", source="STORE")\n'
            "images = generator.sample([0, 0])  # two of class 0: uint8 [2, S, S]\n```\n",
        )

    def reference_tables(self, classes: int) -> Sequence[ReferenceTable]:
        """See GeneratorKind."""
        rows = []
        for name, recipe in PRESETS.items():
            numbers = (_parameters(recipe), recipe.z_dim, recipe.batch, recipe.steps)
            figures = (f"{number:,}" for number in numbers)
            trained_on = f"{recipe.size}x{recipe.size}"
            rows.append((name, trained_on, *figures, f"adam {recipe.lr:g}", ABOUT[name]))
        table = ReferenceTable(
            title="Presets of deformation models",
            note="",
            head=(
                "preset", "trained on", "parameters", "z", "batch of pairs", "steps", "optimiser",
                "for",
            ),
            rows=rows,
        )  # fmt: skip
        return [table]


def _parameters(recipe: DeformationRecipe) -> int:
    import torch

    from hwgen.generators.deformation.network import DeformationNet

    with torch.device("meta"):
        return sum(parameter.numel() for parameter in DeformationNet(recipe).parameters())


def _in_words(recipe: DeformationRecipe) -> Facts:
    return [
        ("Images", f"{recipe.size}×{recipe.size}, grey"),
        ("Optimiser", f"Adam, maximum learning rate {recipe.lr:g}"),
        ("Batch", f"{recipe.batch:,} pairs"),
        ("Steps", f"{recipe.steps:,}"),
        ("Noise z", f"{recipe.z_dim} numbers, normal"),
        ("Control points", f"{recipe.grid}×{recipe.grid}"),
        ("Narrowest convolutions", f"{recipe.width} channels"),
        ("Weight of the Kullback-Leibler term", f"{recipe.kl:g}"),
        ("Weight of the roughness", f"{recipe.smoothness:g}"),
    ]


KIND = DeformationKind(
    name="deformation",
    title="deformation model",
    unit="pairs",
    loss_fields=("distance",),
    needs_source=True,
)
