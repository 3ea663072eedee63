"""Ring of 8 Gaussians: does LSGAN learn all modes where the regular GAN collapses?

In: settings and seeds. Trains G and D of the authors' own experiment (REFERENCE 1f) for every
setting and seed and scores a snapshot every 5,000 steps. Out: DIR/rows, a JSON file a training;
ring.json and tables.md, counts with intervals; density plots of a typical seed, of all seeds at the
end, and curves. Ctrl-C loses the trainings in progress at most; the same command does the rest.

    python -m benchmarks.paper.ring --out DIR
    python -m benchmarks.paper.ring --out DIR --quick
"""

from __future__ import annotations

import argparse
import json
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

from benchmarks.paper.pace import Pace
from benchmarks.paper.ring_figures import draw_all_seeds, draw_curves, draw_typical
from benchmarks.paper.ring_scores import scores
from benchmarks.paper.ring_tables import summary, tables
from benchmarks.paper.ring_training import Setting, train
from benchmarks.paper.settings import begin
from hwgen.compute.devices import describe
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
"""And what could decide: another width of the modes (0.01 read as a variance), the ring of the
unrolled GAN's paper, Eq. 8's targets, G after D instead of both at once, G as slow as D, losses
summed as by tf.nn.l2_loss."""


@dataclass(frozen=True)
class Job:
    """Some seeds of a setting, trained together."""

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
    pace = Pace(f"{job.name}, seeds {', '.join(map(str, job.seeds))}", "steps", job.steps)
    found = train(
        setting,
        job.seeds,
        steps=job.steps,
        every=job.every,
        samples=job.samples,
        device=device,
        progress=pace,
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
    """What has no row yet: pair after pair, in the order of the names."""
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
    """A map over jobs, in this process or in as many others, a thread each."""
    torch.set_num_threads(1)
    if count == 1:
        yield map
        return
    with get_context("spawn").Pool(count, torch.set_num_threads, (1,)) as pool:
        yield pool.imap_unordered


def read_rows(out: Path, names: Sequence[str], seeds: int) -> dict[str, list[dict[str, Any]]]:
    """The finished trainings of each setting that has some."""
    rows = {
        name: [
            json.loads(file.read_text(encoding="utf-8"))
            for file in (row_file(out, name, seed) for seed in range(seeds))
            if file.exists()
        ]
        for name in names
    }
    return {name: own for name, own in rows.items() if own}


def report(out: Path, names: Sequence[str], seeds: int, settings: Mapping[str, Any]) -> None:
    """Write ring.json, tables.md and the figures from the rows that are there."""
    rows = read_rows(out, names, seeds)
    if not rows:
        return
    result = {
        "settings": settings,
        "trained": {name: asdict(SETTINGS[name]) for name in rows},
        "summary": {name: summary(own) for name, own in rows.items()},
        "rows": rows,
    }
    write_json(out / "ring.json", result)
    text = tables(result["summary"])
    (out / "tables.md").write_text(text, encoding="utf-8")
    print(text)
    samples = {
        name: {row["seed"]: np.load(samples_file(out, name, row["seed"])) for row in own}
        for name, own in rows.items()
    }
    steps = [snapshot["step"] for snapshot in next(iter(rows.values()))[0]["snapshots"]]
    for data in ("even", "uneven"):
        pair = [name for name in (f"{data}-lsgan", f"{data}-gan") if name in rows]
        if pair:
            draw_typical(out / f"typical-{data}.png", pair, rows, samples, steps, SETTINGS[pair[0]])
    draw_all_seeds(out / "seeds.png", samples)
    draw_curves(out / "curves.png", rows)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=10, help="of each setting")
    parser.add_argument("--steps", type=int, default=35_000)
    parser.add_argument("--every", type=int, default=5_000, help="steps between snapshots")
    parser.add_argument("--samples", type=int, default=2_500, help="of a snapshot")
    parser.add_argument("--only", default=",".join(SETTINGS), help="settings, by commas")
    parser.add_argument("--workers", type=int, default=1, help="processes, a thread each")
    # On a CPU two are as fast as one at a time or ten, since its caches hold them.
    parser.add_argument("--together", type=int, default=2, help="seeds in a batch; 10 for a GPU")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--quick", action="store_true", help="2 seeds, 3,000 steps, 4 settings")
    options = parser.parse_args(arguments)
    if options.quick:
        options.seeds, options.steps, options.every = 2, 3_000, 1_000
        options.only = ",".join(MAIN)
    names = options.only.split(",")
    unknown = [name for name in names if name not in SETTINGS]
    if unknown:
        parser.error(f"no setting {', '.join(unknown)}; known: {', '.join(SETTINGS)}")
    if options.steps % options.every:
        parser.error("--every must divide --steps")
    shared = {"steps": options.steps, "every": options.every, "samples": options.samples}
    begin(options.out, shared)
    jobs = jobs_left(
        options.out, names, options.seeds, options.together, device=options.device, **shared
    )
    total = len(names) * options.seeds
    done = total - sum(len(job.seeds) for job in jobs)
    pace = Pace("all", "trainings", total, done=done, line_every=0)
    try:
        with workers(options.workers) as each:
            for job in each(work, jobs):
                done += len(job.seeds)
                pace(done)
    except KeyboardInterrupt:
        print("stopped; the same command does the rest", file=sys.stderr)
    hardware = describe(torch.device(options.device), torch.float32)
    report(options.out, names, options.seeds, shared | {"seeds": options.seeds, **hardware})


if __name__ == "__main__":
    main()
