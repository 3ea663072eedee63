"""What does each opt-in for few samples do to a generator, at equal numbers of pictures?

In: a real store, and a recogniser trained on it, which judges only. Draws a training set of N
samples a class, or of all samples of common classes and N of each rare one, and a judged set that
no generator sees; trains glyph-32 on the training set once for each variant. Out: DIR/ablation.json
and table.txt, one row for each finished variant, and a grid of its samples. Ctrl-C or SIGTERM
stops it after the step, and the same command goes on there. With `--lift STEPS` light recognisers
learn from the training set as it is and with each variant's samples beside it, and read the judged
set.

    python benchmarks/few_shot_ablation.py STORE --recogniser FILE --out DIR --per-class 10
    python benchmarks/few_shot_ablation.py STORE --recogniser FILE --out DIR --rare 3
    python benchmarks/few_shot_ablation.py STORE --recogniser FILE --out DIR --quick
"""

from __future__ import annotations

import argparse
import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from benchmarks.light_glyph import LIGHT_GLYPH
from benchmarks.stopping import signals
from hwgen.charset import Charset
from hwgen.compute.devices import describe
from hwgen.compute.tensor_files import file_hash
from hwgen.data import average_down, to_images, to_tensor
from hwgen.evaluation.metrics.diversity import diversity
from hwgen.evaluation.metrics.frechet import frechet_distance
from hwgen.evaluation.metrics.nearest_neighbours import Points, nearest
from hwgen.experiments.lift.summary import Counts, interval
from hwgen.generators.gan.presets import Recipe, change, preset
from hwgen.generators.gan.sampling import Sampler
from hwgen.generators.gan.training import Progress, train
from hwgen.imaging.contact_sheets import evenly_spaced, save_sheet
from hwgen.imaging.pixel_deviation import pixel_deviation
from hwgen.io.json_files import write_json
from hwgen.recogniser.inference import Recogniser
from hwgen.recogniser.network import LIGHT
from hwgen.recogniser.training import from_stores, train_recogniser
from hwgen.record import Image
from hwgen.store import Store, StoreWriter, is_store

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

GROUPS = ("all", "common", "rare")
GRID_ROWS, GRID_COLUMNS = 10, 12
CPU = torch.device("cpu")

Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Draw:
    """Which records are trained on and which are judged by.

    Attributes:
        classes: class ids in the store.
        rare: whether each of them is rare; all false where every class has the same number.
        training: record numbers.
        judged: record numbers, equally many a class.
    """

    classes: Numbers
    rare: npt.NDArray[np.bool_]
    training: Numbers
    judged: Numbers


def draw(
    labels: Numbers,
    *,
    classes: int,
    per_class: int,
    rare: bool,
    common_above: int,
    judged: int,
    seed: int,
) -> Draw:
    """Choose classes evenly over the charset and their records at random.

    Args:
        labels: class of each record of the store.
        classes: how many, of common and rare ones in proportion where `rare`.
        per_class: records to train on, of each class or of each rare one.
        rare: classes of more than `common_above` records are common and give all their records.
        common_above: see `rare`.
        judged: records a class to judge by, none of which is trained on.
        seed: of the draw.
    """
    counts = np.bincount(labels)
    is_rare = (counts <= common_above) & rare
    kinds = [np.flatnonzero((counts > 0) & (is_rare == kind)) for kind in (False, True)]
    total = sum(map(len, kinds))
    shares = [round(min(classes, total) * len(kind) / total) for kind in kinds]
    picked = [
        kind[evenly_spaced(len(kind), share)] for kind, share in zip(kinds, shares, strict=True)
    ]
    chosen = np.sort(np.concatenate(picked))
    training, held = [], []
    for class_id in chosen.tolist():
        own = np.flatnonzero(labels == class_id)
        own = own[np.random.default_rng((seed, class_id)).permutation(len(own))]
        held.append(own[:judged])
        few = not rare or is_rare[class_id]
        training.append(own[judged : judged + per_class] if few else own[judged:])
    return Draw(chosen, is_rare[chosen], np.concatenate(training), np.concatenate(held))


