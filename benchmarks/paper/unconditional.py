"""Characters without labels: is a GAN's writing readable with 10, 100, 1,000 kinds of them?

In: real characters as two stores. For each number of characters trains the same nets with labels
and without, on the same pictures, for as many steps. A recogniser of real pictures then reads
samples; its confidence says how readable they are, beside that of real test pictures and of pairs
of these drawn over each other, which are no characters. Out: DIR/rows, a JSON file a training;
unconditional.json and tables.md; confidence.png and samples.png of the first seed. Ctrl-C or
SIGTERM saves, and the same command goes on.

    python -m benchmarks.paper.unconditional --train STORE --test STORE --out DIR
    python -m benchmarks.paper.unconditional --train STORE --test STORE --out DIR --quick
    python -m benchmarks.paper.unconditional --train STORE --test STORE --out DIR --device cuda
        --nets paper-hwdb --images 6400000,6400000,64000000
"""

from __future__ import annotations

import argparse
import json
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.light_glyph import LIGHT_GLYPH
from benchmarks.paper.gan_runs import judge, precision_of, train_until
from benchmarks.paper.panels import save_panels
from benchmarks.paper.settings import begin
from benchmarks.paper.unconditional_figures import draw_confidence
from benchmarks.paper.unconditional_measures import (
    overlaid,
    readability,
    some_of,
    subset,
    table,
)
from benchmarks.stop_signals import stop_signals
from hwgen.compute.devices import describe, keep_freed_memory, pick_device, pick_precision
from hwgen.compute.tensor_files import file_hash
from hwgen.generators.gan.presets import Recipe, change, preset
from hwgen.generators.gan.sampling import Sampler
from hwgen.imaging.contact_sheets import evenly_spaced
from hwgen.io.json_files import write_json
from hwgen.recogniser.class_mapping import check_readable, places_of
from hwgen.recogniser.inference import Recogniser
from hwgen.recogniser.network import LIGHT
from hwgen.record import Image
from hwgen.store import Store

KINDS = ("conditional", "unconditional")
REFERENCES = ("real", "overlaid")

NETS: Mapping[str, Recipe] = {
    "light": change(preset("glyph-32"), LIGHT_GLYPH),
    "glyph-32": preset("glyph-32"),
    "paper-hwdb": preset("paper-hwdb"),
}
"""`light` is glyph-32 at half the width with smaller batches: some minutes on one core."""

COUNTS = (10, 100, 1_000)
IMAGES = (64_000, 96_000, 192_000)
"""Real pictures shown, for each of COUNTS, to either arm."""

GRID = 8
"""Rows and columns of a panel."""

Numbers = npt.NDArray[np.int64]


def recipe_of(nets: str, kind: str, images: int, changes: Mapping[str, str]) -> Recipe:
    base = change(NETS[nets], changes)
    return replace(base, conditional=kind == "conditional", images=images, every=images)


def row_file(out: Path, count: int, kind: str, seed: int) -> Path:
    return out / "rows" / f"{count}-{kind}-{seed}.json"


def samples_file(out: Path, count: int, kind: str, seed: int) -> Path:
    return out / "samples" / f"{count}-{kind}-{seed}.npy"


def drawn(sampler: Sampler, classes: int, samples: int, seed: int) -> tuple[Image, Numbers | None]:
    """Samples, spread over the classes where there are labels, with these."""
    if not sampler.recipe.conditional:
        return sampler.sample(np.zeros(samples, np.int64), np.arange(samples), seed=seed), None
    labels = np.arange(samples) * classes // samples
    starts = np.searchsorted(labels, labels)
    return sampler.sample(labels, np.arange(samples) - starts, seed=seed), labels


def panel(images: Image, labels: Numbers | None) -> Image:
    """GRID x GRID pictures: with labels a class a row, as far as there are samples of it."""
    rows = np.arange(GRID * GRID)
    if labels is not None:
        first = np.flatnonzero(np.diff(labels, prepend=-1))[evenly_spaced(labels[-1] + 1, GRID)]
        rows = np.resize(first[:, None] + np.arange(GRID), GRID * GRID)
    return images[rows % len(images)]


def run_one(
    count: int,
    kind: str,
    seed: int,
    store: Store,
    reader: Recogniser,
    options: argparse.Namespace,
    stopped: threading.Event,
) -> None:
    """Train one arm and write its row and panel.

    Raises:
        KeyboardInterrupt: `stopped` before the end.
    """
    images = options.images[options.counts.index(count)]
    recipe = recipe_of(options.nets, kind, images, options.changes)
    folder = options.out / "runs" / f"{count}-{kind}-{seed}"
    run = train_until(
        recipe.steps,
        store,
        folder,
        recipe,
        seed=seed,
        device=options.device,
        precision=options.settings["precision"],
        stopped=stopped,
    )
    sampler = Sampler.load(run, "last", options.device)
    found, labels = drawn(sampler, len(store.charset), options.samples, seed)
    np.save(samples_file(options.out, count, kind, seed), panel(found, labels))
    seconds = [entry["seconds"] for entry in run.read_log() if "seconds" in entry]
    row = {
        "count": count,
        "kind": kind,
        "seed": seed,
        "steps": recipe.steps,
        "seconds": seconds[-1] if seconds else None,
        **readability(reader.read(found), places_of(reader, store.charset), labels),
    }
    write_json(row_file(options.out, count, kind, seed), row)


