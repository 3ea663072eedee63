"""Lift: gain in a recogniser's accuracy from synthetic characters, by number of real samples.

    python -m benchmarks.lift --train STORE --test STORE --out OUT
    python -m benchmarks.lift --train STORE --test STORE --out OUT --only rare
    python -m benchmarks.lift --train STORE --test STORE --out OUT --arms none classical
    python -m benchmarks.lift --train STORE --test STORE --out OUT --init-from RECOGNISER
    python -m benchmarks.lift --train STORE --test STORE --out OUT --only few-shot
        --generator simulated --generator REFINER-S0,REFINER-S1 --counts 0 5 all --steps 1000 3000
    python -m benchmarks.lift --train STORE --test STORE --out OUT --so-far
    python -m benchmarks.lift --train STORE --test STORE --out OUT --quick

The stores hold real samples of one charset by different writers. Runs both experiments of
hwgen.experiments.lift with the settings below and writes OUT/few-shot and OUT/rare with lift.json
and curve.png, and OUT/tables.md; these contain no pixels. Subsets, generators and synthetic samples
go to WORK, which several processes may share. After Ctrl-C rerun the command to resume.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.options import make_parser
from benchmarks.stop_signals import STOPPED, stop_signals
from hwgen.compute.devices import pick_device
from hwgen.experiments.lift.arms import ARMS
from hwgen.experiments.lift.choice import choose_generators
from hwgen.experiments.lift.experiment import run_experiment
from hwgen.experiments.lift.generators import Generator, TrainedGenerator
from hwgen.experiments.lift.plan import PRETRAINED_STRONG_EPOCHS, STRONG_EPOCHS, Experiment
from hwgen.generators.base import get_kind
from hwgen.generators.deformation.recipe import DeformationRecipe
from hwgen.progress import Control
from hwgen.recogniser.network import LIGHT
from hwgen.recogniser.pretrained import load_pretrained
from hwgen.report.lift_plots import save_lift_png
from hwgen.results.lift import ALL, NONE, Figures, Lift, Series, count_name
from hwgen.store import Store

SETTINGS: dict[str, Any] = {
    "trials": 3,
    "synthetic_per_class": (400,),
    "recipe": LIGHT,
    "strong_epochs": STRONG_EPOCHS,
    "pretrained_strong_epochs": PRETRAINED_STRONG_EPOCHS,
}
"""Chosen on held-out training samples by benchmarks.lift_choice, for each arm and number."""

EXPERIMENTS = {
    "few-shot": Experiment(kind="few-shot", real_per_class=(5, 10, 20, 50, ALL), **SETTINGS),
    "rare": Experiment(kind="rare", real_per_class=(1, 3, 5, 10), **SETTINGS),
}
GENERATOR = TrainedGenerator(get_kind("deformation"), DeformationRecipe(steps=1_000))
PRETRAINED = ("pretrained", "pretrained+synthetic")
"""Further arms with --init-from."""

QUICK_STEPS, QUICK_COUNT = 3, 3


def quick(experiment: Experiment) -> Experiment:
    """Tiny settings for a dry run."""
    recipe = replace(experiment.recipe, steps=QUICK_STEPS, batch=8)
    counts = tuple(count for count in experiment.real_per_class if count == NONE)
    return replace(
        experiment,
        real_per_class=(*counts, QUICK_COUNT),
        trials=1,
        synthetic_per_class=(4,),
        recipe=recipe,
        steps=tuple(QUICK_STEPS + place for place, _ in enumerate(experiment.steps)),
    )


def changed(experiment: Experiment, options: Any) -> Experiment:
    """The experiment with the numbers that the command line gives."""
    steps = tuple(options.steps or ())
    recipe = replace(experiment.recipe, steps=steps[0]) if steps else experiment.recipe
    return replace(
        experiment,
        real_per_class=tuple(options.counts or experiment.real_per_class),
        trials=options.trials or experiment.trials,
        synthetic_per_class=(options.amount,) if options.amount else experiment.synthetic_per_class,
        recipe=recipe,
        steps=steps if len(steps) > 1 else (),
    )


def _count(text: str) -> int:
    return {"all": ALL, "0": NONE}[text] if text in ("all", "0") else int(text)


def collect(found: Lift, folder: Path) -> Lift:
    """Write a result without absolute paths, and its curve."""
    test = replace(found.test, store=Path(found.test.store).name)
    lift = replace(found, train=Path(found.train).name, test=test).save(folder)
    save_lift_png(lift, folder / "curve.png")
    return lift


def page(lifts: Mapping[str, Lift]) -> str:
    """All tables, as Markdown."""
    parts = [
        "# Lift: accuracy with and without synthetic samples\n",
        "Top-1 on the real test samples, %, with 95 % intervals.\n",
    ]
    for name, lift in lifts.items():
        seconds = sum(row.facts["seconds"] for row in lift.rows)
        generating = sum(row.facts.get("generator_seconds", 0) for row in lift.rows)
        facts = lift.rows[0].facts
        hardware = f"{facts['device']} {facts['precision']}, {facts['threads']} threads"
        parts += [
            f"## {name}\n",
            f"{lift.advice}\n",
            f"Intervals are over {lift.limits_over}.\n",
            *(f"{one.cost}\n" for one in lift.generators),
            f"![accuracy by the number of real samples]({name}/curve.png)\n",
        ]
        for group in lift.groups:
            some = "" if len(lift.groups) == 1 else f", {group} classes"
            parts += [
                f"Top-1{some}:\n",
                markdown(lift, group, lift.series, lift.accuracy, ".1f"),
                f"Gain over {lift.baseline}{some}, points:\n",
                markdown(lift, group, lift.compared, lift.differences, "+.1f"),
            ]
        parts.append(
            f"{len(lift.rows)} recognisers, trained and tested in {seconds / 3600:.2f} h; "
            f"generators and samples made in {generating / 3600:.2f} h ({hardware}).\n"
        )
        if lift.missing:
            parts.append(f"{len(lift.missing)} trials are not finished: {Lift.NAME} names them.\n")
    return "\n".join(parts)


def markdown(lift: Lift, group: str, series: Sequence[Series], figures: Figures, form: str) -> str:
    """One table: a row per number of real samples, a column per arm."""
    head = ["real samples per class", *(one.name for one in series)]
    lines = [head, ["---"] + ["---:"] * len(series)]
    for count in lift.counts:
        found = [figures.get((group, count, one)) for one in series]
        cells = [
            ""
            if one is None
            else f"{100 * one.mean:{form}} ({100 * one.low:{form}} to {100 * one.high:{form}})"
            for one in found
        ]
        lines.append([count_name(count), *cells])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--train", type=Path, required=True, help="store of training samples")
    parser.add_argument("--test", type=Path, required=True, help="store of test samples")
    parser.add_argument("--out", type=Path, required=True, help="folder for the results")
    parser.add_argument("--work", type=Path, help="folder for intermediate files; OUT.work")
    parser.add_argument("--only", choices=EXPERIMENTS, help="one experiment")
    parser.add_argument("--arms", nargs="+", choices=ARMS, help="only these arms")
    parser.add_argument("--generator", action="append", help="see hwgen lift; repeatable")
    parser.add_argument("--strokes", help="stroke data, for simulated and refiners, see hwgen lift")
    parser.add_argument("--counts", nargs="+", type=_count, help="real samples per class")
    parser.add_argument("--steps", nargs="+", type=int, help="training steps of recognisers")
    parser.add_argument("--amount", type=int, help="synthetic samples per class")
    parser.add_argument("--trials", type=int)
    parser.add_argument("--init-from", type=Path, help="recogniser with pretrained weights")
    parser.add_argument("--device", default="auto")
    parser.add_argument(
        "--precision", default="auto", help="auto resumes in that of the first trial"
    )
    parser.add_argument("--so-far", action="store_true", help="only summarise finished trials")
    parser.add_argument("--quick", action="store_true", help="a dry run with tiny settings")
    options = parser.parse_args(arguments)
    work = options.work or options.out.with_name(f"{options.out.name}.work")
    device = pick_device(options.device)
    init = None if options.init_from is None else load_pretrained(options.init_from, device)
    own = replace(GENERATOR, device=options.device)
    if options.quick:
        recipe = replace(GENERATOR.recipe, steps=QUICK_STEPS, batch=8)
        own = replace(own, recipe=recipe)
    generators: Mapping[str, Generator] = {"": own}
    if options.generator is not None:
        train = Store(options.train)
        generators = choose_generators(
            options.generator, train, device=options.device, strokes=options.strokes
        )
    with stop_signals() as stopped:
        for name in [options.only] if options.only else EXPERIMENTS:
            experiment = changed(EXPERIMENTS[name], options)
            if init is not None:
                experiment = replace(experiment, arms=(*experiment.arms, *PRETRAINED))
            if options.arms:
                experiment = replace(experiment, arms=tuple(options.arms))
            found = run_experiment(
                Store(options.train),
                Store(options.test),
                quick(experiment) if options.quick else experiment,
                generators,
                work / name,
                device=device,
                precision=options.precision,
                init_from=init,
                control=Control(_print_progress, stopped.is_set),
                so_far=options.so_far,
            )
            if found is None:
                print(STOPPED)
                return
            collect(found, options.out / name)
    # Including results of earlier commands: each experiment may be run alone.
    finished = [name for name in EXPERIMENTS if (options.out / name / Lift.NAME).is_file()]
    lifts = {name: Lift.load(options.out / name / Lift.NAME) for name in finished}
    (options.out / "tables.md").write_text(page(lifts), encoding="utf-8")
    for name in finished:
        print(f"{name}: {lifts[name].advice}")


def _print_progress(done: float, total: float, note: str) -> None:
    print(f"\r{done:8.2f} of {total:.0f} trials  {note:70.70}", end="\n" if done == total else "")


if __name__ == "__main__":
    main()