def write_store(path: Path, images: Image, labels: Sequence[str], charset: Charset) -> Store:
    """A store of these pictures; the one that is there, if it is."""
    if is_store(path):
        return Store(path)
    count = len(images)
    with StoreWriter(path, size=images.shape[1], recipe={}, overwrite=True) as writer:
        writer.add_batch(
            images,
            labels=labels,
            writers=[""] * count,
            sources=[""] * count,
            positions=np.arange(count),
        )
        return writer.finish(charset=charset, origin={"kind": "few-shot ablation"})


def taken(store: Store, numbers: Numbers, size: int) -> Image:
    """Records of a store at `size`: uint8 [n, size, size]."""
    return to_images(average_down(to_tensor(store.images(numbers), CPU), size))


class Judge:
    """Scores samples by class.

    Args:
        recogniser: reads the samples.
        classes: its id of each class.
        rare: which classes are rare.
        training: pictures of each class that the generator saw.
        real: pictures of each class that it did not see, equally many.

    Attributes:
        groups: names of sets of classes, and their numbers.
    """

    def __init__(
        self,
        recogniser: Recogniser,
        classes: Numbers,
        rare: npt.NDArray[np.bool_],
        training: Sequence[Image],
        real: Sequence[Image],
    ) -> None:
        self._recogniser, self._classes = recogniser, classes
        self._training, self._real = training, real
        everything = np.arange(len(classes))
        groups = zip(GROUPS, (everything, np.flatnonzero(~rare), np.flatnonzero(rare)), strict=True)
        self.groups = {name: group for name, group in groups if len(group)}
        if len(self.groups) == 2:  # one of them is all
            self.groups = {"all": everything}
        self._features = [recogniser.features(images) for images in real]

    def score(self, samples: Sequence[Image]) -> dict[str, dict[str, float]]:
        """Figures for each group of classes from as many samples a class as there are real ones.

        Returns:
            purity: share read as their class, of all classes that the recogniser knows.
            diversity: deviation within classes over that of real ones.
            frechet: mean over the classes' Fréchet distance to the real ones, in the recogniser's
                features.
            copying: share of samples nearer to a training sample than to any of as many unseen real
                ones; 0.5 is none.
        """
        features = [self._recogniser.features(images) for images in samples]
        read = [self._recogniser.classify(f).argmax(axis=1) for f in features]
        right = [float((r == c).mean()) for r, c in zip(read, self._classes, strict=True)]
        distances = [frechet_distance(a, b) for a, b in zip(features, self._features, strict=True)]
        seen_and_not = zip(samples, self._training, self._real, strict=True)
        copied = [nearer_to_first(*map(_points, images)) for images in seen_and_not]
        figures = {}
        for name, group in self.groups.items():
            spread = diversity(
                {str(n): pixel_deviation(samples[n]) for n in group.tolist()},
                {str(n): pixel_deviation(self._real[n]) for n in group.tolist()},
            )
            assert spread is not None
            figures[name] = {
                "purity": float(np.mean([right[n] for n in group])),
                "diversity": spread.ratio,
                "frechet": float(np.mean([distances[n] for n in group])),
                "copying": float(np.mean([copied[n] for n in group])),
            }
        return figures


def nearer_to_first(samples: Points, first: Points, second: Points) -> float:
    """Share of the samples that are nearer to the first set than to the second, ties being half.

    As many of each are looked at, evenly spread, since the nearest of many is nearer.
    """
    count = min(len(first), len(second))
    to_first, to_second = (
        nearest(samples, points[evenly_spaced(len(points), count)])[0] for points in (first, second)
    )
    return float(((to_first < to_second) + 0.5 * (to_first == to_second)).mean())


def _points(images: Image) -> Points:
    return images.reshape(len(images), -1).astype(np.float32)


def by_class(images: Image, labels: Numbers, classes: int) -> list[Image]:
    """Pictures of each class in turn."""
    return [images[labels == n] for n in range(classes)]


