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
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.stop_signals import stop_signals
from hwgen.compute.devices import pick_device
from hwgen.experiments.lift.experiment import (
    FILE,
    STARTED_STRONG_VIEWS,
    STRONG_VIEWS,
    Protocol,
    run_protocol,
)
from hwgen.experiments.lift.generators import DeformationGenerator
from hwgen.experiments.lift.subsets import ALL
from hwgen.experiments.lift.trials import ARMS
from hwgen.generators.deformation.recipe import DeformationRecipe
from hwgen.io.json_files import write_json
from hwgen.recogniser.inference import Recogniser
from hwgen.recogniser.network import LIGHT
from hwgen.report.lift_plots import save_lift_png
from hwgen.results.lift import BASELINE, Figures, Lift, Series, count_name, read_lift
from hwgen.store import Store

SETTINGS: dict[str, Any] = {
    "draws": 3,
    "amounts": (400,),
    "recipe": LIGHT,
    "strong_views": STRONG_VIEWS,
    "started_strong_views": STARTED_STRONG_VIEWS,
}
"""Chosen on held-out training samples by benchmarks/lift_choice.py, for each arm and number."""

PROTOCOLS = {
    "few-shot": Protocol(kind="few-shot", counts=(5, 10, 20, 50, ALL), **SETTINGS),
    "rare": Protocol(kind="rare", counts=(1, 3, 5, 10), **SETTINGS),
}
GENERATOR = DeformationGenerator(DeformationRecipe(steps=1_000))
STARTED = ("pretrained", "pretrained+synthetic")
"""Arms that join, where a recogniser to start from is given."""

QUICK_STEPS, QUICK_COUNT = 3, 3


def quick(protocol: Protocol) -> Protocol:
    """A toy that shows that it runs."""
    recipe = replace(protocol.recipe, steps=QUICK_STEPS, batch=8)
    return replace(protocol, counts=(QUICK_COUNT,), draws=1, amounts=(4,), recipe=recipe)


def collect(value: Mapping[str, Any], folder: Path) -> Lift:
    """Write a result without the paths of this machine, with its curve."""
    folder.mkdir(parents=True, exist_ok=True)
    test = {**value["test"], "store": Path(value["test"]["store"]).name}
    write_json(folder / FILE, {**value, "train": Path(value["train"]).name, "test": test})
    lift = read_lift(folder / FILE)
    save_lift_png(lift, folder / "curve.png")
    return lift


def page(lifts: Mapping[str, Lift], values: Mapping[str, Mapping[str, Any]]) -> str:
    """All tables, as Markdown."""
    parts = [
        "# Lift: accuracy with and without synthetic samples\n",
        "Top-1 on the real test samples, %, with 95 % intervals over classes and draws.\n",
    ]
    for name, lift in lifts.items():
        rows, missing = values[name]["rows"], values[name]["missing"]
        seconds = sum(row["facts"]["seconds"] for row in rows)
        generating = sum(row["facts"].get("generator_seconds", 0) for row in rows)
        facts = rows[0]["facts"]
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
            f"{len(rows)} recognisers, trained and tested in {seconds / 3600:.2f} h in all, "
            f"their generators and samples made in {generating / 3600:.2f} h ({hardware}).\n"
        )
        if missing:
            parts.append(f"{len(missing)} cells are not computed yet: {FILE} names them.\n")
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
    parser.add_argument("--only", choices=PROTOCOLS, help="one protocol")
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
        for name in [options.only] if options.only else PROTOCOLS:
            protocol = PROTOCOLS[name]
            if start is not None:
                protocol = replace(protocol, arms=(*protocol.arms, *STARTED))
            if options.arms:
                protocol = replace(protocol, arms=tuple(options.arms))
            found = run_protocol(
                Store(options.train),
                Store(options.test),
                quick(protocol) if options.quick else protocol,
                generator,
                work / name,
                device=device,
                precision=options.precision,
                start=start,
                progress=_say,
                stop=stopped.is_set,
                so_far=options.so_far,
            )
            if found is None:
                print("stopped, the same command goes on")
                return
            collect(found, options.out / name)
    # Also what an earlier command left: each may be run alone.
    there = [name for name in PROTOCOLS if (options.out / name / FILE).is_file()]
    lifts = {name: read_lift(options.out / name / FILE) for name in there}
    values = {name: json.loads((options.out / name / FILE).read_text("utf-8")) for name in there}
    (options.out / "tables.md").write_text(page(lifts, values), encoding="utf-8")
    for name in there:
        print(f"{name}: {lifts[name].advice}")


def _say(done: float, total: float, note: str) -> None:
    print(f"\r{done:8.2f} of {total:.0f} cells  {note:70.70}", end="\n" if done == total else "")


if __name__ == "__main__":
    main()
