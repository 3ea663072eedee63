"""Ablation of the refiner: each variant is judged by what a recogniser learns from its samples.

    python -m benchmarks.refiner_ablation --train STORE --test STORE --out OUT \
        --work WORK --variant base --images 192000
    python -m benchmarks.refiner_ablation ... --run RUN --judge-at 64000 192000

Trains refiner-32 with the variant's changes on all classes but the held-out ones (a twentieth,
spread over the charset), or on fewer classes or writers. From its snapshots it writes samples of
the held-out classes, of which it has seen no sample; a recogniser is trained on these alone, once
for each seed, and tested on the test store's real samples of these classes. The variants
"simulated" and "real" train it on the simulated characters that the refiner starts from, and on the
training store's real samples.

--unseen names other classes to judge: those that a --run of fewer classes has not seen.

Processes with different variants may share WORK and OUT. After Ctrl-C rerun the command to resume.
Writes OUT/VARIANT.json, a row for each recogniser; "seconds" is the time of training the refiner.
"""

from __future__ import annotations

import argparse
import contextlib
import shutil
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from benchmarks.options import make_parser
from benchmarks.provenance import provenance
from benchmarks.stop_signals import STOPPED, stop_signals
from benchmarks.stores import write_store
from hwgen.charset import Charset
from hwgen.errors import RunError
from hwgen.evaluation.metrics.frechet import frechet_distance
from hwgen.experiments.lift.subsets import write_subset
from hwgen.generators.adversarial.d_recogniser import FILE as RECOGNISER
from hwgen.generators.base import get_kind
from hwgen.generators.refiner.classes import classes_of
from hwgen.generators.refiner.recipe import PRESETS
from hwgen.generators.refiner.sampling import RefinerSampler
from hwgen.imaging.contact_sheets import evenly_spaced
from hwgen.imaging.framing import Framing
from hwgen.io.json_files import read_json, write_json
from hwgen.progress import Control
from hwgen.recogniser.inference import Recogniser
from hwgen.recogniser.network import LIGHT, STRONG, recipe_to_json
from hwgen.recogniser.reader import accuracy
from hwgen.recogniser.training import from_stores, train_recogniser
from hwgen.record import Image
from hwgen.runs import Run
from hwgen.runs.snapshots import find_model
from hwgen.sources.simulation.samples import SimulatedSamples
from hwgen.sources.strokes.choice import stroke_data
from hwgen.store import Store
from hwgen.store.origin import framing as framing_of

CPU = torch.device("cpu")
SEED = 7
"""Of the samples."""

JUDGE = "judge.safetensors"
"""In WORK: the recogniser of the variant "real", which says how pure all samples are."""

Numbers = npt.NDArray[np.int64]


def stages(*channels: int) -> str:
    """D's convolutions, as JSON."""
    shapes = [*[(4, 2)] * (len(channels) - 1), (3, 1)]
    parts = [
        f'{{"channels": {c}, "kernel": {kernel}, "stride": {stride}}}'
        for c, (kernel, stride) in zip(channels, shapes, strict=True)
    ]
    return f"[{', '.join(parts)}]"


PIXELS = {
    "discriminator.recogniser_steps": "0",
    "discriminator.stages": stages(48, 96, 192, 192),
    "r1_every": "4",
}
DIFFAUGMENT = {"translate": "1", "warp.scale": "0.1", "warp.shear": "0.1", "warp.rotate": "5"}


@dataclass(frozen=True)
class Variant:
    """What a refiner is trained with.

    Attributes:
        changes: to refiner-32.
        classes: number of classes, evenly spaced among those to train on; 0 for all.
        writers: number of writers, the first ones; 0 for all.
    """

    changes: Mapping[str, str] = field(default_factory=dict)
    classes: int = 0
    writers: int = 0


