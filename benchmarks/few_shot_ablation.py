"""Ablation of the GAN's options for few samples, each trained on equally many images.

    python -m benchmarks.few_shot_ablation STORE --recogniser FILE --out DIR --per-class 10
    python -m benchmarks.few_shot_ablation STORE --recogniser FILE --out DIR --rare 3
    python -m benchmarks.few_shot_ablation STORE --recogniser FILE --out DIR --quick

Splits a real store into a training set of N samples per class (or all samples of common classes and
N of each rare one) and an evaluation set that no generator sees; trains glyph-32 once per variant.
FILE is a recogniser trained on STORE, which scores the samples. With `--lift STEPS` light
recognisers are trained on the training set alone and with each variant's samples, and tested on the
evaluation set. Writes DIR/ablation.json and table.txt with one row per finished variant, and a grid
of its samples. After Ctrl-C or SIGTERM rerun the command to resume.
"""

from __future__ import annotations

import argparse
import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.few_shot_scores import Judge, by_class, count_right, lift
from benchmarks.few_shot_split import Numbers, Split, split_records
from benchmarks.light_glyph import LIGHT_GLYPH
from benchmarks.options import make_parser, split_names
from benchmarks.provenance import provenance
from benchmarks.stop_signals import STOPPED, stop_signals
from benchmarks.stores import images_at, write_store
from hwgen.charset import Charset
from hwgen.compute.devices import describe
from hwgen.compute.tensor_files import file_hash
from hwgen.generators.gan.presets import Recipe, change, preset
from hwgen.generators.gan.sampling import Sampler
from hwgen.generators.gan.training import train
from hwgen.imaging.contact_sheets import evenly_spaced, save_sheet
from hwgen.io.json_files import write_json
from hwgen.progress import Control
from hwgen.recogniser.inference import Recogniser
from hwgen.record import Image
from hwgen.store import Store

WARP = {"translate": "1", "warp.scale": "0.1", "warp.shear": "0.1", "warp.rotate": "5"}
TRANSITION = {"transition": "[0.05, 0.3]"}
PULL = {"label_pull": "2"}
R1 = {"r1_gamma": "1"}
VARIANTS: dict[str, dict[str, str]] = {
    "plain": {},
    "balanced": {"balanced": "true"},
    "warp": WARP,
    "balanced-warp": {"balanced": "true", **WARP},
    "transition": TRANSITION,
    "label-pull": PULL,
    "r1": R1,
    "all": {"balanced": "true", **WARP, **TRANSITION, **PULL, **R1},
}
"""Changes to glyph-32."""

GRID_ROWS, GRID_COLUMNS = 10, 12
CPU = torch.device("cpu")
KIND = "few-shot ablation"


@dataclass(frozen=True)
class Data:
    """Data common to all variants.

    Attributes:
        training: store of the training samples at the generator's size.
        full_size: the same at the source's size, since recognisers distort before they average
            down; None without --lift.
        judged: evaluation images, uint8 [n, size, size].
        labels: classes of `judged`, int64 [n].
        judge: scores samples.
        grid_rows: classes shown in the grids.
    """

    training: Store
    full_size: Store | None
    judged: Image
    labels: Numbers
    judge: Judge
    grid_rows: Numbers


def table(result: Mapping[str, Any]) -> str:
    """The rows as text, one per variant and group of classes."""
    head = f"{'variant':14} {'classes':8} {'purity':>7} {'half-way':>8} {'diversity':>9}"
    lines = [f"{head} {'Fréchet':>8} {'copying':>8} {'lift, points':>21} {'seconds':>8}"]
    for name, row in result["rows"].items():
        for group, end in row["end"].items():
            gain = f"{'-':>21}"
            if "lift" in row:
                points = [100 * row["lift"][group][key] for key in ("mean", "low", "high")]
                gain = "{:+5.1f} ({:+5.1f} to {:+5.1f})".format(*points)
            lines.append(
                f"{name:14} {group:8} {end['purity']:7.3f} {row['half'][group]['purity']:8.3f} "
                f"{end['diversity']:9.3f} {end['frechet']:8.2f} {end['copying']:8.3f} {gain} "
                f"{row['seconds']:8.0f}"
            )
    return "\n".join(lines) + "\n"


