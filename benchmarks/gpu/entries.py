"""The arms of each entry, and the loop that measures those that are not measured yet."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.gpu.arms import ALL, Arm, Laboratory
from benchmarks.gpu.refined import OutOfTimeError
from hwgen.io.json_files import read_json, write_json

MADE: Mapping[str, tuple[str, ...]] = {
    "real": (),
    "simulated": ("simulated",),
    "refined": ("refined",),
    "both": ("simulated", "refined"),
}
"""Name of an arm -> made images beside the real ones."""

SAMPLES = (0, 1, 3, 5, 10, 20)
"""Real samples per unseen class in `few-shot`."""

PIXELS = (
    '[{"channels":32,"kernel":4,"stride":2},{"channels":64,"kernel":4,"stride":2},'
    '{"channels":128,"kernel":4,"stride":2},{"channels":192,"kernel":4,"stride":2},'
    '{"channels":192,"kernel":3,"stride":1}]'
)
"""Convolutions of a D that sees pixels."""

VARIANTS = (
    "",
    "generator.flow=0",
    "generator.ink=false",
    "translate=1 warp.scale=0.1 warp.shear=0.1 warp.rotate=5",
    "hands=10",
    "hands=160",
    "r1_gamma=0",
    "r1_gamma=1",
    f"discriminator.recogniser_steps=0 discriminator.stages={PIXELS}",
    f"discriminator.recogniser_steps=0 discriminator.stages={PIXELS} discriminator.label=concat",
    "batch=64",
    "batch=256",
)
"""Changes to refiner-64 in `ablation`, the most valuable first; "" for none. It has 40 hands."""


def reference() -> list[Arm]:
    """Real samples of all classes: the upper bound, and the judge of made images."""
    return [Arm("real, all classes", real=ALL)]


def unseen(made: Sequence[str] = ("simulated", "refined", "both")) -> list[Arm]:
    """No real sample of unseen classes."""
    return [Arm(f"real seen + {name}", MADE[name]) for name in made]


def few_shot(
    samples: Sequence[int] = SAMPLES, made: Sequence[str] = ("refined", "simulated", "real")
) -> list[Arm]:
    """Some real samples of each class that is not seen; the refiner is the one of `unseen`."""
    return [
        Arm(f"{count} real of each unseen + {name}", MADE[name], real=count)
        for count in samples
        for name in made
        if count or MADE[name]
    ]


def ablation(variants: Sequence[Mapping[str, str]]) -> list[Arm]:
    """One refiner for each set of changes to the recipe."""
    return [Arm(in_words(changes), MADE["refined"], changes=changes) for changes in variants]


def changes_of(words: Sequence[str]) -> dict[str, str]:
    """["hands=10", "batch=64"] -> {"hands": "10", "batch": "64"}.

    Raises:
        ValueError: a word without "=".
    """
    pairs = [word.partition("=") for word in words]
    wrong = [name for name, sign, _ in pairs if not sign]
    if wrong:
        raise ValueError(f"expected NAME=VALUE, found {wrong[0]!r}")
    return {name: value for name, _, value in pairs}


def in_words(changes: Mapping[str, str]) -> str:
    """Changes as they are given as options, or "no change"."""
    return " ".join(f"{name}={value}" for name, value in changes.items()) or "no change"


def run(
    file: Path,
    arms: Sequence[Arm],
    laboratory: Laboratory,
    settings: Mapping[str, Any],
    origin: Mapping[str, Any],
    out: Path,
) -> bool:
    """Measure the arms that the file lacks; it is written, with a picture, after every arm.

    Each arm states the call that measured it, as a position in the list of calls.

    Args:
        file: JSON with what was measured so far; the picture is beside it.
        arms: what to measure, in this order.
        laboratory: measures them.
        settings: what all measurements in one file have in common.
        origin: commit, date, command and hardware of this call.
        out: folder that gets copies of both.

    Returns:
        Whether all are measured.

    Raises:
        ValueError: the file has other settings.
    """
    plain = json.loads(json.dumps(settings))
    result: dict[str, Any] = {"settings": plain, "calls": [], "arms": {}}
    if file.exists():
        result = read_json(file)
        if result["settings"] != plain:
            raise ValueError(f"{file} has other settings; give another --name")
    began, call = time.monotonic(), {**origin, "seconds": 0.0}
    result["calls"].append(call)
    picture = file.with_suffix(".png")

    def save() -> None:
        call["seconds"] = round(time.monotonic() - began, 1)
        result["open"] = [arm.name for arm in arms if arm.name not in result["arms"]]
        write_json(file, result)
        for one in (file, picture):
            if one.exists():
                shutil.copy(one, out)

    save()
    for arm in arms:
        if arm.name in result["arms"]:
            continue
        try:
            measured = laboratory.measure(arm)
        except OutOfTimeError:
            break
        result["arms"][arm.name] = {"call": len(result["calls"]) - 1, **measured}
        print(f"{arm.name}: {measured['accuracy']}", flush=True)
        if arm.made:
            laboratory.save_picture(picture, arms)
        save()
    save()
    return not result["open"]