VARIANTS: Mapping[str, Variant] = {
    "base": Variant(),
    "widths-32-64-128": Variant({"generator.widths": "[32, 64, 128]"}),
    "widths-16-32-64": Variant({"generator.widths": "[16, 32, 64]"}),
    "pixels": Variant(PIXELS),
    "pixels-diffaugment": Variant({**PIXELS, **DIFFAUGMENT}),
    "diffaugment": Variant(DIFFAUGMENT),
    "fast": Variant({"optimizer.lr_g": "1e-3"}),
    "no-flow": Variant({"generator.flow": "0"}),
    "flow-0.15": Variant({"generator.flow": "0.15"}),
    "no-ink": Variant({"generator.ink": "false"}),
    "hands-10": Variant({"hands": "10"}),
    "hands-160": Variant({"hands": "160"}),
    "r1-0": Variant({"r1_gamma": "0"}),
    "r1-1": Variant({"r1_gamma": "1"}),
    "batch-128": Variant({"batch": "128"}),
    **{f"classes-{n}": Variant(classes=n) for n in (100, 300, 1000, 2000)},
    **{f"writers-{n}": Variant(writers=n) for n in (5, 15)},
}

QUICK = {
    "generator.widths": "[4, 4, 8]",
    "discriminator.recogniser_steps": "2",
    "discriminator.hidden": "8",
    "hands": "2",
    "batch": "4",
}
"""Further changes for a dry run of a variant with D's own recogniser."""
BASELINES = ("simulated", "real")


@dataclass(frozen=True)
class Settings:
    """What a variant's file was made with; other settings need another OUT.

    Attributes:
        variant: how the refiner is trained.
        seed: of the refiner.
        per_class: samples of each held-out class.
        steps: of each recogniser.
        classes: held-out classes.
        tested: real samples of them that the recognisers are tested on.
    """

    variant: Variant
    seed: int
    per_class: int
    steps: int
    classes: int
    tested: int


