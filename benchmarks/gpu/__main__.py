"""Measurements on one GPU; writes one JSON result per entry.

    python -m benchmarks.gpu prepare --data DATA --work WORK
    python -m benchmarks.gpu steps paper-hwdb baselines refined --work WORK --out OUT

DATA holds `pot/` (POT files of OLHWDB1.1, writers 1001 to 1060) and `graphics.txt` of Make Me a
Hanzi. Entries that have a result in OUT are skipped.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from benchmarks.gpu import paper_hwdb, steps, unseen
from benchmarks.gpu.prepare import SEEN, Inputs, prepare
from benchmarks.gpu.refiner import RefinerSettings
from benchmarks.gpu.resnet import RecogniserSettings
from benchmarks.provenance import precision_name, provenance
from hwgen.io.json_files import write_json

ENTRIES = ("prepare", "steps", "paper-hwdb", "baselines", "refined")


def main(arguments: Sequence[str] | None = None) -> None:
    options = parsed(arguments)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    jobs = jobs_of(options, device)
    for entry in options.entries:
        if entry == "prepare":
            prepare(
                options.data,
                options.work,
                classes=options.classes,
                hands=options.hands,
                tiny=options.tiny,
            )
            continue
        file = options.out / f"{entry}.json"
        if file.exists():
            print(f"{entry}: skipped, {file} exists", flush=True)
            continue
        began = time.monotonic()
        result = jobs[entry]()
        origin = provenance(
            __file__, arguments, device=device, precision=precision_name("auto", device)
        )
        if options.commit:
            origin["commit"] = options.commit
        seconds = round(time.monotonic() - began, 1)
        options.out.mkdir(parents=True, exist_ok=True)
        write_json(file, {"entry": entry, **origin, "seconds": seconds, "result": result})
        print(f"{entry}: {seconds} s, {file}", flush=True)


def parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("entries", nargs="+", choices=ENTRIES)
    parser.add_argument("--data", type=Path, help="folder of the raw data, for prepare")
    parser.add_argument("--work", type=Path, required=True, help="folder for intermediate files")
    parser.add_argument("--out", type=Path, help="folder for the results")
    parser.add_argument("--commit", help="the code's commit, where there is no git checkout")
    parser.add_argument("--classes", type=int, default=3755)
    parser.add_argument("--hands", type=int, default=64, help="simulated hands per class")
    parser.add_argument("--recogniser-steps", type=int, default=6000)
    parser.add_argument("--recogniser-seconds", type=float, default=150, help="time limit")
    parser.add_argument("--refiner-steps", type=int, default=40_000)
    parser.add_argument("--refiner-seconds", type=float, default=300, help="time limit")
    parser.add_argument("--paper-seconds", type=float, default=400, help="training of paper-hwdb")
    parser.add_argument("--judge-seconds", type=float, default=45, help="recogniser that judges it")
    parser.add_argument("--snapshot-steps", type=int, default=20_000, help="between snapshots")
    parser.add_argument("--tiny", action="store_true", help="few classes and steps: a dry run")
    return parser.parse_args(arguments)


def jobs_of(options: argparse.Namespace, device: torch.device) -> dict[str, Callable[[], Any]]:
    """Entry -> what computes its result."""
    inputs = Inputs(
        options.work, options.classes, min(SEEN, round(options.classes * 0.75)), options.hands
    )
    recogniser = RecogniserSettings(steps=options.recogniser_steps)
    refiner = RefinerSettings(steps=options.refiner_steps)
    if options.tiny:
        recogniser = replace(recogniser, batch=32, widths=(8, 16, 16, 16))
        refiner = replace(refiner, batch=8, width=0.25)
    return {
        "steps": lambda: steps.measure(device, classes=options.classes, tiny=options.tiny),
        "paper-hwdb": lambda: paper_hwdb.run(
            inputs,
            device,
            recogniser,
            judge_seconds=options.judge_seconds,
            train_seconds=options.paper_seconds,
            every_steps=options.snapshot_steps,
            tiny=options.tiny,
        ),
        "baselines": lambda: unseen.baselines(
            inputs, device, recogniser, seconds=options.recogniser_seconds
        ),
        "refined": lambda: unseen.refined(
            inputs,
            device,
            recogniser,
            refiner,
            refiner_seconds=options.refiner_seconds,
            seconds=options.recogniser_seconds,
            per_class=4 if options.tiny else 128,
        ),
    }


if __name__ == "__main__":
    main()
