"""CIFAR-10: the inception score of LSGAN and of DCGAN, over samples of several models.

In: runs of `hwgen train --preset cifar10`, several of each loss with other seeds, and the weights
of torch-fidelity's Inception network, which are not downloaded. Out: DIR/rows, a JSON file a run;
score.json and tables.md: for each loss the mean over its models with an interval. Ctrl-C loses the
run in progress at most; the same command does the rest.

    pip install 'hwgen[score]'
    python -m benchmarks.paper.cifar_score --run RUN ... --weights FILE --out DIR
    python -m benchmarks.paper.cifar_score --run RUN ... --weights FILE --out DIR --quick
"""

from __future__ import annotations

import argparse
import json
import pickle
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.paper.settings import begin
from hwgen.compute.devices import describe, keep_freed_memory, pick_device
from hwgen.compute.tensor_files import file_hash
from hwgen.data import to_tensor
from hwgen.errors import HwgenError, InputError
from hwgen.evaluation.metrics.intervals import t_interval
from hwgen.generators.gan.presets import Loss, recipe_from_json
from hwgen.generators.gan.sampling import Sampler
from hwgen.io.json_files import write_json
from hwgen.record import Image
from hwgen.runs import Run
from hwgen.store import Store

EXTRACTOR = "inception-v3-compat"
"""torch-fidelity's port of the network that Salimans et al. 2016 took, its TensorFlow resizing and
its 1,008 outputs without bias included."""

OFFICIAL = "6726825d"
"""The first digits of the SHA-256 of weights-inception-2015-12-05-6726825d.pth."""


class Pictures(torch.utils.data.Dataset[Tensor]):
    """What torch-fidelity reads: uint8 [3, S, S] each."""

    def __init__(self, images: Image) -> None:
        self._images = to_tensor(images, torch.device("cpu"))

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: int) -> Tensor:
        return self._images[index]


def inception_score(
    images: Image, weights: Path, *, splits: int, device: torch.device, batch: int = 64
) -> tuple[float, float]:
    """Score exp(E KL(p(y|x) || p(y))) (Salimans et al. 2016, section 4), by torch-fidelity.

    Args:
        images: uint8 [N, S, S, 3].
        weights: of EXTRACTOR; read by torch-fidelity as a pickle, so give it what `trusted` made.
        splits: parts whose scores are averaged; 10 in the literature. Shuffled by a fixed seed.
        device: of the network.
        batch: pictures at a time.

    Returns:
        Mean over the splits, and their standard deviation (over n, as everywhere with this score).

    Raises:
        InputError: torch-fidelity is not installed, or the weights are those of another network.
    """
    try:
        from torch_fidelity import calculate_metrics
    except ImportError:
        raise InputError(
            "the inception score needs torch-fidelity",
            remedy="Install it: pip install 'hwgen[score]'",
        ) from None
    try:
        found = calculate_metrics(
            input1=Pictures(images),
            isc=True,
            isc_splits=splits,
            feature_extractor=EXTRACTOR,
            feature_extractor_weights_path=str(weights),
            cuda=device.type == "cuda",
            batch_size=batch,
            save_cpu_ram=True,  # reads in this process
            cache=False,  # which it would unpickle from the home folder
        )
    except RuntimeError as error:
        if "state_dict" not in str(error):
            raise
        raise InputError(f"the weights do not fit {EXTRACTOR}", where=str(weights)) from error
    return found["inception_score_mean"], found["inception_score_std"]


@contextmanager
def trusted(path: Path) -> Iterator[Path]:
    """A copy of a stranger's weights that holds tensors and nothing else.

    torch-fidelity unpickles its weights without restriction (torch.load with weights_only=False),
    so that a file could run any code. Here it is read with weights_only=True, which refuses all
    but tensors and plain containers, and what was read is written anew.

    Raises:
        InputError: there is no such file, or it is no dictionary of tensors.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, ValueError, EOFError, pickle.UnpicklingError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(
            f"are no weights that can be read safely ({reason})",
            where=str(path),
            remedy="Give the .pth file that torch-fidelity's documentation names",
        ) from None
    if not isinstance(state, dict) or not all(isinstance(v, Tensor) for v in state.values()):
        raise InputError("holds something else than named tensors", where=str(path))
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "weights.pth"
        torch.save(dict(state), copy)
        yield copy


def samples(sampler: Sampler, count: int, seed: int) -> Image:
    """Samples of all classes in turn: sample i is of class i modulo their number.

    Raises:
        InputError: the run draws grey pictures.
    """
    if sampler.channels != 3:
        raise InputError(f"{sampler.provenance} draws grey pictures, the score is one of colour")
    classes = len(sampler.charset)
    numbers = np.arange(count)
    return sampler.sample(numbers % classes, numbers // classes, seed=seed)


def name_of(loss: Loss) -> str:
    """Of a table's row."""
    if loss.kind == "gan":
        return "regular GAN"
    return f"LSGAN ({loss.a:g}, {loss.b:g}, {loss.c:g})"


