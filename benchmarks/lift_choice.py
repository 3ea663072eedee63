"""Settings for benchmarks.lift, compared on held-out training samples and never on the test set.

    python -m benchmarks.lift_choice --train STORE --test STORE --out OUT
    python -m benchmarks.lift_choice --train STORE --test STORE --out OUT --count all
    python -m benchmarks.lift_choice --train STORE --test STORE --out OUT --kind rare --count 3
    python -m benchmarks.lift_choice --train STORE --test STORE --out OUT --init-from RECOGNISER
    python -m benchmarks.lift_choice --train STORE --test STORE --out OUT --quick

Compares distortions of the baseline's images, ways of mixing in synthetic samples, and their
number: one trial each with 10 real samples per class (or --count), tested on 40 held-out samples
per class of the train store. The test store is opened but not read. Writes OUT/choice.json and
OUT/choice.md; intermediate files go to WORK. About 95 s per variant on one core; rerun the command
to resume.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.options import make_parser
from benchmarks.provenance import precision_name, provenance
from hwgen.compute.devices import pick_device
from hwgen.experiments.lift.experiment import run_experiment
from hwgen.experiments.lift.generators import TrainedGenerator
from hwgen.experiments.lift.plan import Experiment
from hwgen.generators.base import get_kind
from hwgen.generators.deformation.recipe import DeformationRecipe
from hwgen.io.json_files import write_json
from hwgen.recogniser.network import LIGHT, STRONG, AugmentationSpec, Mixing, RecogniserRecipe
from hwgen.recogniser.pretrained import load_pretrained
from hwgen.results.lift import ALL
from hwgen.store import Store

GENERATOR = TrainedGenerator(get_kind("deformation"), DeformationRecipe(steps=1_000))
COUNT = 10
QUICK_STEPS, QUICK_COUNT = 3, 3


@dataclass(frozen=True)
class Variant:
    """One setting: arm, recipe, synthetic samples per class, and rejection of near copies."""

    arm: str
    recipe: RecogniserRecipe = LIGHT
    amount: int = 100
    no_copies: bool = False


PLAIN = replace(LIGHT, oversample=1, augmentation=AugmentationSpec())
STRONGEST = AugmentationSpec(
    rotate=15, shear=0.3, scale=0.3, translate=0.12, elastic=0.045, stroke_width=0.04, blur=0.03
)
WARPED = replace(STRONG, stroke_width=0.0, blur=LIGHT.augmentation.blur)
GREY = replace(LIGHT.augmentation, stroke_width=0.03, ink=0.3, noise=0.05)
BOTH = "classical+synthetic"

VARIANTS: Mapping[str, Variant] = {
    "classical, chosen": Variant("classical"),
    "chosen": Variant(BOTH),
    "400 per class": Variant(BOTH, amount=400),
    "400 per class, no copies": Variant(BOTH, amount=400, no_copies=True),
    "3/4 synthetic": Variant(BOTH, replace(LIGHT, mixing=Mixing(fraction=0.75))),
    "classical, at the final size, no blur": Variant("classical", PLAIN),
    "classical, no blur": Variant("classical", replace(LIGHT, augmentation=AugmentationSpec())),
    "1/4 synthetic": Variant(BOTH, replace(LIGHT, mixing=Mixing(fraction=0.25))),
    "25 per class": Variant(BOTH, amount=25),
    "half, then real alone from 70 %": Variant(BOTH, replace(LIGHT, mixing=Mixing(until=0.7))),
    "synthetic alone, then real from 50 %": Variant(
        BOTH, replace(LIGHT, mixing=Mixing(fraction=1.0, until=0.5))
    ),
    "classical, stroke width, ink and noise": Variant(
        "classical", replace(LIGHT, augmentation=GREY)
    ),
    "classical, stronger": Variant("classical", replace(LIGHT, augmentation=STRONG)),
    "stronger, 400 per class": Variant(BOTH, replace(LIGHT, augmentation=STRONG), amount=400),
    "classical, strongest": Variant("classical", replace(LIGHT, augmentation=STRONGEST)),
    "pretrained, chosen": Variant("pretrained"),
    "pretrained, stronger": Variant("pretrained", replace(LIGHT, augmentation=STRONG)),
    "strongest, 400 per class": Variant(BOTH, replace(LIGHT, augmentation=STRONGEST), amount=400),
    "pretrained, strongest": Variant("pretrained", replace(LIGHT, augmentation=STRONGEST)),
    "classical, stronger in shape alone": Variant("classical", replace(LIGHT, augmentation=WARPED)),
}
"""Most important first; pretrained ones need --init-from."""


def main(arguments: Sequence[str] | None = None) -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--train", type=Path, required=True, help="store of training samples")
    parser.add_argument("--test", type=Path, required=True, help="its test store; not read")
    parser.add_argument("--out", type=Path, required=True, help="folder for the results")
    parser.add_argument("--work", type=Path, help="folder for intermediate files; OUT.work")
    parser.add_argument("--init-from", type=Path, help="recogniser with pretrained weights")
    parser.add_argument("--count", type=_count, help="real samples per class, or all")
    parser.add_argument("--kind", choices=("few-shot", "rare"), default="few-shot")
    parser.add_argument("--only", nargs="+", choices=tuple(VARIANTS), default=tuple(VARIANTS))
    parser.add_argument("--device", default="auto")
    parser.add_argument("--quick", action="store_true", help="a dry run with tiny settings")
    options = parser.parse_args(arguments)
    work = options.work or options.out.with_name(f"{options.out.name}.work")
    device = pick_device(options.device)
    generator = replace(GENERATOR, device=options.device)
    if options.quick:
        generator = replace(generator, recipe=replace(generator.recipe, steps=QUICK_STEPS, batch=8))
    count = options.count
    if count is None:
        count = QUICK_COUNT if options.quick else COUNT
    init = None
    if options.init_from is not None:
        init = load_pretrained(options.init_from, device)
    found: list[dict[str, Any]] = []
    options.out.mkdir(parents=True, exist_ok=True)
    for number, (name, variant) in enumerate(VARIANTS.items()):
        if name not in options.only or (variant.arm == "pretrained" and init is None):
            continue
        recipe, amount = variant.recipe, variant.amount
        if options.quick:
            recipe, amount = replace(recipe, steps=QUICK_STEPS, batch=8), 4
        result = run_experiment(
            Store(options.train),
            Store(options.test),
            Experiment(
                kind=options.kind,
                real_per_class=(count,),
                trials=1,
                arms=(variant.arm,),
                synthetic_per_class=(amount,),
                recipe=recipe,
                evaluate_on="held-out",
            ),
            {"": replace(generator, no_copies=variant.no_copies)},
            work / f"{number:02d}",
            device=device,
            init_from=init if variant.arm == "pretrained" else None,
        )
        assert result is not None  # nothing stops the experiment
        figures, row = result.accuracy_entries[0], result.rows[0]
        found.append(
            {
                "name": name,
                "arm": variant.arm,
                "count": "all" if count == ALL else count,
                "amount": amount if "synthetic" in variant.arm else 0,
                "mean": figures.mean,
                "low": figures.low,
                "high": figures.high,
                "facts": row.facts,
                "decides": row.config,
            }
        )
        precision = precision_name("auto", device)
        origin = provenance(__file__, arguments, device=device, precision=precision)
        write_json(options.out / "choice.json", {**origin, "rows": found})
        (options.out / "choice.md").write_text(table(found), encoding="utf-8")
        print(f"{name}: {100 * figures.mean:.1f} %", flush=True)


def _count(text: str) -> int:
    return ALL if text == "all" else int(text)


def table(found: Sequence[Mapping[str, Any]]) -> str:
    """Markdown, one line per variant."""
    lines = ["| variant | top-1 on held-out samples, % | s |", "|---|---:|---:|"]
    for one in found:
        lines.append(
            f"| {one['name']} | {100 * one['mean']:.1f} ({100 * one['low']:.1f} to "
            f"{100 * one['high']:.1f}) | {one['facts']['seconds']:.0f} |"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
