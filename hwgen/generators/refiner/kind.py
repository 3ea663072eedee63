"""Refiners as a kind of generator, see hwgen.generators.base."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hwgen.errors import HwgenError
from hwgen.generators.adversarial import TRAINING_OPTIONS
from hwgen.generators.adversarial.description import curves, recipe_in_words
from hwgen.generators.adversarial.recipe import change_by_name, loss_name, recipe_to_json
from hwgen.generators.base import GeneratorKind
from hwgen.generators.descriptions import CardTexts, Description, Facts, ReferenceTable
from hwgen.generators.refiner.recipe import (
    ABOUT,
    PRESETS,
    RefinerRecipe,
    for_few_samples,
    recipe_from_json,
    steps_for_length,
)
from hwgen.progress import NO_CONTROL, Control
from hwgen.sources.strokes.choice import stroke_data

if TYPE_CHECKING:
    from hwgen.compute.distributed import Ranks
    from hwgen.generators.refiner.domains import Domains
    from hwgen.generators.samplers import Sampler
    from hwgen.runs import Run
    from hwgen.runs.models import Model
    from hwgen.sources.strokes.data import StrokeData
    from hwgen.store import Store

_HELD_OUT = (
    "A refiner starts from simulated handwriting. Grids and scores are of classes that it was not "
    "trained on."
)
_LOGGED_CLASSES = {
    "held_out": "Classes held out for grids and scores",
    "without_strokes": "Classes left out, without strokes",
}
"""Fields of the log -> names in a report."""

_SHOWN = 40

_RECOGNISER_STEPS = "discriminator.recogniser_steps"


class RefinerKind(GeneratorKind):
    """LSGANs whose generator starts from simulated handwriting."""

    @property
    def presets(self) -> Mapping[str, RefinerRecipe]:
        """See GeneratorKind."""
        return PRESETS

    @property
    def about(self) -> Mapping[str, str]:
        """See GeneratorKind."""
        return ABOUT

    def recipe(self, name: str, changes: Mapping[str, str]) -> RefinerRecipe:
        """See GeneratorKind; "loss" may name one of LOSSES. See steps_for_length, too."""
        preset = PRESETS[name]
        recipe = change_by_name(preset, changes)
        if {"discriminator", _RECOGNISER_STEPS} & changes.keys():
            return recipe
        steps = steps_for_length(recipe.images, preset)
        return replace(recipe, discriminator=replace(recipe.discriminator, recogniser_steps=steps))

    def recipe_to_continue(
        self, value: Mapping[str, Any], changes: Mapping[str, str]
    ) -> RefinerRecipe:
        """See GeneratorKind; see for_few_samples."""
        return change_by_name(for_few_samples(recipe_from_json(value)), changes)

    def recipe_to_json(self, recipe: RefinerRecipe) -> dict[str, Any]:
        """See GeneratorKind."""
        return recipe_to_json(recipe)

    def recipe_from_json(self, value: Mapping[str, Any]) -> RefinerRecipe:
        """See GeneratorKind."""
        return recipe_from_json(value)

    def parameters(self, recipe: RefinerRecipe, classes: int) -> Mapping[str, int]:
        """See GeneratorKind."""
        from hwgen.generators.adversarial.estimate import count_parameters
        from hwgen.generators.refiner.generator import build_without_images

        g, d = count_parameters(build_without_images, recipe, classes)
        return {"G": g, "D": d}

    def plan(
        self, recipe: RefinerRecipe, store: Store, **options: Any
    ) -> Sequence[tuple[str, str]]:
        """See GeneratorKind."""
        from hwgen.generators.adversarial.estimate import plan
        from hwgen.generators.refiner.domains import for_domains
        from hwgen.generators.refiner.generator import build_without_images

        domains = _domains(recipe, store, options)
        for_all = for_domains(recipe, len(domains.stores))
        planned = plan(build_without_images, for_all, *domains.stores)
        simulated = len(domains.charset) * recipe.hands * recipe.size**2
        return [
            *domains.in_words(),
            *planned.in_words(recipe, pretrained=_adapts(options)),
            ("memory: simulated images", f"{simulated / 2**20:,.0f} MiB"),
        ]

    def warning(self, recipe: RefinerRecipe, store: Store, **options: Any) -> str:
        """See GeneratorKind; names the classes without strokes, and a short training."""
        warnings = _domains(recipe, store, options).warnings()
        short = "" if _adapts(options) else _short_recogniser(recipe)
        return "; ".join(filter(None, (*warnings, short)))

    def check(
        self,
        store: Store,
        out: Path,
        recipe: RefinerRecipe,
        *,
        seed: int = 0,
        device: str = "auto",
        ranks: Ranks | None = None,
        precision: str = "auto",
        cuda_graphs: bool = False,
        init_from: Path | None = None,
        **options: Any,
    ) -> None:
        """See GeneratorKind and hwgen.generators.refiner.training.check_training."""
        from hwgen.compute.distributed import ALONE
        from hwgen.generators.refiner.training import check_training

        check_training(
            store,
            out,
            recipe,
            strokes=_strokes({**options, "init_from": init_from}),
            seed=seed,
            device=device,
            precision=precision,
            ranks=ranks or ALONE,
            cuda_graphs=cuda_graphs,
            init_from=init_from,
            also=options.get("also", ()),
            domain=options.get("domain"),
        )

    def train(
        self,
        store: Store,
        out: Path,
        recipe: RefinerRecipe,
        *,
        seed: int = 0,
        device: str = "auto",
        control: Control = NO_CONTROL,
        ranks: Ranks | None = None,
        **options: Any,
    ) -> Run:
        """See GeneratorKind and hwgen.generators.refiner.training.train."""
        from hwgen.compute.distributed import ALONE
        from hwgen.generators.refiner.training import train

        options["strokes"] = _strokes(options)
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
        """See GeneratorKind and hwgen.generators.refiner.sampling.RefinerSampler.of_model."""
        from hwgen.generators.refiner.sampling import RefinerSampler

        return RefinerSampler.of_model(model, device, **options)

    def characters(self, model: Model, **options: Any) -> Set[str]:
        """See GeneratorKind: all characters that have strokes."""
        from hwgen.generators.refiner.stroke_file import FILE, StoredStrokes

        given = options.get("strokes")
        found = StoredStrokes(model.folder / FILE) if given is None else stroke_data(given)
        return found.characters()

    def describe(self, run: Run) -> Description:
        """See GeneratorKind."""
        recipe, unreadable = None, ""
        try:
            recipe = recipe_from_json(run.recipe)
        except HwgenError as error:
            unreadable = str(error)
        return Description(
            planned=recipe.images if recipe else None,
            facts=self._facts(recipe, run) if recipe else [],
            recipe=self._in_words(recipe) if recipe else [],
            unreadable=unreadable,
            curves=curves(recipe),
            note=_HELD_OUT if recipe and recipe.held_out else "",
            sheets={"simulated": "Simulated images that the generator starts from"},
        )

    def card(self, model: Model, name: str) -> CardTexts:
        """See GeneratorKind."""
        from hwgen.generators.refiner.stroke_file import FILE, StoredStrokes
        from hwgen.runs.training_data import domain_names, stores_beside

        strokes = StoredStrokes(model.folder / FILE)
        names = domain_names(model)
        several = [
            f"trained on {len(names)} stores at once; `--domain` chooses whose look the samples "
            f"have, by name or number: {', '.join(names)}"
        ]
        return CardTexts(
            pipeline_tag="image-to-image",
            usage=f"```sh\nhwgen synthesize {name} --out synthetic --per-class 50\n```\n\n"
            f'```python\nimport hwgen\n\ngenerator = hwgen.load_generator("{name}")\n'
            'images = generator.sample("永和", hand=7)  # uint8 [2, S, S], 255 is paper\n```\n\n'
            "It makes any character that has strokes, also one that it was not trained on: "
            "`--classes 垄垅`. `--hand 7` writes all characters by one simulated writer.\n"
            "Nothing is executed from the files; the weights are safetensors.\n",
            classes="characters that have strokes: those of `strokes.safetensors`, or of the file "
            "given as `--strokes`",
            data=[
                f"strokes of {len(strokes.characters()):,} characters from {strokes.name}, "
                "in `strokes.safetensors`",
                strokes.notice,
                *(several if stores_beside(model.data) else []),
            ],
        )

    def reference_tables(self, classes: int) -> Sequence[ReferenceTable]:
        """See GeneratorKind."""
        rows = []
        for name, recipe in PRESETS.items():
            count = self.parameters(recipe, classes)
            rows.append(
                (
                    name,
                    f"{recipe.size}x{recipe.size}",
                    f"{count['G']:,}",
                    f"{count['D']:,}",
                    f"{loss_name(recipe.loss)}, {recipe.loss.reduction}",
                    f"{recipe.optimizer.kind} {recipe.optimizer.lr_g:g}",
                    f"{recipe.hands:,}",
                    f"{recipe.batch:,}",
                    f"{recipe.images:,}",
                    ABOUT[name],
                )
            )
        table = ReferenceTable(
            title="Presets of refiners",
            note=f"G and D: number of parameters, for {classes:,} classes.",
            head=(
                "preset", "images", "G", "D", "loss", "optimiser", "hands", "batch",
                "images in total", "for",
            ),
            rows=rows,
        )  # fmt: skip
        return [table]

    def _facts(self, recipe: RefinerRecipe, run: Run) -> Facts:
        from hwgen.runs.training_data import class_count, domain_names

        count = self.parameters(recipe, class_count(run))
        facts = [("Parameters", f"generator {count['G']:,}, discriminator {count['D']:,}")]
        if recipe.generator.domains > 1:
            facts.append(("Stores, each a domain", ", ".join(domain_names(run))))
        for field, name in _LOGGED_CLASSES.items():
            entries = (entry[field] for entry in run.read_log() if field in entry)
            found: Any = next(entries, [])
            if isinstance(found, list) and found:
                shown = "".join(map(str, found[:_SHOWN])) + ("…" if len(found) > _SHOWN else "")
                facts.append((name, f"{len(found):,}: {shown}"))
        return facts

    def _in_words(self, recipe: RefinerRecipe) -> Facts:
        g = recipe.generator
        flow = f"up to {g.flow:g} of half the size" if g.flow else "none"
        of_generator = [
            ("Noise z", f"{g.z_dim} numbers, normal"),
            ("Start", f"simulated images of {recipe.hands:,} hands per class"),
            ("Displacement", flow),
            ("Change of ink", "yes" if g.ink else "no"),
            ("Classes held out for grids and scores", f"{recipe.held_out:.0%}"),
        ]
        return recipe_in_words(recipe, PRESETS, of_generator)


def _short_recogniser(recipe: RefinerRecipe) -> str:
    """What steps_for_length has shortened; "" for nothing."""
    preset = PRESETS.get(recipe.preset, recipe)
    short, whole = (one.discriminator.recogniser_steps for one in (recipe, preset))
    if short >= whole or short != steps_for_length(recipe.images, preset):
        return ""
    return (
        f"D's recogniser is trained for {short:,} of {whole:,} steps, because {recipe.images:,} "
        f"images are a quick try; in full with --set {_RECOGNISER_STEPS}={whole}"
    )


def _adapts(options: Mapping[str, Any]) -> bool:
    return options.get("init_from") is not None


def _domains(recipe: RefinerRecipe, store: Store, options: Mapping[str, Any]) -> Domains:
    from hwgen.generators.refiner.domains import domains_of

    known = _strokes(options).characters()
    stores = (store, *options.get("also", ()))
    return domains_of(stores, recipe, known, few=_adapts(options))


def _strokes(options: Mapping[str, Any]) -> StrokeData:
    """The option "strokes"; without it those of the run that is continued, or hwgen's."""
    found = options.get("strokes")
    if found is None and _adapts(options):
        from hwgen.generators.refiner.stroke_file import FILE, StoredStrokes

        return StoredStrokes(Path(options["init_from"]) / FILE)
    return stroke_data(found)


KIND = RefinerKind(
    name="refiner",
    title="refiner",
    options=TRAINING_OPTIONS | {"strokes", "also", "domain"},
    sampling_options=frozenset({"strokes", "charset", "hand", "domain"}),
    companions=("strokes.safetensors",),
    loss_fields=("loss_d",),
    distributed=True,
    has_grids=True,
)