class Judge:
    """Trains recognisers on samples of the held-out classes and tests them on real ones."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options, self.store = options, Store(options.train)
        self.strokes = stroke_data(options.strokes)
        classes = classes_of(self.store, PRESETS["refiner-32"], self.strokes.characters())
        unseen = classes.held_out
        if options.unseen:
            unseen = np.sort(self.store.charset.ids(options.unseen.read_text("utf-8").split()))
        self.held_out = unseen[:: options.every_class]
        self.charset = Charset(tuple(self.store.charset[n] for n in self.held_out.tolist()))
        test = Store(options.test)
        numbers = np.flatnonzero(np.isin(test.labels, self.held_out))
        self.images = test.images(numbers)
        self.labels = np.searchsorted(self.held_out, test.labels[numbers])
        self.recipe = replace(LIGHT, size=self.store.size, steps=options.steps, augmentation=STRONG)

    def trained_on(self, variant: Variant) -> Store:
        """What the variant's refiner is trained on: no sample of the held-out classes."""
        classes = np.setdiff1d(self.store.labels, self.held_out)
        if variant.classes:
            classes = classes[evenly_spaced(len(classes), variant.classes)]
        chosen = np.isin(self.store.labels, classes)
        if variant.writers:
            names = self.store.manifest.tables["writers"]
            first = sorted(self.store.writers)[: variant.writers]
            chosen &= np.isin(self.store.columns["writer"], [names.index(one) for one in first])
        path = self.options.work / f"train-{variant.classes}-{variant.writers}.store"
        return write_subset(self.store, np.flatnonzero(chosen), path)

    def real(self) -> Store:
        """Their samples in the training store."""
        numbers = np.flatnonzero(np.isin(self.store.labels, self.held_out))
        labels = [self.store.charset[n] for n in self.store.labels[numbers].tolist()]
        path = self.options.work / "real.store"
        return write_store(path, self.store.images(numbers), labels, self.charset, kind="subset")

    def simulated(self) -> Store:
        """The images that a refiner of the training store starts from."""
        framing = framing_of(self.store.manifest.origin)
        margin = framing.get("margin")
        start = SimulatedSamples(
            self.charset,
            self.strokes.load(self.charset),
            Framing(
                self.store.size,
                stretch=framing.get("stretch") is True,
                margin=margin if isinstance(margin, int) else -1,
            ),
        )
        ids, numbers = self.wanted
        labels = [self.charset[n] for n in ids.tolist()]
        path = self.options.work / "simulated.store"
        return write_store(
            path, start.images(ids, numbers, SEED), labels, self.charset, kind="simulated"
        )

    def refined(self, run: Run, snapshot: str) -> Store:
        """Samples of a snapshot."""
        sampler = RefinerSampler.of_model(find_model(run, snapshot), "cpu", charset=self.charset)
        ids, numbers = self.wanted
        labels = [self.charset[n] for n in ids.tolist()]
        path = self.options.work / f"{run.path.name}-{snapshot}.store"
        return write_store(
            path, sampler.sample(ids, numbers, seed=SEED), labels, self.charset, kind="refined"
        )

    def write(self, name: str, images: Image) -> Store:
        """A store of the wanted samples."""
        labels = [self.charset[n] for n in self.wanted[0].tolist()]
        path = self.options.work / f"{name}.store"
        return write_store(path, images, labels, self.charset, kind="refiner ablation")

    @property
    def wanted(self) -> tuple[Numbers, Numbers]:
        """Class and index of each sample."""
        count, per_class = len(self.charset), self.options.per_class
        return np.repeat(np.arange(count), per_class), np.tile(np.arange(per_class), count)

    def row(self, samples: Store, seed: int) -> dict[str, Any]:
        """Accuracy of a recogniser trained on the samples, and what the real one says of them."""
        began = time.monotonic()
        recogniser = train_recogniser(
            from_stores([samples], self.recipe, CPU), self.recipe, seed=seed, device=CPU
        )
        assert recogniser is not None
        row = {
            "seed": seed,
            "samples": len(samples),
            "accuracy": accuracy(recogniser.read(self.images), self.labels),
            "recogniser_seconds": round(time.monotonic() - began),
        }
        if self.options.variant == "real" and seed == 0:
            recogniser.save(self.options.work / JUDGE)
        return row | self.likeness(samples)

    def likeness(self, samples: Store) -> dict[str, float]:
        """Purity and Fréchet distance by the recogniser of real samples, once there is one."""
        file = self.options.work / JUDGE
        if not file.exists():
            return {}
        judge = Recogniser.load(file, CPU)
        images = samples.all_images()
        return {
            "purity": accuracy(judge.read(images), samples.labels),
            "frechet": frechet_distance(judge.features(self.images), judge.features(images)),
        }


def train_variant(
    judge: Judge, options: argparse.Namespace, stopped: threading.Event
) -> Run | None:
    """Train the variant's refiner, or resume it; None if stopped."""
    kind, variant = get_kind("refiner"), VARIANTS[options.variant]
    lengths = {"images": str(options.images), "every": str(options.snapshot), "held_out": "0"}
    changes = {**lengths, **variant.changes, **(QUICK if options.quick else {})}
    out = options.work / "runs" / options.name

    def train(stop: Callable[[], bool]) -> Run:
        run: Run = kind.train(
            judge.trained_on(variant),
            out,
            kind.recipe("refiner-32", changes),
            seed=options.seed,
            device="cpu",
            on_collapse="ignore",  # a collapse is a result
            strokes=judge.strokes,
            control=Control(
                lambda done, total, note: print(f"{done:,.0f} of {total:,.0f} {note}", flush=True),
                stop,
            ),
        )
        return run

    if options.recogniser and not out.exists():
        with contextlib.suppress(RunError):  # it is stopped before training a recogniser of its own
            train(lambda: True)
        shutil.copy(options.recogniser / RECOGNISER, out)
    run = train(stopped.is_set)
    return None if stopped.is_set() else run


