"""Characters with and without labels: legibility of samples for 10, 100 and 1,000 classes.

    python -m benchmarks.paper.unconditional --train STORE --test STORE --out DIR
    python -m benchmarks.paper.unconditional --train STORE --test STORE --out DIR --quick
    python -m benchmarks.paper.unconditional --train STORE --test STORE --out DIR --device cuda
        --nets paper-hwdb --images 6400000,6400000,64000000

For each number of classes, trains the same networks with and without labels on the same images for
the same number of steps. A recogniser of real images reads the samples; its confidence measures
legibility, beside that on real test images and on pairs of these overlaid, which are not
characters. Writes DIR/rows with a JSON file per training; unconditional.json and tables.md;
confidence.png and samples.png of the first seed. After Ctrl-C or SIGTERM rerun the command to
resume.
"""

from __future__ import annotations

import argparse
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.light_glyph import LIGHT_GLYPH
from benchmarks.options import make_parser
from benchmarks.paper.gan_runs import train_until, trained_judge, training_seconds
from benchmarks.paper.panels import save_panels
from benchmarks.paper.results import (
    add_changes,
    begin,
    changes_of,
    read_rows,
    write_result,
)
from benchmarks.paper.unconditional_figures import plot_confidence
from benchmarks.paper.unconditional_measures import (
    legibility,
    overlaid,
    random_records,
    subset,
    table,
)
from benchmarks.provenance import precision_name
from benchmarks.stop_signals import STOPPED, stop_signals
from hwgen.compute.devices import keep_freed_memory, pick_device
from hwgen.compute.tensor_files import file_hash
from hwgen.generators.gan.presets import Recipe, change, preset
from hwgen.generators.gan.sampling import Sampler
from hwgen.imaging.contact_sheets import evenly_spaced
from hwgen.io.json_files import write_json
from hwgen.recogniser.class_mapping import map_classes
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
"""`light` is glyph-32 with half the width and smaller batches: minutes on one core."""

COUNTS = (10, 100, 1_000)
IMAGES = (64_000, 96_000, 192_000)
"""Training images of either arm, for each of COUNTS."""

GRID = 8
"""Rows and columns of a panel."""

Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Arm:
    """A training: number of characters, one of KINDS or REFERENCES, and seed."""

    count: int
    kind: str
    seed: int

    def __str__(self) -> str:
        return f"{self.count}-{self.kind}-{self.seed}"


def recipe_of(nets: str, kind: str, images: int, changes: Mapping[str, str]) -> Recipe:
    base = change(NETS[nets], changes)
    return replace(base, conditional=kind == "conditional", images=images, every=images)


def row_file(out: Path, arm: Arm) -> Path:
    return out / "rows" / f"{arm}.json"


def samples_file(out: Path, arm: Arm) -> Path:
    return out / "samples" / f"{arm}.npy"


def sample_evenly(
    sampler: Sampler, classes: int, samples: int, seed: int
) -> tuple[Image, Numbers | None]:
    """Samples and their labels, spread evenly over the classes; None without labels."""
    if not sampler.recipe.conditional:
        return sampler.sample(np.zeros(samples, np.int64), np.arange(samples), seed=seed), None
    labels = np.arange(samples) * classes // samples
    starts = np.searchsorted(labels, labels)
    return sampler.sample(labels, np.arange(samples) - starts, seed=seed), labels


def panel(images: Image, labels: Numbers | None) -> Image:
    """GRID x GRID images; with labels one class per row, repeated if there are too few."""
    rows = np.arange(GRID * GRID)
    if labels is not None:
        first = np.flatnonzero(np.diff(labels, prepend=-1))[evenly_spaced(labels[-1] + 1, GRID)]
        rows = np.resize(first[:, None] + np.arange(GRID), GRID * GRID)
    return images[rows % len(images)]


def run_one(
    arm: Arm,
    store: Store,
    recogniser: Recogniser,
    options: argparse.Namespace,
    stopped: threading.Event,
) -> None:
    """Train one arm and write its row and panel.

    Raises:
        KeyboardInterrupt: `stopped` was set before the end.
    """
    images = options.images[options.counts.index(arm.count)]
    recipe = recipe_of(options.nets, arm.kind, images, options.changes)
    folder = options.out / "runs" / str(arm)
    run = train_until(
        recipe.steps,
        store,
        folder,
        recipe,
        seed=arm.seed,
        device=options.device,
        precision=options.settings["precision"],
        stopped=stopped,
    )
    sampler = Sampler.load(run, "last", options.device)
    samples, labels = sample_evenly(sampler, len(store.charset), options.samples, arm.seed)
    np.save(samples_file(options.out, arm), panel(samples, labels))
    row = {
        **asdict(arm),
        "steps": recipe.steps,
        "seconds": training_seconds(run),
        **legibility(recogniser.read(samples), map_classes(recogniser, store.charset), labels),
    }
    write_json(row_file(options.out, arm), row)


def write_references(
    count: int, store: Store, test: Store, recogniser: Recogniser, options: argparse.Namespace
) -> None:
    """Write the rows of real images of the same classes, and of overlaid ones."""
    images, labels = random_records(test, store.charset, options.samples, seed=0)
    places = map_classes(recogniser, store.charset)
    for kind, read, known in (
        ("real", images, labels),
        ("overlaid", overlaid(images, labels, seed=0), None),
    ):
        arm = Arm(count, kind, 0)
        row = asdict(arm) | legibility(recogniser.read(read), places, known)
        write_json(row_file(options.out, arm), row)


