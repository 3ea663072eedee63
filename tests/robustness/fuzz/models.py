"""Targets that read runs, recipes, weights and checkpoints."""

from __future__ import annotations

import json
import random
import struct
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hwgen.charset import Charset
from hwgen.compute.distributed import ALONE
from hwgen.generators.adversarial.checkpoint import restore, save_checkpoint, save_weights
from hwgen.generators.adversarial.estimate import count_parameters as count_of_any
from hwgen.generators.adversarial.meter import Meter
from hwgen.generators.adversarial.steps import make_state
from hwgen.generators.deformation.recipe import PRESETS as DEFORMATIONS
from hwgen.generators.deformation.recipe import recipe_from_json as deformation_from_json
from hwgen.generators.deformation.recipe import recipe_to_json as deformation_to_json
from hwgen.generators.gan.estimate import count_parameters
from hwgen.generators.gan.networks import build, build_generator
from hwgen.generators.gan.presets import PRESETS, change, preset, recipe_from_json, recipe_to_json
from hwgen.generators.gan.sampling import Sampler
from hwgen.generators.refiner.generator import build_without_images
from hwgen.generators.refiner.recipe import PRESETS as REFINERS
from hwgen.generators.refiner.recipe import recipe_from_json as refiner_from_json
from hwgen.generators.refiner.stroke_file import StoredStrokes, save_strokes
from hwgen.imaging.framing import Framing
from hwgen.recogniser.inference import Recogniser
from hwgen.recogniser.network import RECOGNISERS, RecogniserNetwork, RecogniserRecipe
from hwgen.recogniser.network import recipe_from_json as recogniser_from_json
from hwgen.recogniser.network import recipe_to_json as recogniser_to_json
from hwgen.runs import Run, begin_or_continue
from hwgen.runs.checkpoints import read_checkpoint
from hwgen.runs.models import FILE, model_of_run, write_model
from hwgen.runs.snapshots import best_scores
from hwgen.sources.simulation.handwriting import simulate_framed
from hwgen.sources.simulation.pen import Item
from tests.robustness.fuzz.mutation import mutate, mutate_json
from tests.robustness.fuzz.target import Target
from tests.strokes import STROKES

_CHARSET = Charset(tuple("一丁七"))
_CPU = torch.device("cpu")
_TOY = {
    "size": "8",
    "generator.start": "[6, 4]",
    "generator.stages": '[{"channels": 4, "kernel": 3, "stride": 2},'
    ' {"channels": 1, "kernel": 3, "stride": 1}]',
    "generator.z_dim": "6",
    "generator.label_dim": "5",
    "discriminator.stages": '[{"channels": 4, "kernel": 4, "stride": 2}]',
    "discriminator.hidden": "8",
    "batch": "4",
    "images": "40",
    "every": "20",
}


def recipes(scratch: Path) -> Target:
    """Recipes of all kinds; accepted ones are built on the meta device and counted."""
    seeds = [b"g" + json.dumps(recipe_to_json(recipe)).encode() for recipe in PRESETS.values()]
    seeds += [b"r" + json.dumps(recogniser_to_json(r)).encode() for r in RECOGNISERS.values()]
    seeds += [b"f" + json.dumps(recipe_to_json(r)).encode() for r in REFINERS.values()]
    seeds += [b"d" + json.dumps(deformation_to_json(r)).encode() for r in DEFORMATIONS.values()]

    def read(data: bytes) -> str:
        kind, value = data[:1], json.loads(data[1:])
        if kind == b"g":
            count_parameters(recipe_from_json(value), 3)
        elif kind == b"f":
            count_of_any(build_without_images, refiner_from_json(value), 3)
        elif kind == b"r":
            with torch.device("meta"):
                RecogniserNetwork(recogniser_from_json(value), 3)
        else:
            deformation_from_json(value)
        return "accepted"

    return Target(seeds, read, _mutate_recipe, mib=1024)


def _mutate_recipe(data: bytes, other: bytes, rng: random.Random) -> bytes:
    """Mutate as a tree: text that is not JSON is tested by the targets that read files."""
    while True:
        changed = mutate_json(data[1:], other[1:], rng)
        try:
            json.loads(changed)
        except (ValueError, RecursionError):
            continue
        return data[:1] + changed


def run_folder(scratch: Path) -> Target:
    """run.json and log.jsonl of a run with weights, from which a sampler is loaded."""
    run = toy_run(scratch / "run")
    logged: dict[str, Any] = {"images": 20, "purity": 0.9, "diversity": 0.8, "frechet_share": 0.1}
    logged["recogniser"] = "abc"
    seeds = [
        b"r" + (run.path / "run.json").read_bytes(),
        b"l" + json.dumps(logged).encode(),
    ]
    valid = (run.path / "run.json").read_bytes()

    def read(data: bytes) -> str:
        is_log = data[:1] == b"l"
        (run.path / "run.json").write_bytes(valid if is_log else data[1:])
        (run.path / "log.jsonl").write_bytes(data[1:] if is_log else b"")
        if is_log:
            found = Run(run.path)
            found.rewind_log(10**9)
            best_scores(found)
            return f"{len(found.read_log())} entries"
        Sampler.load(run.path, device="cpu").sample([0], [0])
        return "sampled"

    return Target(seeds, read, _mutate_json_after_first, mib=1024)


