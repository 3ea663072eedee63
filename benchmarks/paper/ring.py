"""Ring of 8 Gaussians: modes covered by LSGAN and by the regular GAN.

    python -m benchmarks.paper.ring --out DIR
    python -m benchmarks.paper.ring --out DIR --quick

Trains G and D of the authors' stability_comparison/mixture_gaussian for every setting and seed and
scores a snapshot every 5,000 steps. Writes DIR/rows with a JSON file per training; ring.json and
tables.md, counts with intervals; density plots of a typical seed and of all seeds at the end, and
curves. Ctrl-C loses at most the trainings in progress; rerun the command for the rest.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.options import make_parser, split_names
from benchmarks.paper.progress import Progress
from benchmarks.paper.results import begin, read_rows, write_result
from benchmarks.paper.ring_figures import plot_all_seeds, plot_curves, plot_typical
from benchmarks.paper.ring_scores import scores
from benchmarks.paper.ring_tables import summary, tables
from benchmarks.paper.ring_training import Setting, train
from benchmarks.stop_signals import STOPPED
from hwgen.generators.gan.presets import LOSSES, Loss
from hwgen.io.files import atomic_write
from hwgen.io.json_files import write_json

LSGAN, GAN = LOSSES["lsgan-eq9"], LOSSES["gan"]

MAIN: Mapping[str, Setting] = {
    "even-lsgan": Setting(LSGAN),
    "even-gan": Setting(GAN),
    "uneven-lsgan": Setting(LSGAN, uneven=True),
    "uneven-gan": Setting(GAN, uneven=True),
}
"""The paper's text has eight equal modes; the authors' code has one of double weight."""

SETTINGS: Mapping[str, Setting] = {
    **MAIN,
    "sd-0.1-lsgan": Setting(LSGAN, sd=0.1),
    "sd-0.1-gan": Setting(GAN, sd=0.1),
    "radius-2-lsgan": Setting(LSGAN, radius=2, sd=0.02),
    "radius-2-gan": Setting(GAN, radius=2, sd=0.02),
    "lsgan-eq8": Setting(LOSSES["lsgan-eq8"]),
    "alternating-lsgan": Setting(LSGAN, alternating=True),
    "alternating-gan": Setting(GAN, alternating=True),
    "equal-rates-lsgan": Setting(LSGAN, lr_g=1e-4),
    "equal-rates-gan": Setting(GAN, lr_g=1e-4),
    "sum-lsgan": Setting(Loss(reduction="sum")),
}
"""Variations: another width of the modes (0.01 read as a variance), the ring of the unrolled GAN's
paper, Eq. 8's targets, G after D instead of both at once, equal learning rates, losses summed as by
tf.nn.l2_loss."""


@dataclass(frozen=True)
class Job:
    """Seeds of a setting that are trained together."""

    out: Path
    name: str
    seeds: tuple[int, ...]
    steps: int
    every: int
    samples: int
    device: str


def row_file(out: Path, name: str, seed: int) -> Path:
    return out / "rows" / f"{name}-{seed}.json"


def samples_file(out: Path, name: str, seed: int) -> Path:
    return out / "samples" / f"{name}-{seed}.npy"


def work(job: Job) -> Job:
    """Train, score and write a row and the samples of each seed."""
    setting, device = SETTINGS[job.name], torch.device(job.device)
    began = time.perf_counter()
    progress = Progress(f"{job.name}, seeds {', '.join(map(str, job.seeds))}", "steps", job.steps)
    found = train(
        setting,
        job.seeds,
        steps=job.steps,
        every=job.every,
        samples=job.samples,
        device=device,
        progress=progress,
    )
    seconds = time.perf_counter() - began
    truth = setting.centres().numpy(), setting.probabilities().numpy(), setting.sd
    for seed, snapshots in zip(job.seeds, found, strict=True):
        target = samples_file(job.out, job.name, seed)
        with atomic_write(target) as temporary, open(temporary, "wb") as file:
            np.save(file, np.stack(snapshots))
        row = {
            "name": job.name,
            "seed": seed,
            "seconds": round(seconds / len(job.seeds), 1),
            "snapshots": [
                {"step": number * job.every, **scores(samples, *truth)}
                for number, samples in enumerate(snapshots)
            ],
        }
        write_json(row_file(job.out, job.name, seed), row)
    return job


def jobs_left(
    out: Path, names: Sequence[str], seeds: int, together: int, **shared: Any
) -> list[Job]:
    """Jobs without a row, pair after pair of settings, in the order of the names."""
    jobs = []
    for pair in (names[n : n + 2] for n in range(0, len(names), 2)):
        left = {
            name: [seed for seed in range(seeds) if not row_file(out, name, seed).exists()]
            for name in pair
        }
        for at in range(0, seeds, together):
            for name, own in left.items():
                if own[at : at + together]:
                    jobs.append(Job(out, name, tuple(own[at : at + together]), **shared))
    return jobs


@contextmanager
def workers(count: int) -> Iterator[Any]:
    """A map over jobs, in this process or in `count` others, with one thread each."""
    torch.set_num_threads(1)
    if count == 1:
        yield map
        return
    with get_context("spawn").Pool(count, torch.set_num_threads, (1,)) as pool:
        yield pool.imap_unordered


def report(
    options: argparse.Namespace,
    names: Sequence[str],
    settings: Mapping[str, Any],
    arguments: Sequence[str] | None,
) -> None:
    """Write ring.json, tables.md and the figures from the rows that exist."""
    out: Path = options.out
    found = {
        name: read_rows(row_file(out, name, seed) for seed in range(options.seeds))
        for name in names
    }
    rows = {name: own for name, own in found.items() if own}
    if not rows:
        return
    result = {
        "settings": settings,
        "trained": {name: asdict(SETTINGS[name]) for name in rows},
        "summary": {name: summary(own) for name, own in rows.items()},
        "rows": rows,
    }
    write_result(
        out / "ring.json",
        result,
        tables(result["summary"]),
        script=__file__,
        arguments=arguments,
        device=torch.device(options.device),
    )
    samples = {
        name: {row["seed"]: np.load(samples_file(out, name, row["seed"])) for row in own}
        for name, own in rows.items()
    }
    steps = [snapshot["step"] for snapshot in next(iter(rows.values()))[0]["snapshots"]]
    for data in ("even", "uneven"):
        pair = [name for name in (f"{data}-lsgan", f"{data}-gan") if name in rows]
        if pair:
            plot_typical(out / f"typical-{data}.png", pair, rows, samples, steps, SETTINGS[pair[0]])
    plot_all_seeds(out / "seeds.png", samples)
    plot_curves(out / "curves.png", rows)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=10, help="trainings of each setting")
    parser.add_argument("--steps", type=int, default=35_000)
    parser.add_argument("--every", type=int, default=5_000, help="steps between snapshots")
    parser.add_argument("--samples", type=int, default=2_500, help="points in a snapshot")
    parser.add_argument("--only", default=",".join(SETTINGS), help="settings, comma-separated")
    parser.add_argument("--workers", type=int, default=1, help="processes with one thread each")
    # On a CPU a batch of two takes the least time per seed, because it fits in the caches.
    parser.add_argument("--together", type=int, default=2, help="seeds per batch; 10 on a GPU")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--quick", action="store_true", help="2 seeds, 3,000 steps, 4 settings")
    options = parser.parse_args(arguments)
    if options.quick:
        options.seeds, options.steps, options.every = 2, 3_000, 1_000
        options.only = ",".join(MAIN)
    names = split_names(parser, options.only, "setting", SETTINGS)
    if options.steps % options.every:
        parser.error("--every must divide --steps")
    shared = {"steps": options.steps, "every": options.every, "samples": options.samples}
    begin(options.out, shared)
    jobs = jobs_left(
        options.out, names, options.seeds, options.together, device=options.device, **shared
    )
    total = len(names) * options.seeds
    done = total - sum(len(job.seeds) for job in jobs)
    progress = Progress("all", "trainings", total, done=done, line_every=0)
    try:
        with workers(options.workers) as each:
            for job in each(work, jobs):
                done += len(job.seeds)
                progress(done)
    except KeyboardInterrupt:
        print(STOPPED, file=sys.stderr)
    report(options, names, shared | {"seeds": options.seeds}, arguments)


if __name__ == "__main__":
    main()