def read_right(
    training: Store,
    synthetic: Store | None,
    judged: Image,
    labels: Numbers,
    *,
    steps: int,
    seeds: int,
) -> Counts:
    """How many judged pictures light recognisers read that learnt from the training set.

    Augmentation is classical, and every class is drawn equally often; samples take half of each
    batch, where there are any.

    Returns:
        float64 [seeds, classes].
    """
    recipe = replace(LIGHT, steps=steps, balanced=True)
    data = from_stores([training], recipe, CPU)
    made = None if synthetic is None else from_stores([synthetic], recipe, CPU)
    found = []
    for seed in range(seeds):
        trained = train_recogniser(data, recipe, synthetic=made, seed=seed, device=CPU)
        assert trained is not None  # nothing stops it
        right = trained.read(judged).argmax(axis=1) == labels
        found.append(np.bincount(labels[right], minlength=len(training.charset)))
    return np.stack(found).astype(np.float64)


def lift(more: Counts, less: Counts, each: int) -> dict[str, Any]:
    """How much more is read, as a share, with limits over classes and the recognisers' seeds.

    Args:
        more: float64 [seeds, classes], pictures read right.
        less: the same of the baseline.
        each: pictures a class.
    """
    found = interval(more - less, np.full_like(less, each))
    return {**asdict(found), "runs": ((more - less).mean(axis=1) / each).tolist()}