def run_variant(
    name: str,
    recipe: Recipe,
    data: Data,
    *,
    out: Path,
    samples: int,
    seed: int,
    stopped: threading.Event,
) -> dict[str, Any] | None:
    """Train a variant, score it half-way and at the end, and save its grid; None if stopped."""

    def report(done: float, total: float, note: str) -> None:
        print(f"{name}: {done:.0f} of {total:.0f}, {note}", flush=True)

    store = data.training
    run = train(
        store,
        out / "runs" / name,
        recipe,
        seed=seed,
        device="cpu",
        on_collapse="ignore",  # a collapse is a result
        control=Control(report, stopped.is_set),
    )
    if stopped.is_set():
        return None
    scores: dict[str, Any] = {}
    classes = np.arange(len(store.charset))
    ids, numbers = np.repeat(classes, samples), np.tile(np.arange(samples), len(classes))
    snapshots = run.snapshots()
    for when, path in (("half", snapshots[0]), ("end", snapshots[-1])):
        sampler = Sampler.load(run, str(int(path.stem)), device="cpu")
        images = sampler.sample(ids, numbers, seed=seed)
        scores[when] = data.judge.score(by_class(images, ids, len(classes)))
    shown = np.isin(ids, data.grid_rows) & (numbers < GRID_COLUMNS)
    save_sheet(out / f"{name}.png", images[shown], min(GRID_COLUMNS, samples))
    seconds = [entry["seconds"] for entry in run.read_log() if "seconds" in entry]
    labels = [store.charset[n] for n in ids.tolist()]
    write_store(out / "synthetic" / name, images, labels, store.charset, kind=KIND)
    return {"recipe": run.recipe, "seconds": seconds[-1], **scores}


def parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = make_parser(__doc__)
    parser.add_argument("store", type=Path)
    parser.add_argument("--recogniser", type=Path, required=True, help="scores the samples")
    parser.add_argument("--out", type=Path, required=True)
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument("--per-class", type=int, default=10, help="training samples of each class")
    kind.add_argument("--rare", type=int, help="training samples of each rare class")
    parser.add_argument(
        "--common-above",
        type=int,
        default=300,
        help="records of a common class",
    )
    parser.add_argument("--classes", type=int, default=100_000, help="largest number of classes")
    parser.add_argument("--images", type=int, default=448_000, help="training images per variant")
    parser.add_argument("--judged", type=int, default=50, help="evaluation samples per class")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default=",".join(VARIANTS), help="variants, comma-separated")
    parser.add_argument("--lift", type=int, metavar="STEPS", help="steps of each recogniser")
    parser.add_argument("--lift-seeds", type=int, default=3, help="recognisers per variant")
    parser.add_argument("--small", action="store_true", help="half the width, batches of 16")
    parser.add_argument("--quick", action="store_true", help="a dry run with tiny settings")
    options = parser.parse_args(arguments)
    if options.quick:
        options.classes, options.images, options.judged, options.small = 3, 64, 4, True
    options.variants = split_names(parser, options.only, "variant", VARIANTS)
    options.few = options.rare or options.per_class
    options.of_lift = {"steps": options.lift, "seeds": options.lift_seeds}
    options.error = parser.error
    return options


