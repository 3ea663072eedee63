"""Measurements on one GPU; writes one JSON result and one image per entry.

    python -m benchmarks.gpu prepare --work WORK --out OUT
    python -m benchmarks.gpu unseen --seen 2755 --work WORK --out OUT
    python -m benchmarks.gpu few-shot --samples 0 1 5 --work WORK --out OUT
    python -m benchmarks.gpu ablation --variant hands=10 --variant batch=64 r1_gamma=1 ...

WORK/data holds `pot/` (POT files of OLHWDB1.1, writers 1001 to 1060) and `graphics.txt` of Make Me
a Hanzi. An entry ends after --seconds, or at Ctrl-C, with what it has measured in its result; rerun
it to resume, with the same WORK, which keeps a copy of the result. See README.md of this folder.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch

from benchmarks.gpu import entries, paper_hwdb, speed, steps
from benchmarks.gpu.arms import Arm, Clock, Laboratory, Settings
from benchmarks.gpu.prepare import SEEN, Inputs, prepare
from benchmarks.gpu.refined import TINY, recipe_with
from benchmarks.gpu.resnet import RecogniserSettings
from benchmarks.options import make_parser
from benchmarks.provenance import precision_name, provenance
from benchmarks.stop_signals import STOPPED, stop_signals
from hwgen.errors import HwgenError
from hwgen.generators.adversarial.recipe import recipe_to_json
from hwgen.io.json_files import write_json

EXPERIMENTS = ("reference", "unseen", "few-shot", "ablation")
ENTRIES = ("prepare", "speed", "steps", "paper-hwdb", *EXPERIMENTS)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = make_parser(__doc__)
    add_options(parser)
    options = parser.parse_args(arguments)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    origin = provenance(
        __file__, arguments, device=device, precision=precision_name("auto", device)
    )
    if options.commit:
        origin["commit"] = options.commit
    try:
        if options.entry in EXPERIMENTS:
            experiment(options, device, origin)
        else:
            measurement(options, device, origin)
    except (HwgenError, ValueError) as error:
        parser.error(str(error))


def add_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("entry", choices=ENTRIES)
    add("--work", type=Path, required=True, help="folder for intermediate files")
    add("--out", type=Path, required=True, help="folder for the results")
    add("--name", help="of the result; by default entry, --seen and --seed")
    add("--commit", help="the code's commit, where there is no git checkout")
    add("--seconds", type=float, default=math.inf, help="time limit of this call")
    add("--classes", type=int, default=3755, help="number of classes")
    add("--seen", type=int, help="classes with real samples, at most the first three quarters")
    add("--seed", type=int, default=0, help="of refiner, recogniser and choice of real samples")
    add("--per-class", type=int, default=128, help="simulated images per class; refined likewise")
    add("--recogniser-steps", type=int, default=6000)
    add("--set", nargs="+", default=[], help="changes to refiner-64: NAME=VALUE ...")
    add("--made", nargs="+", choices=entries.MADE, help="arms of unseen and few-shot")
    add("--samples", nargs="+", type=int, default=entries.SAMPLES, help="of few-shot, per class")
    add("--variant", nargs="*", action="append", help="of ablation: NAME=VALUE ...; repeat it")
    add("--paper-seconds", type=float, default=400, help="training of paper-hwdb")
    add("--judge-seconds", type=float, default=45, help="recogniser that judges paper-hwdb")
    add("--snapshot-steps", type=int, default=20_000, help="of paper-hwdb, between snapshots")
    add("--tiny", action="store_true", help="small networks, few steps and writers: a dry run")


def inputs_of(options: argparse.Namespace) -> Inputs:
    if options.tiny:
        return Inputs(options.work, options.classes, "1001-1003", "1051")
    return Inputs(options.work, options.classes)


def settings_of(options: argparse.Namespace, inputs: Inputs) -> Settings:
    """What the arms of an experiment have in common.

    Raises:
        ValueError: wrong changes, or too many seen classes.
    """
    most = inputs.classes - inputs.unseen
    seen = min(SEEN, most) if options.seen is None else options.seen
    if not 2 <= seen <= most:
        raise ValueError(f"--seen must be from 2 to {most}, found {seen}")
    recogniser = RecogniserSettings(steps=options.recogniser_steps)
    if options.tiny:
        recogniser = replace(recogniser, batch=16, widths=(8, 8, 8, 8))
    changes = {**(TINY if options.tiny else {}), **entries.changes_of(options.set)}
    return Settings(seen, options.seed, options.per_class, changes, recogniser)


def experiment(options: argparse.Namespace, device: torch.device, origin: dict[str, Any]) -> None:
    inputs = inputs_of(options)
    settings = settings_of(options, inputs)
    arms = arms_of(options)
    for arm in arms:  # wrong changes are refused before the work begins
        recipe_with({**settings.changes, **arm.changes})
    plain = {
        "entry": options.entry,
        "unseen": inputs.unseen,
        **{name: value for name, value in asdict(inputs).items() if name != "work"},
        **asdict(settings),
        "refiner": recipe_to_json(recipe_with(settings.changes)),
    }
    seed = f"-seed-{settings.seed}" if settings.seed else ""
    name = options.name or f"{options.entry}-{settings.seen}{seed}"
    file = folder(options.work / "results") / f"{name}.json"
    with stop_signals() as stopped:
        clock = Clock(time.monotonic() + options.seconds, stopped)
        laboratory = Laboratory(inputs, settings, device, clock)
        complete = entries.run(file, arms, laboratory, plain, origin, folder(options.out))
    print(f"{options.entry}: {file}{'' if complete else f'; {STOPPED}'}", flush=True)


def folder(path: Path) -> Path:
    """The folder, which is made if it does not exist."""
    path.mkdir(parents=True, exist_ok=True)
    return path


def arms_of(options: argparse.Namespace) -> list[Arm]:
    made = {} if options.made is None else {"made": options.made}
    if options.entry == "unseen":
        return entries.unseen(**made)
    if options.entry == "few-shot":
        return entries.few_shot(options.samples, **made)
    if options.entry == "reference":
        return entries.reference()
    given = options.variant or [text.split() for text in entries.VARIANTS]
    return entries.ablation([entries.changes_of(words) for words in given])


def measurement(options: argparse.Namespace, device: torch.device, origin: dict[str, Any]) -> None:
    inputs = inputs_of(options)
    settings = settings_of(options, inputs)
    file = folder(options.out) / f"{options.name or options.entry}.json"
    if file.exists():
        print(f"{options.entry}: skipped, {file} exists", flush=True)
        return
    began = time.monotonic()
    result: Any
    if options.entry == "prepare":
        result = prepare(inputs, settings.seen, options.per_class)
    elif options.entry == "speed":
        result = speed.measure(
            inputs,
            recipe_with(settings.changes),
            settings.recogniser,
            per_class=options.per_class,
            device=device,
            steps=4 if options.tiny else 300,
        )
    elif options.entry == "steps":
        result = steps.measure(device, classes=options.classes, tiny=options.tiny)
    else:
        result = paper_hwdb.run(
            inputs,
            device,
            settings.recogniser,
            judge_seconds=options.judge_seconds,
            train_seconds=options.paper_seconds,
            every_steps=options.snapshot_steps,
            tiny=options.tiny,
        )
    print(f"{options.entry}: {result}", flush=True)
    seconds = round(time.monotonic() - began, 1)
    write_json(file, {"entry": options.entry, **origin, "seconds": seconds, "result": result})


if __name__ == "__main__":
    main()