def _mutate_json_after_first(data: bytes, other: bytes, rng: random.Random) -> bytes:
    return data[:1] + mutate_json(data[1:], other[1:], rng)


def weights(scratch: Path) -> Target:
    """A run's snapshot, from which a sampler is loaded."""
    run = toy_run(scratch / "run")
    file = run.weights(20)
    seed = file.read_bytes()

    def read(data: bytes) -> str:
        file.write_bytes(data)
        Sampler.load(run, device="cpu").sample([0, 2], [0, 1])
        return "sampled"

    return Target([seed], read, _mutate_tensors, mib=1024)


def model_folder(scratch: Path) -> Target:
    """An exported model, from which a sampler is loaded."""
    run = toy_run(scratch / "run")
    folder = scratch / "model"
    folder.mkdir()
    write_model(folder, model_of_run(run, run.weights(20)))
    file = folder / FILE
    seed = file.read_bytes()

    def read(data: bytes) -> str:
        file.write_bytes(data)
        Sampler.load(folder, device="cpu").sample([0, 2], [0, 1])
        return "sampled"

    return Target([seed], read, _mutate_tensors, mib=1024)


def recogniser(scratch: Path) -> Target:
    """A recogniser's file, with which an image is read."""
    recipe = RecogniserRecipe(size=16, widths=((4,), (8,)), hidden=8)
    file = scratch / "recogniser.safetensors"
    Recogniser(RecogniserNetwork(recipe, 3), recipe, _CHARSET).save(file)
    seed = file.read_bytes()
    image = np.zeros((1, 16, 16), np.uint8)

    def read(data: bytes) -> str:
        file.write_bytes(data)
        found = Recogniser.load(file, _CPU)
        if (found.recipe.size, found.channels) == (16, 1):
            found.read(image)
        return "read"

    return Target([seed], read, _mutate_tensors, mib=1024)


def stroke_file(scratch: Path) -> Target:
    """The strokes of a refiner, of which some are rendered."""
    file = scratch / "strokes.safetensors"
    save_strokes(file, STROKES, "a test", "notice")
    seed = file.read_bytes()

    def read(data: bytes) -> str:
        file.write_bytes(data)
        found = StoredStrokes(file)
        some = found.load(sorted(found.characters())[:3])
        simulate_framed([Item(strokes, 1, 0, 1) for strokes in some.values()], Framing(16))
        return f"{len(some)} rendered"

    return Target([seed], read, _mutate_tensors, mib=1024)


def checkpoint(scratch: Path) -> Target:
    """A run's checkpoint, from which training resumes."""
    run = toy_run(scratch / "run")
    recipe = recipe_from_json(run.recipe)
    state = make_state(build, recipe, len(_CHARSET), 0, _CPU)
    for optimizer in (state.optimizer_g, state.optimizer_d):
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                parameter.grad = torch.ones_like(parameter)
        optimizer.step()
    save_checkpoint(run, state, Meter(ALONE), recipe, step=5, seconds=1.0)
    seed = run.checkpoint.read_bytes()

    def read(data: bytes) -> str:
        run.checkpoint.write_bytes(data)
        begun = read_checkpoint(run.checkpoint, run.id)
        restore(state, Meter(ALONE), begun, run, recipe)
        return "filled"

    return Target([seed], read, _mutate_tensors, mib=1024)


def _mutate_tensors(data: bytes, other: bytes, rng: random.Random) -> bytes:
    """Mutate the JSON header as a tree in most cases, with its length corrected; else bytes."""
    (length,) = struct.unpack_from("<Q", data)
    header, rest = data[8 : 8 + length], data[8 + length :]
    what = rng.randrange(4)
    if what < 2:
        header = mutate_json(header, header, rng)
        return struct.pack("<Q", len(header)) + header + rest
    if what == 2:
        tree = json.loads(header)
        texts = tree["__metadata__"]
        name = rng.choice(list(texts))
        try:
            texts[name] = mutate_json(texts[name].encode(), b"{}", rng).decode(errors="replace")
        except ValueError:  # the text is not JSON
            texts[name] = mutate(texts[name].encode(), header, rng).decode(errors="replace")
        header = json.dumps(tree).encode()
        return struct.pack("<Q", len(header)) + header + rest
    head = mutate(data[: 8 + min(length, 200)], other, rng)
    return head + data[8 + min(length, 200) :]


def toy_run(path: Path) -> Run:
    """A run with one snapshot of an untrained generator."""
    recipe = change(preset("glyph-32"), _TOY)
    run = begin_or_continue(
        path,
        kind="gan",
        recipe=recipe_to_json(recipe),
        seed=0,
        charset=_CHARSET,
        data={"content_sha256": "0" * 64},
    )
    save_weights(run, build_generator(recipe, len(_CHARSET)), recipe, 20)
    return run
