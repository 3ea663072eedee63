"""Export of a run as a model directory: weights, classes, card, samples and, optionally, ONNX.

model.safetensors   the weights with recipe and charset, all that `hwgen synthesize` needs
charset.json        the labels, in class order
README.md           the model card
samples.png         samples, one class per row; not for kinds that change images
model.onnx          the generator, if requested
.export.json        what was exported
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np

from hwgen.charset import UNLABELLED
from hwgen.compute.tensor_files import file_hash
from hwgen.errors import InputError
from hwgen.exports.models.licences import normalise_licence
from hwgen.exports.models.model_card import card
from hwgen.exports.models.model_results import read_model_results
from hwgen.exports.models.onnx_graph import check_onnx, write_onnx
from hwgen.exports.staging import written_at_once
from hwgen.generators.base import get_kind, load_generator
from hwgen.generators.samplers import NoiseSampler, Sampler
from hwgen.imaging.contact_sheets import evenly_spaced, save_sheet
from hwgen.io.files import write_text
from hwgen.io.json_files import write_json
from hwgen.runs import Run
from hwgen.runs.models import Model, write_model
from hwgen.runs.snapshots import find_model
from hwgen.sources.strokes.drawn_labels import draw_labels

LAYOUT_VERSION = 3
"""Raised when the files of an export change for the same run."""

ROWS, COLUMNS = 12, 12
"""Of samples.png."""


def export_model(
    run: Run,
    out: Path | str,
    *,
    snapshot: str = "last",
    onnx: bool = False,
    results: Sequence[Path] = (),
    licence: str = "",
    overwrite: bool = False,
) -> Model:
    """Write a model directory; the same call again returns the finished one.

    Args:
        run: of any kind of generator.
        out: output directory.
        snapshot: "last", "best" or a number of images.
        onnx: also write the generator as ONNX, if its kind supports it.
        results: directories of `hwgen evaluate` or `hwgen lift`, whose figures go into the card;
            they must be of this model, see hwgen.exports.models.model_results.
        licence: of the model, for the card: an identifier of the Hugging Face Hub or any line; ""
            refers to the terms of the training data.
        overwrite: replace another export at `out`.

    Returns:
        The exported model.

    Raises:
        RunError: the run has no such snapshot, or is damaged.
        InputError: something else is at `out`; a directory holds no result, or one of another
            model; ONNX is not possible for this kind or its packages are not installed; the licence
            is not one line.
    """
    out = Path(out)
    kind = get_kind(run.kind, str(run.path))
    if onnx and not kind.has_onnx:
        raise InputError(
            f"a {kind.title} cannot be exported as ONNX",
            where=str(run.path),
            remedy="Leave out --onnx",
        )
    if onnx:
        check_onnx()
    model = find_model(run, snapshot)
    found = read_model_results(model, results)
    licence = normalise_licence(licence) if licence else ""
    recipe: dict[str, Any] = {
        "format": "model",
        "layout": LAYOUT_VERSION,
        "run": model.run,
        "checkpoint": model.snapshot_hash,
        "images": model.images,
        "onnx": onnx,
        "judged": [file_hash(file) for file in found.files],
        "licence": licence,
    }
    with written_at_once(out, recipe, overwrite) as partial:
        if partial is not None:
            write_model(partial, model)
            for name in kind.companions:
                shutil.copyfile(model.folder / name, partial / name)
            write_json(partial / "charset.json", list(model.charset))
            about_onnx = ""
            if not kind.needs_source:
                sampler = load_generator(partial, device="cpu")
                save_samples(partial / "samples.png", sampler)
                about_onnx = (
                    write_onnx(partial / "model.onnx", cast(NoiseSampler, sampler)).text
                    if onnx
                    else ""
                )
            text = card(
                model, run.read_log(), out.name, onnx=about_onnx, results=found, licence=licence
            )
            write_text(partial / "README.md", text)
    return model


def save_samples(path: Path, sampler: Sampler) -> None:
    """Write a contact sheet of samples: one class per row, evenly spaced in the charset."""
    if sampler.charset == UNLABELLED:
        images = sampler.sample(np.zeros(ROWS * COLUMNS, np.int64), np.arange(ROWS * COLUMNS))
        save_sheet(path, images, COLUMNS)
        return
    classes = evenly_spaced(len(sampler.charset), ROWS)
    numbers = np.tile(np.arange(COLUMNS), len(classes))
    images = sampler.sample(np.repeat(classes, COLUMNS), numbers)
    labels = [sampler.charset[number] for number in classes.tolist()]
    save_sheet(path, images, COLUMNS, draw_labels(labels, sampler.size))