def begin(options: argparse.Namespace, store: Store, split: Split) -> dict[str, Any]:
    """The result so far, or a new one, written before anything that depends on the settings."""
    settings = {
        "store": store.manifest.content_sha256,
        "recogniser": file_hash(options.recogniser),
        "setting": f"{'rare' if options.rare else 'every'} class of {options.few}",
        "classes": len(split.classes),
        "rare classes": int(split.rare.sum()),
        "training samples": len(split.training),
        "judged samples a class": options.judged,
        "images": options.images,
        "small": options.small,
        "seed": options.seed,
        **describe(CPU, torch.float32),
    }
    file = options.out / "ablation.json"
    result: dict[str, Any] = {"settings": settings, "rows": {}}
    if file.exists():
        result = json.loads(file.read_text(encoding="utf-8"))
        if result["settings"] != settings:
            options.error(f"{options.out} was started with other settings; choose another --out")
    begun = result.get("real alone", options.of_lift)
    if options.lift and {key: begun[key] for key in options.of_lift} != options.of_lift:
        options.error(f"{options.out} has lifts of other steps or seeds; choose another --out")
    options.out.mkdir(parents=True, exist_ok=True)
    write_json(file, result)
    return result


def make_data(
    options: argparse.Namespace, store: Store, split: Split, recogniser: Recogniser, size: int
) -> Data:
    """Stores of the split, and the judge."""
    charset = Charset(tuple(store.charset[n] for n in split.classes.tolist()))
    labels = [store.charset[n] for n in store.labels[split.training].tolist()]
    images = {
        part: images_at(store, records, size)
        for part, records in (("training", split.training), ("judged", split.judged))
    }
    training = write_store(options.out / "training", images["training"], labels, charset, kind=KIND)
    truth = np.searchsorted(split.classes, store.labels[split.judged])
    judge = Judge(
        recogniser,
        np.array(recogniser.charset.ids(list(charset.labels))),
        split.rare,
        by_class(images["training"], training.labels, len(charset)),
        by_class(images["judged"], truth, len(charset)),
    )
    # Half of a grid's rows are rare classes where there are any.
    kinds = [np.flatnonzero(split.rare == kind) for kind in (True, False)]
    rows = [kind[evenly_spaced(len(kind), GRID_ROWS // 2)] for kind in kinds if len(kind)]
    if len(rows) == 1:
        rows = [evenly_spaced(len(charset), GRID_ROWS)]
    full_size = None
    if options.lift:
        own = images_at(store, split.training, store.size)
        path = options.out / "training-full-size"
        full_size = write_store(path, own, labels, charset, kind=KIND)
    return Data(training, full_size, images["judged"], truth, judge, np.concatenate(rows))


def main(arguments: Sequence[str] | None = None) -> None:
    options = parsed(arguments)
    store, recogniser = Store(options.store), Recogniser.load(options.recogniser, CPU)
    split = split_records(
        store.labels,
        classes=options.classes,
        per_class=options.few,
        rare=options.rare is not None,
        common_above=options.common_above,
        judged=options.judged,
        seed=options.seed,
    )
    shared = {"images": str(options.images), "every": str(options.images // 2)}
    base = change(preset("glyph-32"), {**shared, **(LIGHT_GLYPH if options.small else {})})
    result = begin(options, store, split)
    result |= provenance(__file__, arguments)
    data = make_data(options, store, split, recogniser, base.size)
    if data.full_size is not None and "real alone" not in result:
        right = count_right(data.full_size, None, data.judged, data.labels, **options.of_lift)
        result["real alone"] = {**options.of_lift, "right": right.tolist()}
    for name in options.variants:
        row = result["rows"].get(name)
        if row is None:
            with stop_signals() as stopped:
                row = run_variant(
                    name,
                    change(base, VARIANTS[name]),
                    data,
                    out=options.out,
                    samples=options.judged,
                    seed=options.seed,
                    stopped=stopped,
                )
        if row is None:
            raise SystemExit(f"{name}: {STOPPED}")
        if data.full_size is not None and "lift" not in row:
            made = Store(options.out / "synthetic" / name)
            right = count_right(data.full_size, made, data.judged, data.labels, **options.of_lift)
            alone = np.array(result["real alone"]["right"])
            row["lift"] = {
                group: lift(right[:, classes], alone[:, classes], options.judged)
                for group, classes in data.judge.groups.items()
            }
        result["rows"][name] = row
        write_json(options.out / "ablation.json", result)
        (options.out / "table.txt").write_text(table(result), encoding="utf-8")
    print(table(result), end="")


if __name__ == "__main__":
    main()
