"""How much do synthetic characters raise a recogniser's accuracy, by the number of real ones?

In: real train and test stores of one charset, with other writers in each. Runs both protocols of
hwgen.experiments.lift with the settings below. Out: OUT/few-shot and OUT/rare with lift.json and
curve.png, and OUT/tables.md; no pixels. Draws, generators and synthetic samples, which hold pixels,
go to WORK. Ctrl-C stops it, and the same command goes on; several processes may share WORK.

    python -m benchmarks.lift --train STORE --test STORE --out OUT
    python -m benchmarks.lift --train STORE --test STORE --out OUT --only rare
    python -m benchmarks.lift --train STORE --test STORE --out OUT --arms none classical
    python -m benchmarks.lift --train STORE --test STORE --out OUT --so-far
    python -m benchmarks.lift --train STORE --test STORE --out OUT --quick
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.stop_signals import stop_signals
from hwgen.compute.devices import pick_device
from hwgen.experiments.lift.arms import ARMS
from hwgen.experiments.lift.experiment import (
    PRETRAINED_STRONG_EPOCHS,
    STRONG_EPOCHS,
    Experiment,
    run_experiment,
)
from hwgen.experiments.lift.generators import DeformationGenerator
from hwgen.generators.deformation.recipe import DeformationRecipe
from hwgen.progress import Control
from hwgen.recogniser.inference import Recogniser
from hwgen.recogniser.network import LIGHT
from hwgen.report.lift_plots import save_lift_png
from hwgen.results.lift import ALL, BASELINE, Figures, Lift, Series, count_name
from hwgen.store import Store

SETTINGS: dict[str, Any] = {
    "trials": 3,
    "amounts": (400,),
    "recipe": LIGHT,
    "strong_epochs": STRONG_EPOCHS,
    "pretrained_strong_epochs": PRETRAINED_STRONG_EPOCHS,
}
"""Chosen on held-out training samples by benchmarks/lift_choice.py, for each arm and number."""

EXPERIMENTS = {
    "few-shot": Experiment(kind="few-shot", counts=(5, 10, 20, 50, ALL), **SETTINGS),
    "rare": Experiment(kind="rare", counts=(1, 3, 5, 10), **SETTINGS),
}
GENERATOR = DeformationGenerator(DeformationRecipe(steps=1_000))
STARTED = ("pretrained", "pretrained+synthetic")
"""Arms that join, where a recogniser to start from is given."""

QUICK_STEPS, QUICK_COUNT = 3, 3


def quick(experiment: Experiment) -> Experiment:
    """A toy that shows that it runs."""
    recipe = replace(experiment.recipe, steps=QUICK_STEPS, batch=8)
    return replace(experiment, counts=(QUICK_COUNT,), trials=1, amounts=(4,), recipe=recipe)


def collect(found: Lift, folder: Path) -> Lift:
    """Write a result without the paths of this machine, with its curve."""
    test = replace(found.test, store=Path(found.test.store).name)
    lift = replace(found, train=Path(found.train).name, test=test).save(folder)
    save_lift_png(lift, folder / "curve.png")
    return lift


def page(lifts: Mapping[str, Lift]) -> str:
    """All tables, as Markdown."""
    parts = [
        "# Lift: accuracy with and without synthetic samples\n",
        "Top-1 on the real test samples, %, with 95 % intervals over classes and draws.\n",
    ]
    for name, lift in lifts.items():
        seconds = sum(row.facts["seconds"] for row in lift.rows)
        generating = sum(row.facts.get("generator_seconds", 0) for row in lift.rows)
        facts = lift.rows[0].facts
        hardware = f"{facts['device']} {facts['precision']}, {facts['threads']} threads"
        parts += [
            f"## {name}\n",
            f"{lift.advice}\n",
            f"![accuracy by the number of real samples]({name}/curve.png)\n",
        ]
        for group in lift.groups:
            some = "" if len(lift.groups) == 1 else f", {group} classes"
            parts += [
                f"Top-1{some}:\n",
                markdown(lift, group, lift.series, lift.accuracy, ".1f"),
                f"Points more than {BASELINE}{some}:\n",
                markdown(lift, group, lift.compared, lift.differences, "+.1f"),
            ]
        parts.append(
            f"{len(lift.rows)} recognisers, trained and tested in {seconds / 3600:.2f} h in all, "
            f"their generators and samples made in {generating / 3600:.2f} h ({hardware}).\n"
        )
        if lift.missing:
            parts.append(f"{len(lift.missing)} trials are not finished: {Lift.NAME} names them.\n")
    return "\n".join(parts)


def markdown(lift: Lift, group: str, series: Sequence[Series], figures: Figures, form: str) -> str:
    """One table: a row a number of real samples, a column a way of training."""
    head = ["real samples a class", *(one.name for one in series)]
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
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--train", type=Path, required=True, help="store to draw from")
    parser.add_argument("--test", type=Path, required=True, help="store to be judged on")
    parser.add_argument("--out", type=Path, required=True, help="results, without pixels")
    parser.add_argument("--work", type=Path, help="what holds pixels; OUT.work if not given")
    parser.add_argument("--only", choices=EXPERIMENTS, help="one experiment")
    parser.add_argument("--arms", nargs="+", choices=ARMS, help="these alone")
    parser.add_argument("--learnt", type=Path, help="deformation run that learnt elsewhere")
    parser.add_argument("--start", type=Path, help="recogniser of other characters to start from")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--precision", default="auto", help="cells go on in that of the first")
    parser.add_argument(
        "--so-far", action="store_true", help="compute nothing, sum up what is there"
    )
    parser.add_argument("--quick", action="store_true", help="a toy that shows that it runs")
    options = parser.parse_args(arguments)
    work = options.work or options.out.with_name(f"{options.out.name}.work")
    device = pick_device(options.device)
    start = None if options.start is None else Recogniser.load(options.start, device)
    generator = replace(GENERATOR, learnt=options.learnt, device=options.device)
    if options.quick:
        recipe = replace(generator.recipe, steps=QUICK_STEPS, batch=8)
        generator = replace(generator, recipe=recipe)
    with stop_signals() as stopped:
        for name in [options.only] if options.only else EXPERIMENTS:
            experiment = EXPERIMENTS[name]
            if start is not None:
                experiment = replace(experiment, arms=(*experiment.arms, *STARTED))
            if options.arms:
                experiment = replace(experiment, arms=tuple(options.arms))
            found = run_experiment(
                Store(options.train),
                Store(options.test),
                quick(experiment) if options.quick else experiment,
                generator,
                work / name,
                device=device,
                precision=options.precision,
                start=start,
                control=Control(_say, stopped.is_set),
                so_far=options.so_far,
            )
            if found is None:
                print("stopped, the same command goes on")
                return
            collect(found, options.out / name)
    # Also what an earlier command left: each may be run alone.
    there = [name for name in EXPERIMENTS if (options.out / name / Lift.NAME).is_file()]
    lifts = {name: Lift.load(options.out / name / Lift.NAME) for name in there}
    (options.out / "tables.md").write_text(page(lifts), encoding="utf-8")
    for name in there:
        print(f"{name}: {lifts[name].advice}")


def _say(done: float, total: float, note: str) -> None:
    print(f"\r{done:8.2f} of {total:.0f} trials  {note:70.70}", end="\n" if done == total else "")


if __name__ == "__main__":
    main()
