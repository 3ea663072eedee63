"""Training without batch norm: collapses of LSGAN and the regular GAN, with Adam and RMSProp.

    python -m benchmarks.paper.stability --train STORE --out DIR --device cuda
    python -m benchmarks.paper.stability --train STORE --out DIR --quick

Trains the authors' networks (`dcgan-64`) on colour images without batch norm in G, or in G and D,
with each optimiser and loss, several seeds each, and scores snapshots by a rule that was fixed
before the runs (stability_measures.py). Writes DIR/rows with a JSON file per run; stability.json
and tables.md, counts with intervals; curves.png, and sheet.png with samples of every run. Ctrl-C or
SIGTERM loses at most the run in progress; rerun the command for the rest.
"""

from __future__ import annotations

import argparse
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.options import make_parser, split_names
from benchmarks.paper.progress import Progress
from benchmarks.paper.results import begin, read_rows, write_result
from benchmarks.paper.stability_figures import SHOWN, plot_curves, plot_sheet
from benchmarks.paper.stability_measures import SAMPLES, Real, measures, real_of, verdict
from benchmarks.paper.stability_settings import NETS, SETTINGS, recipe_of
from benchmarks.paper.stability_tables import differences, summary, tables
from benchmarks.paper.stability_training import NotFiniteError, snapshots
from benchmarks.stop_signals import STOPPED, stop_signals
from hwgen.compute.devices import keep_freed_memory, pick_device
from hwgen.io.files import atomic_write
from hwgen.io.json_files import write_json
from hwgen.record import PAPER
from hwgen.store import Store

COLUMNS = {
    f"{place}, {title}": tuple(
        (name, setting.loss)
        for name, setting in SETTINGS.items()
        if setting.left_out == left_out and (setting.optimizer == "adam") == (title == "Adam")
    )
    for left_out, place in (("bn-g", "BN_G"), ("bn-gd", "BN_GD"))
    for title in ("Adam", "RMSProp")
}


def row_file(out: Path, name: str, seed: int) -> Path:
    return out / "rows" / f"{name}-{seed}.json"


def samples_file(out: Path, name: str, seed: int) -> Path:
    return out / "samples" / f"{name}-{seed}.npy"


def run_one(
    name: str,
    seed: int,
    store: Store,
    real: Real,
    options: argparse.Namespace,
    stopped: threading.Event,
) -> None:
    """Train one run and write its row.

    Raises:
        KeyboardInterrupt: `stopped` was set; nothing of this run is saved.
    """
    recipe = recipe_of(SETTINGS[name], **shape(options))
    lines = Progress(f"{name}-{seed}", "steps", recipe.steps)

    def progress(step: int) -> None:
        if stopped.is_set():
            raise KeyboardInterrupt
        lines(step)

    began, diverged, found = time.perf_counter(), "", []
    images = np.full((SHOWN, recipe.size, recipe.size, 3), PAPER, np.uint8)
    try:
        for step, sampled, outputs in snapshots(
            recipe,
            store,
            seed=seed,
            narrow=options.narrow,
            samples=len(real.features),
            device=pick_device(options.device),
            progress=progress,
        ):
            found.append({"step": step, **measures(sampled, real), **outputs})
            images = sampled[:SHOWN]
    except NotFiniteError as error:
        diverged = str(error)
    target = samples_file(options.out, name, seed)
    with atomic_write(target) as temporary, open(temporary, "wb") as file:
        np.save(file, images)
    row = {
        "name": name,
        "seed": seed,
        "seconds": round(time.perf_counter() - began, 1),
        "diverged": diverged,
        "collapsed": verdict(found, diverged),
        "snapshots": found,
    }
    write_json(row_file(options.out, name, seed), row)


def shape(options: argparse.Namespace) -> dict[str, int]:
    """Size of the networks and length of the training."""
    return {name: getattr(options, name) for name in ("size", "narrow", "images", "snapshots")}


def report(
    options: argparse.Namespace, settings: Mapping[str, Any], arguments: Sequence[str] | None
) -> None:
    """Write stability.json, tables.md and the figures from the rows that exist."""
    out: Path = options.out
    found = {
        name: read_rows(row_file(out, name, seed) for seed in range(options.seeds))
        for name in SETTINGS
    }
    rows = {name: own for name, own in found.items() if own}
    if not rows:
        return
    result = {
        "settings": settings,
        "summary": summary(rows),
        "differences": differences(rows),
        "rows": rows,
    }
    write_result(
        out / "stability.json",
        result,
        tables(rows),
        script=__file__,
        arguments=arguments,
        device=pick_device(options.device),
    )
    plot_curves(out / "curves.png", COLUMNS, rows)
    samples = {
        name: [np.load(samples_file(out, name, row["seed"])) for row in own]
        for name, own in rows.items()
    }
    plot_sheet(out / "sheet.png", rows, samples)


def parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = make_parser(__doc__)
    parser.add_argument("--train", type=Path, required=True, metavar="STORE")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--size", type=int, choices=sorted(NETS), default=64)
    parser.add_argument("--narrow", type=int, default=1, help="divisor of all widths of layers")
    parser.add_argument(
        "--images", type=int, default=6_400_000, help="training images, 64 per step"
    )
    parser.add_argument("--snapshots", type=int, default=20, help="snapshots per run")
    parser.add_argument(
        "--seeds", type=int, help="runs of each setting; default 10, 3 with --quick"
    )
    parser.add_argument("--only", default=",".join(SETTINGS), help="settings, comma-separated")
    parser.add_argument("--device", default="auto")
    parser.add_argument(
        "--quick",
        action="store_true",
        help="for two CPU cores: size 32, widths / 8, 800 steps, 3 seeds",
    )
    options = parser.parse_args(arguments)
    if options.quick:
        options.size, options.narrow, options.images, options.snapshots = 32, 8, 51_200, 8
    options.seeds = options.seeds or (3 if options.quick else 10)
    options.names = split_names(parser, options.only, "setting", SETTINGS)
    return options


def main(arguments: Sequence[str] | None = None) -> None:
    options = parsed(arguments)
    keep_freed_memory()
    store = Store(options.train)
    fixed = {**shape(options), "train": store.manifest.content_sha256}
    begin(options.out, fixed)
    real = real_of(store, options.size)
    jobs = [(name, seed) for seed in range(options.seeds) for name in options.names]
    left = [job for job in jobs if not row_file(options.out, *job).exists()]
    progress = Progress("all", "runs", len(jobs), done=len(jobs) - len(left), line_every=0)
    with stop_signals() as stopped:
        try:
            for done, job in enumerate(left, len(jobs) - len(left) + 1):
                run_one(*job, store, real, options, stopped)
                progress(done)
        except KeyboardInterrupt:
            print(STOPPED, file=sys.stderr)
    known = {key: value for key, value in asdict(real).items() if key != "features"}
    settings = fixed | {"seeds": options.seeds, "samples": SAMPLES, "real": known}
    report(options, settings, arguments)


if __name__ == "__main__":
    main()
