"""Are the recogniser's default settings the better ones on a held-out part of the training set?

The defaults were first tried on the test set of HWDB89 (short CPU runs), which a test set is not
for. This repeats the comparison without it: every tenth training record is held out, the same
recogniser is trained on the rest with the settings before and after, and reads the held-out part.

    python benchmarks/recogniser_choice.py STORE --settings before --seed 0 --epochs 10 --out FILE
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from hwgen.compute.devices import describe, pick_device, pick_precision
from hwgen.data import ResidentImages
from hwgen.recogniser.inference import accuracy
from hwgen.recogniser.mixing import LabelledImages
from hwgen.recogniser.network import Augmentation, RecogniserRecipe
from hwgen.recogniser.training import train_recogniser
from hwgen.store import Store

SETTINGS = {
    "before": RecogniserRecipe(
        batch=128,
        grid=2,
        dropout=0.3,
        augmentation=Augmentation(rotate=8.0, shear=0.2, scale=0.12, translate=0.06, elastic=0.03),
    ),
    "default": RecogniserRecipe(),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("store", type=Path)
    parser.add_argument("--settings", choices=SETTINGS, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=float, default=10)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    store, device = Store(arguments.store), pick_device()
    held_out = np.arange(0, len(store), 10)
    kept = np.setdiff1d(np.arange(len(store)), held_out)
    recipe = SETTINGS[arguments.settings]
    recipe = replace(recipe, steps=round(arguments.epochs * len(kept) / recipe.batch))
    pictures = ResidentImages([store], recipe.size, device)
    pictures.images = pictures.images[torch.from_numpy(kept).to(device)]
    labels = torch.from_numpy(store.labels[kept]).to(device)
    data = LabelledImages(pictures, labels, store.charset, store.channels)
    began = time.perf_counter()
    reader = train_recogniser(data, recipe, seed=arguments.seed, device=device)
    assert reader is not None
    seconds = time.perf_counter() - began
    top1 = accuracy(reader.read(store.images(held_out)), store.labels[held_out])
    result = {
        "settings": arguments.settings,
        "seed": arguments.seed,
        "steps": recipe.steps,
        "batch": recipe.batch,
        "held_out": len(held_out),
        "top1_held_out": top1,
        "seconds": round(seconds, 1),
        **describe(device, pick_precision("auto", device)),
    }
    arguments.out.write_text(json.dumps(result, indent=1))
    print(result)


if __name__ == "__main__":
    main()
