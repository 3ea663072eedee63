"""Recogniser settings compared on held-out training samples: the defaults beside an earlier choice.

    python -m benchmarks.recogniser_choice STORE --settings before --seed 0 --epochs 10 --out FILE

Every tenth training record is held out; the recogniser is trained on the rest and tested on the
held-out records. The test set is not used: the defaults were first compared on it, in short CPU
runs.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from benchmarks.options import make_parser
from benchmarks.provenance import precision_name, provenance
from hwgen.compute.devices import pick_device
from hwgen.data import ResidentImages
from hwgen.io.json_files import write_json
from hwgen.recogniser.mixing import LabelledImages
from hwgen.recogniser.network import AugmentationSpec, RecogniserRecipe
from hwgen.recogniser.reader import accuracy
from hwgen.recogniser.training import train_recogniser
from hwgen.store import Store

SETTINGS = {
    "before": RecogniserRecipe(
        batch=128,
        grid=2,
        dropout=0.3,
        augmentation=AugmentationSpec(
            rotate=8.0, shear=0.2, scale=0.12, translate=0.06, elastic=0.03
        ),
    ),
    "default": RecogniserRecipe(),
}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = make_parser(__doc__)
    parser.add_argument("store", type=Path)
    parser.add_argument("--settings", choices=SETTINGS, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=float, default=10)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args(arguments)
    store, device = Store(options.store), pick_device()
    held_out = np.arange(0, len(store), 10)
    training = np.setdiff1d(np.arange(len(store)), held_out)
    recipe = SETTINGS[options.settings]
    recipe = replace(recipe, steps=round(options.epochs * len(training) / recipe.batch))
    images = ResidentImages([store], recipe.size, device)
    images.images = images.images[torch.from_numpy(training).to(device)]
    labels = torch.from_numpy(store.labels[training]).to(device)
    data = LabelledImages(images, labels, store.charset, store.channels)
    began = time.perf_counter()
    recogniser = train_recogniser(data, recipe, seed=options.seed, device=device)
    assert recogniser is not None  # nothing stops the training
    seconds = time.perf_counter() - began
    top1 = accuracy(recogniser.read(store.images(held_out)), store.labels[held_out])
    precision = precision_name("auto", device)
    result = {
        **provenance(__file__, arguments, device=device, precision=precision),
        "settings": options.settings,
        "seed": options.seed,
        "steps": recipe.steps,
        "batch": recipe.batch,
        "held_out": len(held_out),
        "top1_held_out": top1,
        "seconds": round(seconds, 1),
    }
    write_json(options.out, result)
    print(result)


if __name__ == "__main__":
    main()