def snapshots(run: Run, wanted: Sequence[int]) -> list[str]:
    """Names of the snapshots to judge: those wanted, or the last."""
    there = {int(path.stem) for path in run.snapshots()}
    return [str(n) for n in (sorted(there & set(wanted)) or [max(there)])]


def seconds_until(run: Run, images: int) -> float:
    """Seconds of training until a snapshot, with those of D's recogniser."""
    log = [entry for entry in run.read_log() if entry["images"] <= images]
    return float(max((entry.get("seconds", 0) for entry in log), default=0))


def main(arguments: Sequence[str] | None = None) -> None:
    options = parsed(arguments)
    judge = Judge(options)
    file = options.out / f"{options.name}.json"
    settings = {
        **asdict(
            Settings(
                variant=VARIANTS.get(options.variant, Variant()),
                seed=options.seed,
                per_class=options.per_class,
                steps=options.steps,
                classes=len(judge.charset),
                tested=len(judge.labels),
            )
        ),
        "recogniser": recipe_to_json(judge.recipe),
    }
    found: dict[str, Any] = {"settings": settings, "rows": []}
    if file.exists():
        found = read_json(file)
        if found["settings"] != settings:
            options.error(f"{file} was made with other settings; choose another --out")
    found |= provenance(__file__, arguments)

    def add(samples: Store, facts: Mapping[str, Any]) -> None:
        """Train and test the recognisers that are not in the file yet."""
        done = {(row.get("images"), row["seed"]) for row in found["rows"]}
        for seed in range(options.recognisers):
            if (facts.get("images"), seed) not in done:
                row = {**facts, **judge.row(samples, seed)}
                found["rows"].append(row)
                write_json(file, found)
                print(options.name, row, flush=True)

    options.out.mkdir(parents=True, exist_ok=True)
    if options.variant in BASELINES:
        add(getattr(judge, options.variant)(), {})
        return
    run: Run | None = None
    if options.run:
        run = Run(options.run)
    else:
        with stop_signals() as stopped:
            run = train_variant(judge, options, stopped)
    if run is None:
        raise SystemExit(f"{options.name}: {STOPPED}")
    for snapshot in snapshots(run, options.judge_at):
        seconds = round(seconds_until(run, int(snapshot)))
        add(judge.refined(run, snapshot), {"images": int(snapshot), "seconds": seconds})


def parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = make_parser(__doc__)
    for name in ("train", "test", "out", "work"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--strokes", help="stroke data, see hwgen simulate")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--variant", choices=[*VARIANTS, *BASELINES])
    what.add_argument("--run", type=Path, help="a run of hwgen train, finished or not, to judge")
    parser.add_argument("--images", type=int, default=192_000, help="of the refiner's training")
    parser.add_argument("--snapshot", type=int, default=64_000, help="images between two snapshots")
    parser.add_argument("--judge-at", type=int, nargs="*", default=[], help="snapshots; the last")
    parser.add_argument("--seed", type=int, default=0, help="of the refiner")
    parser.add_argument(
        "--recogniser", type=Path, help="a run on the same samples, whose D's recogniser to use"
    )
    parser.add_argument("--steps", type=int, default=2_000, help="of each recogniser")
    parser.add_argument("--recognisers", type=int, default=1, help="per snapshot")
    parser.add_argument("--per-class", type=int, default=50, help="samples of each class")
    parser.add_argument("--unseen", type=Path, help="characters to judge, separated by spaces")
    parser.add_argument("--every-class", type=int, default=1, help="judge every n-th class")
    parser.add_argument("--quick", action="store_true", help="a dry run with tiny settings")
    options = parser.parse_args(arguments)
    if options.quick:
        options.images, options.snapshot, options.steps, options.per_class = 16, 8, 2, 4
    seed = f"-{options.seed}" if options.seed else ""
    options.name = options.run.name if options.run else options.variant + seed
    options.error = parser.error
    return options


if __name__ == "__main__":
    main()