def row_of(run: Run, weights: Path, out: Path, options: argparse.Namespace) -> None:
    """Score the last snapshot of a run; nothing where that was done."""
    recipe = recipe_from_json(run.recipe)
    sampler = Sampler.load(run, device=options.device)
    file = out / "rows" / f"{sampler.provenance.replace(' ', '-')}.json"
    if file.exists():
        return
    began = time.perf_counter()
    images = samples(sampler, options.images, options.seed)
    mean, sd = inception_score(
        images, weights, splits=options.splits, device=pick_device(options.device)
    )
    row = {
        "group": f"{recipe.preset}, {name_of(recipe.loss)}",
        "provenance": sampler.provenance,
        "seed": run.seed,
        "images": len(images),
        "score": mean,
        "sd over splits": sd,
        "seconds": round(time.perf_counter() - began, 1),
    }
    write_json(file, row)


def row_of_store(store: Store, weights: Path, out: Path, options: argparse.Namespace) -> None:
    """The same of real pictures, taken at random."""
    file = out / "rows" / f"store-{store.manifest.content_sha256[:16]}.json"
    if file.exists():
        return
    chosen = np.random.default_rng(options.seed).permutation(len(store))[: options.images]
    images = store.images(np.sort(chosen))
    mean, sd = inception_score(
        images, weights, splits=options.splits, device=pick_device(options.device)
    )
    row = {"group": "real pictures", "images": len(images), "score": mean, "sd over splits": sd}
    write_json(file, row)


def summary(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """For each preset and loss: the mean over its models, Student's interval, and deviations."""
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        groups.setdefault(row["group"], []).append(row)
    found = {}
    for name, own in groups.items():
        scores = [row["score"] for row in own]
        found[name] = {
            "models": len(own),
            "images": own[0]["images"],
            **asdict(t_interval(scores, lowest=1.0)),
            "sd over models": stdev(scores) if len(scores) > 1 else None,
            "mean sd over splits": fmean(row["sd over splits"] for row in own),
        }
    return found


def table(groups: Mapping[str, Any]) -> str:
    """Markdown: a line a group."""
    lines = [
        "| what | models | pictures of each | score | 95 % over models | sd over splits |",
        "|---|---:|---:|---:|---|---:|",
    ]
    for name, entry in groups.items():
        limits = "one model has none"
        if entry["low"] is not None:
            limits = f"{entry['low']:.3f} to {entry['high']:.3f}"
        lines.append(
            f"| {name} | {entry['models']} | {entry['images']:,} | {entry['mean']:.3f} | {limits} "
            f"| {entry['mean sd over splits']:.3f} |"
        )
    return "\n".join(lines) + "\n"


def parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--run", type=Path, nargs="+", required=True, metavar="RUN")
    parser.add_argument(
        "--weights", type=Path, required=True, help="of torch-fidelity, a .pth file"
    )
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--images", type=int, default=50_000, help="of each run")
    parser.add_argument("--splits", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0, help="of the samples")
    parser.add_argument("--real", type=Path, metavar="STORE", help="score real pictures too")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--quick", action="store_true", help="500 pictures: shows that it runs")
    options = parser.parse_args(arguments)
    if options.quick:
        options.images = 500
    if options.images < options.splits or options.splits < 1:
        parser.error("--images must be at least --splits, and that at least 1")
    return options


def main(arguments: Sequence[str] | None = None) -> None:
    options = parsed(arguments)
    keep_freed_memory()
    try:
        score_all(options)
    except HwgenError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit("stopped; the same command does the rest")


def score_all(options: argparse.Namespace) -> None:
    """Score what has no row yet, then write score.json and tables.md."""
    out: Path = options.out
    with trusted(options.weights) as weights:
        digest = file_hash(options.weights)
        fixed = {
            "images": options.images,
            "splits": options.splits,
            "seed": options.seed,
            "extractor": EXTRACTOR,
            "weights_sha256": digest,
            "official_weights": digest.startswith(OFFICIAL),
        }
        begin(out, fixed)
        for path in options.run:
            row_of(Run(path), weights, out, options)
        if options.real:
            row_of_store(Store(options.real), weights, out, options)
    rows = [
        json.loads(path.read_text(encoding="utf-8")) for path in sorted((out / "rows").iterdir())
    ]
    hardware = describe(pick_device(options.device), torch.float32)
    result: dict[str, Any] = {"settings": fixed | hardware, "summary": summary(rows), "rows": rows}
    write_json(out / "score.json", result)
    text = table(result["summary"])
    if not fixed["official_weights"]:
        text += "\nNot the weights that published scores are computed with: compare with none.\n"
    (out / "tables.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
