"""MNIST: saturation of D's outputs with sigmoid cross entropy and with least squares.

    python -m benchmarks.paper.saturation --train STORE --test STORE --out DIR
    python -m benchmarks.paper.saturation --train STORE --test STORE --out DIR --quick

Trains the networks of `mnist-compare` with each loss, all else equal: the regular GAN, LSGAN with
Eq. 9's targets and with Eq. 8's. At the paper's iterations it measures D's outputs on real and
generated images, the gradient that reaches G, and G's digits as read by a recogniser of real
digits. Writes DIR/rows with a JSON file per training; saturation.json and tables.md; histograms.png
and samples.png of the first seed. After Ctrl-C or SIGTERM rerun the command to resume.
"""

from __future__ import annotations

import argparse
import json
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.options import make_parser, split_names
from benchmarks.paper.gan_runs import (
    accuracy_on,
    networks,
    train_until,
    trained_judge,
    training_seconds,
)
from benchmarks.paper.panels import save_panels
from benchmarks.paper.results import (
    add_changes,
    begin,
    changes_of,
    read_rows,
    write_result,
)
from benchmarks.paper.saturation_figures import MODES, plot_histograms
from benchmarks.paper.saturation_measures import outputs, summary
from benchmarks.provenance import precision_name
from benchmarks.stop_signals import STOPPED, stop_signals
from hwgen.compute.devices import keep_freed_memory, pick_device
from hwgen.data import Batches
from hwgen.generators.gan.presets import LOSSES, Recipe, change, preset
from hwgen.generators.gan.sampling import Sampler
from hwgen.io.json_files import write_json
from hwgen.recogniser.inference import Recogniser
from hwgen.recogniser.network import LIGHT, RecogniserRecipe
from hwgen.recogniser.reader import accuracy
from hwgen.store import Store

ARMS = ("gan", "lsgan-eq9", "lsgan-eq8")
ITERATIONS = (700, 2_200, 6_500, 10_000)
"""Iterations at which the paper shows histograms."""

GRID = 8
"""Samples per class in a grid; there is one grid per iteration."""


def recipe_of(arm: str, steps: int, changes: Mapping[str, str]) -> Recipe:
    """The preset with the arm's loss and number of steps."""
    base = change(preset("mnist-compare"), changes)
    loss = replace(LOSSES[arm], reduction=base.loss.reduction)
    images = steps * base.batch
    return replace(base, loss=loss, images=images, every=images)


def row_file(out: Path, arm: str, seed: int) -> Path:
    return out / "rows" / f"{arm}-{seed}.json"


def samples_file(out: Path, arm: str, seed: int, step: int) -> Path:
    return out / "samples" / f"{arm}-{seed}-{step}.npy"


def run_arm(
    arm: str,
    seed: int,
    store: Store,
    recogniser: Recogniser,
    options: argparse.Namespace,
    stopped: threading.Event,
) -> None:
    """Train to each iteration in turn, measure there, and extend the row.

    Raises:
        KeyboardInterrupt: `stopped` was set; the row has the iterations that were reached.
    """
    out, device = options.out, pick_device(options.device)
    recipe = recipe_of(arm, options.iterations[-1], options.changes)
    file = row_file(out, arm, seed)
    row: dict[str, Any] = {"arm": arm, "seed": seed, "loss": asdict(recipe.loss), "moments": []}
    if file.exists():
        row = json.loads(file.read_text(encoding="utf-8"))
    batches = Batches(
        [store],
        size=recipe.size,
        pixels=recipe.pixels,
        batch=recipe.batch,
        seed=seed,
        device=device,
    )
    for step in options.iterations[len(row["moments"]) :]:
        folder = out / "runs" / f"{arm}-{seed}"
        run = train_until(
            step,
            store,
            folder,
            recipe,
            seed=seed,
            device=options.device,
            precision=options.settings["precision"],
            stopped=stopped,
        )
        g, d = networks(run, device)
        measured = {
            name: summary(
                recipe.loss,
                outputs(
                    g, d, recipe, batches, options.batches, seed=seed, training=name == "batch"
                ),
            )
            for name in MODES
        }
        classes = np.repeat(np.arange(len(store.charset)), options.samples)
        numbers = np.tile(np.arange(options.samples), len(store.charset))
        images = Sampler(g, recipe, store.charset, device).sample(classes, numbers, seed=seed)
        probabilities = recogniser.read(images)
        np.save(samples_file(out, arm, seed, step), images[numbers < GRID])
        moment = {
            "step": step,
            "read as their label": accuracy(probabilities, classes),
            "confidence": float(probabilities.max(axis=1).mean()),
            "seconds": training_seconds(run),
            **measured,
        }
        row["moments"].append(moment)
        write_json(file, row)


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """One line per arm, seed, iteration and mode of batch norm."""
    lines = [
        "| loss | seed | iteration | batch norm | D(real) | D(generated) | real: > .95, < .05 "
        "| generated: > .95, < .05 | overlap | D ranks right | dL/dD | dL/dx "
        "| digits read as their label |",
        "|---|---:|---:|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for row in rows:
        for moment, mode in ((m, mode) for m in row["moments"] for mode in MODES):
            values = moment[mode]
            means = [f"{values[s]['mean']:.2f} ± {values[s]['sd']:.2f}" for s in ("real", "fake")]
            sure = [
                f"{100 * values[s]['above']:.0f} %, {100 * values[s]['below']:.0f} %"
                for s in ("real", "fake")
            ]
            cells = [row["arm"], row["seed"], f"{moment['step']:,}", MODES[mode], *means, *sure]
            cells += [f"{values['overlap']:.2f}", f"{100 * values['ranked']:.1f} %"]
            cells += [f"{values['slope']:.2f}", f"{values['gradient']['mean']:.2g}"]
            cells += [f"{100 * moment['read as their label']:.1f} %"]
            lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines) + "\n"