def report(
    options: argparse.Namespace, settings: Mapping[str, Any], arguments: Sequence[str] | None
) -> None:
    """Write unconditional.json, tables.md and the figures from the rows that exist."""
    rows = read_rows(
        row_file(options.out, Arm(count, kind, seed))
        for count in options.counts
        for kind in (*KINDS, *REFERENCES)
        for seed in range(options.seeds)
    )
    if not rows:
        return
    write_result(
        options.out / "unconditional.json",
        {"settings": settings, "rows": rows},
        table(rows),
        script=__file__,
        arguments=arguments,
        device=pick_device(options.device),
        precision=options.settings["precision"],
    )
    plot_confidence(options.out / "confidence.png", [row for row in rows if row["seed"] == 0])
    files = [
        [samples_file(options.out, Arm(count, kind, 0)) for kind in KINDS]
        for count in options.counts
    ]
    lines = [[np.load(file) for file in line] for line in files if all(f.exists() for f in line)]
    if lines:
        save_panels(options.out / "samples.png", lines, GRID)


def parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = make_parser(__doc__)
    parser.add_argument("--train", type=Path, required=True, metavar="STORE")
    parser.add_argument("--test", type=Path, required=True, metavar="STORE", help="other writers")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--recogniser", type=Path, help="judge; without it one is trained")
    parser.add_argument("--recogniser-steps", type=int, default=6_000)
    parser.add_argument("--nets", choices=NETS, default="light")
    parser.add_argument(
        "--counts",
        default=",".join(map(str, COUNTS)),
        help="numbers of characters, comma-separated",
    )
    parser.add_argument(
        "--images",
        default=",".join(map(str, IMAGES)),
        help="training images, one number for each of --counts",
    )
    parser.add_argument(
        "--samples", type=int, default=2_000, help="samples of each arm for the recogniser"
    )
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--only", help="one arm, such as 100-unconditional")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", default="auto", help="bf16 or fp32, of the training")
    add_changes(parser)
    parser.add_argument("--quick", action="store_true", help="a dry run of 60 steps")
    options = parser.parse_args(arguments)
    if options.quick:
        options.counts, options.images = "2,3", "960,960"
        options.samples, options.recogniser_steps = GRID * GRID, 60
    options.counts = tuple(map(int, options.counts.split(",")))
    options.images = tuple(map(int, options.images.split(",")))
    if len(options.counts) != len(options.images):
        parser.error("--images needs one number for each of --counts")
    arms = [f"{count}-{kind}" for count in options.counts for kind in KINDS]
    if options.only and options.only not in arms:
        parser.error(f"unknown arm {options.only}; choose from {', '.join(arms)}")
    options.changes = changes_of(options)
    options.settings = {
        "nets": options.nets,
        "changes": options.changes,
        "images": dict(zip(map(str, options.counts), options.images, strict=True)),
        "samples": options.samples,
        "precision": precision_name(options.precision, pick_device(options.device)),
        "recogniser": file_hash(options.recogniser)
        if options.recogniser
        else options.recogniser_steps,
        "train": Store(options.train).manifest.content_sha256,
        "test": Store(options.test).manifest.content_sha256,
    }
    begin(options.out, options.settings)
    return options


def work(options: argparse.Namespace, stopped: threading.Event) -> None:
    """Train and score all arms without a row.

    Raises:
        KeyboardInterrupt: `stopped` was set before the end.
    """
    device = pick_device(options.device)
    train, test = Store(options.train), Store(options.test)
    size = change(NETS[options.nets], options.changes).size
    most, folder = max(options.counts), options.out / "stores"
    widest = subset(train, most, size, folder / str(most))
    # Subsets of the widest, whose characters are all that a recogniser trained here knows.
    stores = {count: subset(widest, count, size, folder / str(count)) for count in options.counts}
    if options.recogniser:
        recogniser = Recogniser.load(options.recogniser, device)
    else:
        recipe = replace(LIGHT, size=size, oversample=1, steps=options.recogniser_steps)
        file = options.out / "recogniser.safetensors"
        recogniser = trained_judge(file, widest, recipe, device=device, stopped=stopped)
    recogniser.check(size, train.channels)
    for count, store in stores.items():
        if not row_file(options.out, Arm(count, "real", 0)).exists():
            write_references(count, store, test, recogniser, options)
        for kind in KINDS:
            for seed in range(options.seeds):
                arm, selected = Arm(count, kind, seed), options.only in (None, f"{count}-{kind}")
                if selected and not row_file(options.out, arm).exists():
                    run_one(arm, store, recogniser, options, stopped)


def main(arguments: Sequence[str] | None = None) -> None:
    options = parsed(arguments)
    keep_freed_memory()
    with stop_signals() as stopped:
        try:
            work(options, stopped)
        except KeyboardInterrupt:
            print(STOPPED, file=sys.stderr)
    report(options, options.settings | {"seeds": options.seeds}, arguments)


if __name__ == "__main__":
    main()
