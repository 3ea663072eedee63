"""GANs as a kind of generator, see hwgen.generators.base."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hwgen.errors import HwgenError
from hwgen.generators.adversarial import TRAINING_OPTIONS
from hwgen.generators.adversarial.description import curves
from hwgen.generators.adversarial.recipe import LOSSES, change_by_name, loss_name, recipe_to_json
from hwgen.generators.base import GeneratorKind
from hwgen.generators.descriptions import CardTexts, Description, ReferenceTable
from hwgen.generators.gan.description import facts, recipe_in_words
from hwgen.generators.gan.presets import (
    ABOUT,
    PRESETS,
    Recipe,
    preset,
    recipe_from_json,
)
from hwgen.progress import NO_CONTROL, Control

if TYPE_CHECKING:
    from hwgen.compute.distributed import Ranks
    from hwgen.generators.samplers import Sampler
    from hwgen.runs import Run
    from hwgen.runs.models import Model
    from hwgen.store import Store


class GanKind(GeneratorKind):
    """Conditional and unconditional GANs."""

    @property
    def presets(self) -> Mapping[str, Recipe]:
        """See GeneratorKind."""
        return PRESETS

    @property
    def about(self) -> Mapping[str, str]:
        """See GeneratorKind."""
        return ABOUT

    def recipe(self, name: str, changes: Mapping[str, str]) -> Recipe:
        """See GeneratorKind; "loss" may name one of LOSSES."""
        return change_by_name(preset(name), changes)

    def recipe_to_continue(self, value: Mapping[str, Any], changes: Mapping[str, str]) -> Recipe:
        """See GeneratorKind; it is that of the run."""
        return change_by_name(recipe_from_json(value), changes)

    def recipe_to_json(self, recipe: Recipe) -> dict[str, Any]:
        """See GeneratorKind."""
        return recipe_to_json(recipe)

    def recipe_from_json(self, value: Mapping[str, Any]) -> Recipe:
        """See GeneratorKind."""
        return recipe_from_json(value)

    def parameters(self, recipe: Recipe, classes: int) -> Mapping[str, int]:
        """See GeneratorKind."""
        from hwgen.generators.gan.estimate import count_parameters

        g, d = count_parameters(recipe, classes)
        return {"G": g, "D": d}

    def plan(self, recipe: Recipe, store: Store, **options: Any) -> Sequence[tuple[str, str]]:
        """See GeneratorKind."""
        from hwgen.generators.gan.estimate import plan

        pretrained = options.get("init_from") is not None
        return plan(recipe, store).in_words(recipe, pretrained=pretrained)

    def check(
        self,
        store: Store,
        out: Path,
        recipe: Recipe,
        *,
        seed: int = 0,
        device: str = "auto",
        ranks: Ranks | None = None,
        precision: str = "auto",
        cuda_graphs: bool = False,
        init_from: Path | None = None,
        **options: Any,
    ) -> None:
        """See GeneratorKind and hwgen.generators.adversarial.training.check_training."""
        from hwgen.compute.distributed import ALONE
        from hwgen.generators.adversarial.training import check_training
        from hwgen.generators.gan.training import GAN

        check_training(
            GAN,
            store,
            out,
            recipe,
            seed=seed,
            device=device,
            precision=precision,
            ranks=ranks or ALONE,
            cuda_graphs=cuda_graphs,
            init_from=init_from,
        )

    def train(
        self,
        store: Store,
        out: Path,
        recipe: Recipe,
        *,
        seed: int = 0,
        device: str = "auto",
        control: Control = NO_CONTROL,
        ranks: Ranks | None = None,
        **options: Any,
    ) -> Run:
        """See GeneratorKind and hwgen.generators.gan.training.train."""
        from hwgen.compute.distributed import ALONE
        from hwgen.generators.gan.training import train

        return train(
            store,
            out,
            recipe,
            seed=seed,
            device=device,
            control=control,
            ranks=ranks or ALONE,
            **options,
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
        from hwgen.generators.gan.sampling import Sampler as GanSampler

        return GanSampler.of_model(model, device)

    def describe(self, run: Run) -> Description:
        """See GeneratorKind."""
        recipe, unreadable = None, ""
        try:
            recipe = recipe_from_json(run.recipe)
        except HwgenError as error:
            unreadable = str(error)
        return Description(
            planned=recipe.images if recipe else None,
            facts=facts(recipe, len(run.charset)) if recipe else [],
            recipe=recipe_in_words(recipe) if recipe else [],
            unreadable=unreadable,
            curves=curves(recipe),
            labelled=recipe is None or recipe.conditional,
        )

    def card(self, model: Model, name: str) -> CardTexts:
        """See GeneratorKind."""
        labelled = bool(model.recipe.get("conditional", True))
        amount = "--per-class 50" if labelled else "--count 50"
        first = json.dumps(model.charset[0], ensure_ascii=False)
        what = f"[{first}]" if labelled else "[0, 0]"
        count = 1 if labelled else 2
        spec = model.recipe.get("generator", {})
        shape = f"(8, {spec.get('z_dim')}), dtype=np.float32"
        noise = "standard_normal({})" if spec.get("z") == "normal" else "random({}) * 2 - 1"
        return CardTexts(
            noise=noise.format(shape),
            pipeline_tag="text-to-image" if labelled else "unconditional-image-generation",
            usage=f"```sh\nhwgen synthesize {name} --out synthetic {amount}\n```\n\n"
            f'```python\nimport hwgen\n\ngenerator = hwgen.load_generator("{name}")\n'
            f"images = generator.sample({what})  # uint8 [{count}, S, S(, 3)], 255 is paper\n"
            "```\n\n"
            "The samples are those of the run, bit for bit; sample (seed, class, index) never "
            "changes.\nNothing is executed from the files; the weights are safetensors.\n",
        )

    def reference_tables(self, classes: int) -> Sequence[ReferenceTable]:
        """See GeneratorKind."""
        from hwgen.generators.gan.estimate import count_parameters

        rows = []
        for name, recipe in PRESETS.items():
            g, d = count_parameters(recipe, classes)
            rates = recipe.optimizer
            same = rates.lr_g == rates.lr_d
            lr = f"{rates.lr_g:g}" if same else f"{rates.lr_g:g} and {rates.lr_d:g}"
            rows.append(
                (
                    name,
                    f"{recipe.size}x{recipe.size}, {'grey' if recipe.channels == 1 else 'colour'}",
                    "yes" if recipe.conditional else "no",
                    f"{g:,}",
                    f"{d:,}",
                    f"{loss_name(recipe.loss)}, {recipe.loss.reduction}",
                    f"{rates.kind} {lr}",
                    f"{recipe.batch:,}",
                    f"{recipe.images:,}",
                    ABOUT[name],
                )
            )
        presets = ReferenceTable(
            title="Presets of GANs",
            note=f"G and D: number of parameters, of conditional presets for {classes:,} classes. "
            "`hwgen presets PRESET` shows all fields; `hwgen train --set` changes them.",
            head=(
                "preset", "images", "labels", "G", "D", "loss", "optimiser", "batch",
                "images in total", "for",
            ),
            rows=rows,
        )  # fmt: skip
        return [presets, _loss_table()]


def _loss_table() -> ReferenceTable:
    rows = [
        (name, loss.kind, *(f"{n:g}" for n in (loss.a, loss.b, loss.c)))
        if loss.kind == "lsgan"
        else (name, "sigmoid cross entropy", "", "", "")
        for name, loss in LOSSES.items()
    ]
    return ReferenceTable(
        title="Losses of GANs",
        note="For `hwgen train --loss`.",
        head=(
            "loss",
            "kind",
            "a: target of D for generated",
            "b: of D for real",
            "c: of G for generated",
        ),
        rows=rows,
    )


KIND = GanKind(
    name="gan",
    title="GAN",
    options=TRAINING_OPTIONS | {"conditional"},
    loss_fields=("loss_d",),
    distributed=True,
    has_grids=True,
    has_onnx=True,
)