def report(
    options: argparse.Namespace, settings: Mapping[str, Any], arguments: Sequence[str] | None
) -> None:
    """Write saturation.json, tables.md and the figures from the rows that exist."""
    out: Path = options.out
    rows = read_rows(row_file(out, arm, seed) for arm in ARMS for seed in range(options.seeds))
    if not rows:
        return
    write_result(
        out / "saturation.json",
        {"settings": settings, "rows": rows},
        table(rows),
        script=__file__,
        arguments=arguments,
        device=pick_device(options.device),
        precision=options.settings["precision"],
    )
    first = [row for row in rows if row["seed"] == min(r["seed"] for r in rows)]
    plot_histograms(out / "histograms.png", first)
    sheets = [
        [np.load(samples_file(out, r["arm"], r["seed"], m["step"])) for m in r["moments"]]
        for r in first
    ]
    save_panels(out / "samples.png", sheets, GRID)


def parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = make_parser(__doc__)
    parser.add_argument("--train", type=Path, required=True, metavar="STORE")
    parser.add_argument("--test", type=Path, required=True, metavar="STORE")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=1, help="trainings of each arm")
    parser.add_argument("--only", default=",".join(ARMS), help="arms, comma-separated")
    parser.add_argument(
        "--iterations", default=",".join(map(str, ITERATIONS)), help="comma-separated"
    )
    parser.add_argument("--batches", type=int, default=50, help="batches on which D is measured")
    parser.add_argument(
        "--samples", type=int, default=200, help="samples per class for the recogniser"
    )
    parser.add_argument("--recogniser-steps", type=int, default=LIGHT.steps)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", default="auto", help="bf16 or fp32, of the training")
    add_changes(parser)
    parser.add_argument("--quick", action="store_true", help="a dry run of 60 iterations")
    options = parser.parse_args(arguments)
    if options.quick:
        options.iterations, options.recogniser_steps = "20,60", 60
        options.batches, options.samples = 4, GRID
    options.arms = split_names(parser, options.only, "arm", ARMS)
    options.iterations = tuple(sorted(map(int, options.iterations.split(","))))
    options.changes = changes_of(options)
    options.settings = {
        "iterations": list(options.iterations),
        "batches": options.batches,
        "samples": options.samples,
        "reader_steps": options.recogniser_steps,
        "changes": options.changes,
        "precision": precision_name(options.precision, pick_device(options.device)),
        "train": Store(options.train).manifest.content_sha256,
        "test": Store(options.test).manifest.content_sha256,
    }
    begin(options.out, options.settings)
    return options


def main(arguments: Sequence[str] | None = None) -> None:
    options = parsed(arguments)
    keep_freed_memory()
    store, test = Store(options.train), Store(options.test)
    device = pick_device(options.device)
    recipe: RecogniserRecipe = replace(
        LIGHT, size=store.size, oversample=1, steps=options.recogniser_steps
    )
    settings = options.settings | {"seeds": options.seeds}
    with stop_signals() as stopped:
        try:
            file = options.out / "recogniser.safetensors"
            recogniser = trained_judge(file, store, recipe, device=device, stopped=stopped)
            settings["reader accuracy on test"] = accuracy_on(recogniser, test)
            for seed in range(options.seeds):
                for arm in options.arms:
                    run_arm(arm, seed, store, recogniser, options, stopped)
        except KeyboardInterrupt:
            print(STOPPED, file=sys.stderr)
    report(options, settings, arguments)


if __name__ == "__main__":
    main()
