"""Run entries of the GPU list and write one JSON result for each.

    python -m benchmarks.gpu prepare --data DATA --work WORK
    python -m benchmarks.gpu steps paper-hwdb baselines refined --work WORK --out OUT

DATA holds `pot/` (OLHWDB1.1's POT files, writers 1001 to 1060) and Make Me a Hanzi's
`graphics.txt`.
Entries with a result in OUT are skipped.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from benchmarks.gpu import paper_hwdb, steps, unseen
from benchmarks.gpu.prepare import SEEN, Inputs, prepare
from benchmarks.gpu.refiner import RefinerSettings
from benchmarks.gpu.resnet import RecogniserSettings

ENTRIES = ("prepare", "steps", "paper-hwdb", "baselines", "refined")


def main() -> None:
    """Parse, run, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("entries", nargs="+", choices=ENTRIES)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--commit", default="")
    parser.add_argument("--classes", type=int, default=3755)
    parser.add_argument("--hands", type=int, default=64)
    parser.add_argument("--recogniser-steps", type=int, default=6000)
    parser.add_argument("--recogniser-seconds", type=float, default=150)
    parser.add_argument("--refiner-steps", type=int, default=40_000)
    parser.add_argument("--refiner-seconds", type=float, default=300)
    parser.add_argument("--paper-seconds", type=float, default=400)
    parser.add_argument("--judge-seconds", type=float, default=45)
    parser.add_argument("--snapshot-steps", type=int, default=20_000)
    parser.add_argument("--tiny", action="store_true", help="Few classes and steps: a dry run.")
    a = parser.parse_args()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    inputs = Inputs(a.work, a.classes, min(SEEN, round(a.classes * 0.75)), a.hands)
    recogniser = RecogniserSettings(steps=a.recogniser_steps)
    refiner = RefinerSettings(steps=a.refiner_steps)
    if a.tiny:
        recogniser = replace(recogniser, batch=32, widths=(8, 16, 16, 16))
        refiner = replace(refiner, batch=8, width=0.25)
    jobs: dict[str, Callable[[], Any]] = {
        "steps": lambda: steps.measure(device, classes=a.classes, tiny=a.tiny),
        "paper-hwdb": lambda: paper_hwdb.run(
            inputs,
            device,
            judge_steps=a.recogniser_steps,
            judge_seconds=a.judge_seconds,
            train_seconds=a.paper_seconds,
            every_steps=a.snapshot_steps,
            tiny=a.tiny,
        ),
        "baselines": lambda: unseen.baselines(
            inputs, device, recogniser, seconds=a.recogniser_seconds
        ),
        "refined": lambda: unseen.refined(
            inputs,
            device,
            recogniser,
            refiner,
            refiner_seconds=a.refiner_seconds,
            seconds=a.recogniser_seconds,
            per_class=4 if a.tiny else 128,
        ),
    }
    for entry in a.entries:
        if entry == "prepare":
            prepare(a.data, a.work, classes=a.classes, hands=a.hands, tiny=a.tiny)
            continue
        file = a.out / f"{entry}.json"
        if file.exists():
            print(entry, "is done", flush=True)
            continue
        began = time.monotonic()
        result = jobs[entry]()
        document = {
            "entry": entry,
            "commit": a.commit,
            "date": time.strftime("%Y-%m-%d"),
            "hardware": torch.cuda.get_device_name()
            if device.type == "cuda"
            else platform.machine(),
            "torch": torch.__version__,
            "seconds": round(time.monotonic() - began, 1),
            "result": result,
        }
        a.out.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(document, ensure_ascii=False, indent=1) + "\n")
        print(f"{entry}: {document['seconds']} s, {file}", flush=True)


if __name__ == "__main__":
    main()
