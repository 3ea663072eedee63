"""MNIST: does D saturate with sigmoid cross entropy, and not with least squares?

In: MNIST as two stores. Trains the nets of `mnist-compare` with each loss, all else equal: the
regular GAN, LSGAN with Eq. 9's targets and with Eq. 8's. At the paper's iterations it looks at D's
answers to real and generated pictures, at the gradient that reaches G, and at digits of G, which a
recogniser of real digits reads. Out: DIR/rows, a JSON file a training; saturation.json and
tables.md; histograms.png and samples.png of the first seed. Ctrl-C or SIGTERM saves, and the same
command goes on.

    python -m benchmarks.paper.saturation --train STORE --test STORE --out DIR
    python -m benchmarks.paper.saturation --train STORE --test STORE --out DIR --quick
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

from benchmarks.paper.gan_runs import accuracy_on, judge, networks, precision_of, train_until
from benchmarks.paper.panels import save_panels
from benchmarks.paper.saturation_figures import MODES, draw_histograms
from benchmarks.paper.saturation_measures import answers, summary
from benchmarks.paper.settings import begin
from benchmarks.stop_signals import stop_signals
from hwgen.compute.devices import describe, keep_freed_memory, pick_device, pick_precision
from hwgen.data import Batches
from hwgen.generators.gan.presets import LOSSES, Recipe, change, preset
from hwgen.generators.gan.sampling import Sampler
from hwgen.io.json_files import write_json
from hwgen.recogniser.inference import Recogniser, accuracy
from hwgen.recogniser.network import LIGHT, RecogniserRecipe
from hwgen.store import Store

ARMS = ("gan", "lsgan-eq9", "lsgan-eq8")
ITERATIONS = (700, 2_200, 6_500, 10_000)
"""At which the paper shows histograms."""

GRID = 8
"""Samples of a class in a grid, of which there is one at each of ITERATIONS."""


def recipe_of(arm: str, steps: int, changes: Mapping[str, str]) -> Recipe:
    """The preset with the arm's loss, that ends after so many steps."""
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
    reader: Recogniser,
    options: argparse.Namespace,
    stopped: threading.Event,
) -> None:
    """Train to each iteration in turn, look, and add to the row.

    Raises:
        KeyboardInterrupt: `stopped` before the end; the row has the iterations that were reached.
    """
    out, device = options.out, pick_device(options.device)
    recipe = recipe_of(arm, options.iterations[-1], options.changes)
    file = row_file(out, arm, seed)
    row: dict[str, Any] = {"arm": arm, "seed": seed, "loss": asdict(recipe.loss), "moments": []}
    if file.exists():
        row = json.loads(file.read_text(encoding="utf-8"))
    batches = Batches(
        store, size=recipe.size, pixels=recipe.pixels, batch=recipe.batch, seed=seed, device=device
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
        looks = {
            name: summary(
                recipe.loss,
                answers(
                    g, d, recipe, batches, options.batches, seed=seed, training=name == "batch"
                ),
            )
            for name in MODES
        }
        classes = np.repeat(np.arange(len(store.charset)), options.samples)
        numbers = np.tile(np.arange(options.samples), len(store.charset))
        images = Sampler(g, recipe, store.charset, device).sample(classes, numbers, seed=seed)
        probabilities = reader.read(images)
        np.save(samples_file(out, arm, seed, step), images[numbers < GRID])
        seconds = [entry["seconds"] for entry in run.read_log() if "seconds" in entry]
        moment = {
            "step": step,
            "read as their label": accuracy(probabilities, classes),
            "confidence": float(probabilities.max(axis=1).mean()),
            "seconds": seconds[-1] if seconds else None,
            **looks,
        }
        row["moments"].append(moment)
        write_json(file, row)


def read_rows(out: Path, seeds: int) -> list[dict[str, Any]]:
    """The rows that are there, arm by arm."""
    files = [row_file(out, arm, seed) for arm in ARMS for seed in range(seeds)]
    return [json.loads(file.read_text(encoding="utf-8")) for file in files if file.exists()]


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """One line an arm, seed, iteration and mode of batch norm."""
    lines = [
        "| loss | seed | iteration | batch norm | D(real) | D(generated) | real: > .95, < .05 "
        "| generated: > .95, < .05 | overlap | D ranks right | dL/dD | dL/dx "
        "| digits read as their label |",
        "|---|---:|---:|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for row in rows:
        for moment, mode in ((m, mode) for m in row["moments"] for mode in MODES):
            seen = moment[mode]
            means = [f"{seen[s]['mean']:.2f} ± {seen[s]['sd']:.2f}" for s in ("real", "fake")]
            sure = [
                f"{100 * seen[s]['above']:.0f} %, {100 * seen[s]['below']:.0f} %"
                for s in ("real", "fake")
            ]
            cells = [row["arm"], row["seed"], f"{moment['step']:,}", MODES[mode], *means, *sure]
            cells += [f"{seen['overlap']:.2f}", f"{100 * seen['ranked']:.1f} %"]
            cells += [f"{seen['slope']:.2f}", f"{seen['gradient']['mean']:.2g}"]
            cells += [f"{100 * moment['read as their label']:.1f} %"]
            lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines) + "\n"


def report(out: Path, seeds: int, settings: Mapping[str, Any]) -> None:
    """Write saturation.json, tables.md and the figures from the rows that are there."""
    rows = read_rows(out, seeds)
    if not rows:
        return
    write_json(out / "saturation.json", {"settings": settings, "rows": rows})
    text = table(rows)
    (out / "tables.md").write_text(text, encoding="utf-8")
    print(text)
    first = [row for row in rows if row["seed"] == min(r["seed"] for r in rows)]
    draw_histograms(out / "histograms.png", first)
    sheets = [
        [np.load(samples_file(out, r["arm"], r["seed"], m["step"])) for m in r["moments"]]
        for r in first
    ]
    save_panels(out / "samples.png", sheets, GRID)


def parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--train", type=Path, required=True, metavar="STORE")
    parser.add_argument("--test", type=Path, required=True, metavar="STORE")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=1, help="of each arm")
    parser.add_argument("--only", default=",".join(ARMS), help="arms, by commas")
    parser.add_argument("--iterations", default=",".join(map(str, ITERATIONS)), help="by commas")
    parser.add_argument("--batches", type=int, default=50, help="that D is asked about")
    parser.add_argument("--samples", type=int, default=200, help="of each class, to be read")
    parser.add_argument("--reader-steps", type=int, default=LIGHT.steps, help="of the recogniser")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", default="auto", help="of the training: bf16 or fp32")
    parser.add_argument(
        "--set", action="append", default=[], metavar="FIELD=VALUE", help="of the recipe"
    )
    parser.add_argument("--quick", action="store_true", help="60 iterations: shows that it runs")
    options = parser.parse_args(arguments)
    if options.quick:
        options.iterations, options.reader_steps = "20,60", 60
        options.batches, options.samples = 4, GRID
    options.arms = options.only.split(",")
    unknown = [arm for arm in options.arms if arm not in ARMS]
    if unknown:
        parser.error(f"no arm {', '.join(unknown)}; known: {', '.join(ARMS)}")
    options.iterations = tuple(sorted(map(int, options.iterations.split(","))))
    options.changes = dict(change.split("=", 1) for change in options.set)
    options.settings = {
        "iterations": list(options.iterations),
        "batches": options.batches,
        "samples": options.samples,
        "reader_steps": options.reader_steps,
        "changes": options.changes,
        "precision": precision_of(options.precision, options.device),
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
        LIGHT, size=store.size, oversample=1, steps=options.reader_steps
    )
    hardware = describe(device, pick_precision(options.precision, device))
    settings = options.settings | {"seeds": options.seeds, **hardware}
    with stop_signals() as stopped:
        try:
            reader = judge(
                options.out / "reader.safetensors", store, recipe, device=device, stopped=stopped
            )
            settings["reader accuracy on test"] = accuracy_on(reader, test)
            for seed in range(options.seeds):
                for arm in options.arms:
                    run_arm(arm, seed, store, reader, options, stopped)
        except KeyboardInterrupt:
            print("stopped; the same command goes on", file=sys.stderr)
    report(options.out, options.seeds, settings)


if __name__ == "__main__":
    main()
