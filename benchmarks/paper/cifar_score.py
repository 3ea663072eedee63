"""CIFAR-10: inception scores of LSGAN and DCGAN over several models each.

    pip install torch-fidelity
    python -m benchmarks.paper.cifar_score --run RUN ... --weights FILE --out DIR
    python -m benchmarks.paper.cifar_score --run RUN ... --weights FILE --out DIR --quick

RUN are runs of `hwgen train --preset cifar10` with different losses and seeds; FILE has the weights
of torch-fidelity's Inception network, which are not downloaded. Writes DIR/rows with a JSON file
per run; score.json and tables.md with the mean over the models of each loss and its interval.
Ctrl-C loses at most the run in progress; rerun the command for the rest.
"""

from __future__ import annotations

import argparse
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

from benchmarks.options import make_parser
from benchmarks.paper.results import begin, read_rows, write_result
from benchmarks.stop_signals import STOPPED
from hwgen.compute.devices import keep_freed_memory, pick_device
from hwgen.compute.tensor_files import file_hash
from hwgen.data import to_tensor
from hwgen.errors import HwgenError, InputError
from hwgen.evaluation.metrics.intervals import t_interval
from hwgen.generators.gan.presets import Loss, recipe_from_json
from hwgen.generators.gan.sampling import Sampler
from hwgen.io.json_files import write_json
from hwgen.record import Image
from hwgen.requirements import install_extra
from hwgen.runs import Run
from hwgen.store import Store

EXTRACTOR = "inception-v3-compat"
"""torch-fidelity's port of the network of Salimans et al. 2016, with its TensorFlow resizing and
its 1,008 outputs without bias."""

OFFICIAL = "6726825d"
"""First digits of the SHA-256 of weights-inception-2015-12-05-6726825d.pth."""


class Images(torch.utils.data.Dataset[Tensor]):
    """Images as torch-fidelity reads them, uint8 [3, S, S]."""

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
        weights: of EXTRACTOR, from `safe_copy`, because torch-fidelity unpickles them.
        splits: number of parts whose scores are averaged, 10 in the literature; a fixed shuffle.
        device: of the network.
        batch: images at a time.

    Returns:
        Mean over the splits, and their standard deviation (over n, as usual for this score).

    Raises:
        InputError: torch-fidelity is not installed, or the weights are those of another network.
    """
    try:
        from torch_fidelity import calculate_metrics
    except ImportError:
        raise InputError(
            "the inception score needs torch-fidelity",
            remedy=f"Install it: {install_extra('score')}",
        ) from None
    try:
        found = calculate_metrics(
            input1=Images(images),
            isc=True,
            isc_splits=splits,
            feature_extractor=EXTRACTOR,
            feature_extractor_weights_path=str(weights),
            cuda=device.type == "cuda",
            batch_size=batch,
            save_cpu_ram=True,  # reads in this process
            cache=False,  # it would be unpickled from the home folder
        )
    except RuntimeError as error:
        if "state_dict" not in str(error):
            raise
        raise InputError(f"the weights do not fit {EXTRACTOR}", where=str(weights)) from error
    return found["inception_score_mean"], found["inception_score_std"]


@contextmanager
def safe_copy(path: Path) -> Iterator[Path]:
    """A temporary copy of untrusted weights that contains only tensors.

    torch-fidelity unpickles weights without restriction (torch.load with weights_only=False), so a
    file could run any code. Here it is read with weights_only=True, which refuses everything but
    tensors and plain containers, and saved again.

    Raises:
        InputError: the file is missing or is not a dictionary of tensors.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, ValueError, EOFError, pickle.UnpicklingError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(
            f"cannot be read as weights without running code ({reason})",
            where=str(path),
            remedy="Pass the .pth file named in torch-fidelity's documentation",
        ) from None
    if not isinstance(state, dict) or not all(isinstance(v, Tensor) for v in state.values()):
        raise InputError("expected only named tensors", where=str(path))
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "weights.pth"
        torch.save(dict(state), copy)
        yield copy


def samples(sampler: Sampler, count: int, seed: int) -> Image:
    """Samples of all classes in turn: sample i has class i modulo the number of classes.

    Raises:
        InputError: the run generates grey images.
    """
    if sampler.channels != 3:
        raise InputError(
            f"{sampler.provenance} generates grey images; the score needs colour images"
        )
    classes = len(sampler.charset)
    numbers = np.arange(count)
    return sampler.sample(numbers % classes, numbers // classes, seed=seed)


def name_of(loss: Loss) -> str:
    """The loss as named in the table."""
    if loss.kind == "gan":
        return "regular GAN"
    return f"LSGAN ({loss.a:g}, {loss.b:g}, {loss.c:g})"


def row_of(run: Run, weights: Path, out: Path, options: argparse.Namespace) -> None:
    """Score the last snapshot of a run, unless its row exists."""
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
    """Score random real images, unless their row exists."""
    file = out / "rows" / f"store-{store.manifest.content_sha256[:16]}.json"
    if file.exists():
        return
    chosen = np.random.default_rng(options.seed).permutation(len(store))[: options.images]
    images = store.images(np.sort(chosen))
    mean, sd = inception_score(
        images, weights, splits=options.splits, device=pick_device(options.device)
    )
    row = {"group": "real images", "images": len(images), "score": mean, "sd over splits": sd}
    write_json(file, row)


def summary(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """For each preset and loss: mean over its models, Student's interval, and deviations."""
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
    """Markdown, one line per group."""
    lines = [
        "| loss | models | images of each | score | 95 % over models | sd over splits |",
        "|---|---:|---:|---:|---|---:|",
    ]
    for name, entry in groups.items():
        limits = "none for one model"
        if entry["low"] is not None:
            limits = f"{entry['low']:.3f} to {entry['high']:.3f}"
        lines.append(
            f"| {name} | {entry['models']} | {entry['images']:,} | {entry['mean']:.3f} | {limits} "
            f"| {entry['mean sd over splits']:.3f} |"
        )
    return "\n".join(lines) + "\n"


def parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = make_parser(__doc__)
    parser.add_argument("--run", type=Path, nargs="+", required=True, metavar="RUN")
    parser.add_argument("--weights", type=Path, required=True, help="torch-fidelity's .pth file")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--images", type=int, default=50_000, help="samples of each run")
    parser.add_argument("--splits", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0, help="seed of the samples")
    parser.add_argument("--real", type=Path, metavar="STORE", help="also score real images")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--quick", action="store_true", help="a dry run with 500 images")
    options = parser.parse_args(arguments)
    if options.quick:
        options.images = 500
    if options.images < options.splits or options.splits < 1:
        parser.error("--splits must be at least 1 and --images at least --splits")
    return options


def main(arguments: Sequence[str] | None = None) -> None:
    options = parsed(arguments)
    keep_freed_memory()
    try:
        score_all(options, arguments)
    except HwgenError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit(STOPPED)


def score_all(options: argparse.Namespace, arguments: Sequence[str] | None) -> None:
    """Score runs without a row, then write score.json and tables.md."""
    out: Path = options.out
    with safe_copy(options.weights) as weights:
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
    rows = read_rows(sorted((out / "rows").iterdir()))
    result: dict[str, Any] = {"settings": fixed, "summary": summary(rows), "rows": rows}
    text = table(result["summary"])
    if not fixed["official_weights"]:
        text += "\nThese are not the weights of published scores: do not compare with those.\n"
    write_result(
        out / "score.json",
        result,
        text,
        script=__file__,
        arguments=arguments,
        device=pick_device(options.device),
    )


if __name__ == "__main__":
    main()