def table(result: Mapping[str, Any]) -> str:
    """The rows as text, one a variant and group."""
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
    store: Store,
    judge: Judge,
    *,
    out: Path,
    rows: Numbers,
    samples: int,
    seed: int,
    stopped: threading.Event,
) -> dict[str, Any] | None:
    """Train a variant, judge it half-way and at the end, and draw its grid; None if stopped."""

    def report(progress: Progress) -> None:
        rate = progress.measured["images_per_second"]
        print(f"{name}: {progress.images} of {progress.total}, {rate:.0f}/s", flush=True)

    run = train(
        store,
        out / "runs" / name,
        recipe,
        seed=seed,
        device="cpu",
        on_collapse="ignore",  # a collapse is a result
        progress=report,
        stop=stopped.is_set,
    )
    if stopped.is_set():
        return None
    found: dict[str, Any] = {}
    classes = np.arange(len(store.charset))
    ids, numbers = np.repeat(classes, samples), np.tile(np.arange(samples), len(classes))
    snapshots = run.snapshots()
    for when, path in (("half", snapshots[0]), ("end", snapshots[-1])):
        sampler = Sampler.load(run, str(int(path.stem)), device="cpu")
        images = sampler.sample(ids, numbers, seed=seed)
        found[when] = judge.score(by_class(images, ids, len(classes)))
    shown = np.isin(ids, rows) & (numbers < GRID_COLUMNS)
    save_sheet(out / f"{name}.png", images[shown], min(GRID_COLUMNS, samples))
    seconds = [entry["seconds"] for entry in run.read_log() if "seconds" in entry]
    labels = [store.charset[n] for n in ids.tolist()]
    write_store(out / "synthetic" / name, images, labels, store.charset)
    return {"recipe": run.recipe, "seconds": seconds[-1], **found}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("store", type=Path)
    parser.add_argument("--recogniser", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument("--per-class", type=int, default=10, help="samples of every class")
    kind.add_argument("--rare", type=int, help="samples of the rare classes, common ones have all")
    parser.add_argument("--common-above", type=int, default=300, help="records of a common class")
    parser.add_argument("--classes", type=int, default=100_000, help="at most so many")
    parser.add_argument("--images", type=int, default=448_000, help="shown to each variant")
    parser.add_argument("--judged", type=int, default=50, help="unseen samples a class to judge by")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default=",".join(VARIANTS), help="variants, by commas")
    parser.add_argument("--lift", type=int, metavar="STEPS", help="of each recogniser")
    parser.add_argument("--lift-seeds", type=int, default=3, help="recognisers a variant")
    parser.add_argument("--small", action="store_true", help="half the width, batches of 16")
    parser.add_argument("--quick", action="store_true", help="a toy that shows that it runs")
    options = parser.parse_args(arguments)
    if options.quick:
        options.classes, options.images, options.judged, options.small = 3, 64, 4, True
    wanted = options.only.split(",")
    unknown = [name for name in wanted if name not in VARIANTS]
    if unknown:
        parser.error(f"no variant {', '.join(unknown)}; known: {', '.join(VARIANTS)}")
    store, recogniser = Store(options.store), Recogniser.load(options.recogniser, CPU)
    few = options.rare or options.per_class
    drawn = draw(
        store.labels,
        classes=options.classes,
        per_class=few,
        rare=options.rare is not None,
        common_above=options.common_above,
        judged=options.judged,
        seed=options.seed,
    )
    shared = {"images": str(options.images), "every": str(options.images // 2)}
    base = change(preset("glyph-32"), {**shared, **(LIGHT_GLYPH if options.small else {})})
    settings = {
        "store": store.manifest.content_sha256,
        "recogniser": file_hash(options.recogniser),
        "setting": f"{'rare' if options.rare else 'every'} class of {few}",
        "classes": len(drawn.classes),
        "rare classes": int(drawn.rare.sum()),
        "training samples": len(drawn.training),
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
            parser.error(f"{options.out} was begun with other settings; give another --out")
    of_lift = {"steps": options.lift, "seeds": options.lift_seeds}
    begun = result.get("real alone", of_lift)
    if options.lift and {key: begun[key] for key in of_lift} != of_lift:
        parser.error(f"{options.out} has lifts of other steps or seeds; give another --out")
    options.out.mkdir(parents=True, exist_ok=True)
    write_json(file, result)  # before anything that depends on the settings

    charset = Charset(tuple(store.charset[n] for n in drawn.classes.tolist()))
    labels = [store.charset[n] for n in store.labels[drawn.training].tolist()]
    images = {
        part: taken(store, numbers, base.size)
        for part, numbers in (("training", drawn.training), ("judged", drawn.judged))
    }
    training = write_store(options.out / "training", images["training"], labels, charset)
    truth = np.searchsorted(drawn.classes, store.labels[drawn.judged])
    judge = Judge(
        recogniser,
        np.array(recogniser.charset.ids(list(charset.labels))),
        drawn.rare,
        by_class(images["training"], training.labels, len(charset)),
        by_class(images["judged"], truth, len(charset)),
    )
    # Half of a grid's rows are rare where there are rare ones.
    kinds = [np.flatnonzero(drawn.rare == kind) for kind in (True, False)]
    some = [kind[evenly_spaced(len(kind), GRID_ROWS // 2)] for kind in kinds if len(kind)]
    if len(some) == 1:
        some = [evenly_spaced(len(charset), GRID_ROWS)]
    scans = None
    if options.lift:
        # At the store's own size: recognisers distort before they average down.
        own = taken(store, drawn.training, store.size)
        scans = write_store(options.out / "training-full-size", own, labels, charset)
        if "real alone" not in result:
            right = read_right(scans, None, images["judged"], truth, **of_lift)
            result["real alone"] = {**of_lift, "right": right.tolist()}
        alone = np.array(result["real alone"]["right"])
    for name in wanted:
        row = result["rows"].get(name)
        if row is None:
            with signals() as stopped:
                row = run_variant(
                    name,
                    change(base, VARIANTS[name]),
                    training,
                    judge,
                    out=options.out,
                    rows=np.concatenate(some),
                    samples=options.judged,
                    seed=options.seed,
                    stopped=stopped,
                )
        if row is None:
            raise SystemExit(f"stopped in {name}; the same command goes on")
        if scans is not None and "lift" not in row:
            made = Store(options.out / "synthetic" / name)
            right = read_right(scans, made, images["judged"], truth, **of_lift)
            row["lift"] = {
                group: lift(right[:, classes], alone[:, classes], options.judged)
                for group, classes in judge.groups.items()
            }
        result["rows"][name] = row
        write_json(file, result)
        (options.out / "table.txt").write_text(table(result), encoding="utf-8")
    print(table(result), end="")


if __name__ == "__main__":
    main()