def write_references(
    count: int, store: Store, test: Store, reader: Recogniser, options: argparse.Namespace
) -> None:
    """Rows of what real pictures of the same classes get, and of what is no character."""
    images, labels = some_of(test, store.charset, options.samples, seed=0)
    places = places_of(reader, store.charset)
    for kind, pictures, known in (
        ("real", images, labels),
        ("overlaid", overlaid(images, labels, seed=0), None),
    ):
        row = {"count": count, "kind": kind, "seed": 0}
        row |= readability(reader.read(pictures), places, known)
        write_json(row_file(options.out, count, kind, 0), row)


def read_rows(options: argparse.Namespace) -> list[dict[str, Any]]:
    files = [
        row_file(options.out, count, kind, seed)
        for count in options.counts
        for kind in (*KINDS, *REFERENCES)
        for seed in range(options.seeds)
    ]
    return [json.loads(file.read_text(encoding="utf-8")) for file in files if file.exists()]


def report(options: argparse.Namespace, settings: Mapping[str, Any]) -> None:
    """Write unconditional.json, tables.md and the figures from the rows that are there."""
    rows = read_rows(options)
    if not rows:
        return
    write_json(options.out / "unconditional.json", {"settings": settings, "rows": rows})
    text = table(rows)
    (options.out / "tables.md").write_text(text, encoding="utf-8")
    print(text)
    draw_confidence(options.out / "confidence.png", [row for row in rows if row["seed"] == 0])
    files = [
        [samples_file(options.out, count, kind, 0) for kind in KINDS] for count in options.counts
    ]
    lines = [[np.load(file) for file in line] for line in files if all(f.exists() for f in line)]
    if lines:
        save_panels(options.out / "samples.png", lines, GRID)


def parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--train", type=Path, required=True, metavar="STORE")
    parser.add_argument("--test", type=Path, required=True, metavar="STORE", help="other writers")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--recogniser", type=Path, help="that judges; left out, one is trained")
    parser.add_argument("--reader-steps", type=int, default=6_000, help="of one that is trained")
    parser.add_argument("--nets", choices=NETS, default="light")
    parser.add_argument("--counts", default=",".join(map(str, COUNTS)), help="of characters")
    parser.add_argument("--images", default=",".join(map(str, IMAGES)), help="shown, a count each")
    parser.add_argument("--samples", type=int, default=2_000, help="to be read, of each arm")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--only", help="one of the arms, such as 100-unconditional")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", default="auto", help="of the training: bf16 or fp32")
    parser.add_argument(
        "--set", action="append", default=[], metavar="FIELD=VALUE", help="of the recipe"
    )
    parser.add_argument("--quick", action="store_true", help="60 steps: shows that it runs")
    options = parser.parse_args(arguments)
    if options.quick:
        options.counts, options.images = "2,3", "960,960"
        options.samples, options.reader_steps = GRID * GRID, 60
    options.counts = tuple(map(int, options.counts.split(",")))
    options.images = tuple(map(int, options.images.split(",")))
    if len(options.counts) != len(options.images):
        parser.error("--images must have a number for each of --counts")
    arms = [f"{count}-{kind}" for count in options.counts for kind in KINDS]
    if options.only and options.only not in arms:
        parser.error(f"no arm {options.only}; known: {', '.join(arms)}")
    options.changes = dict(change.split("=", 1) for change in options.set)
    options.settings = {
        "nets": options.nets,
        "changes": options.changes,
        "images": dict(zip(map(str, options.counts), options.images, strict=True)),
        "samples": options.samples,
        "precision": precision_of(options.precision, options.device),
        "recogniser": file_hash(options.recogniser) if options.recogniser else options.reader_steps,
        "train": Store(options.train).manifest.content_sha256,
        "test": Store(options.test).manifest.content_sha256,
    }
    begin(options.out, options.settings)
    return options


def work(options: argparse.Namespace, stopped: threading.Event) -> None:
    """Do what has no row yet.

    Raises:
        KeyboardInterrupt: `stopped` before the end.
    """
    device = pick_device(options.device)
    train, test = Store(options.train), Store(options.test)
    size = change(NETS[options.nets], options.changes).size
    most, folder = max(options.counts), options.out / "stores"
    widest = subset(train, most, size, folder / str(most))
    # Out of the widest, whose characters are all that a recogniser trained here knows.
    stores = {count: subset(widest, count, size, folder / str(count)) for count in options.counts}
    if options.recogniser:
        reader = Recogniser.load(options.recogniser, device)
    else:
        recipe = replace(LIGHT, size=size, oversample=1, steps=options.reader_steps)
        file = options.out / "reader.safetensors"
        reader = judge(file, widest, recipe, device=device, stopped=stopped)
    check_readable(reader, size, train.channels)
    for count, store in stores.items():
        if not row_file(options.out, count, "real", 0).exists():
            write_references(count, store, test, reader, options)
        for kind in KINDS:
            for seed in range(options.seeds):
                wanted = options.only in (None, f"{count}-{kind}")
                if wanted and not row_file(options.out, count, kind, seed).exists():
                    run_one(count, kind, seed, store, reader, options, stopped)


def main(arguments: Sequence[str] | None = None) -> None:
    options = parsed(arguments)
    keep_freed_memory()
    with stop_signals() as stopped:
        try:
            work(options, stopped)
        except KeyboardInterrupt:
            print("stopped; the same command goes on", file=sys.stderr)
    device = pick_device(options.device)
    hardware = describe(device, pick_precision(options.precision, device))
    report(options, options.settings | {"seeds": options.seeds, **hardware})


if __name__ == "__main__":
    main()
