"""Accuracy by writer of a recogniser that learns 200 characters from the samples of a refiner.

    python measure.py RUN SNAPSHOT TRAIN TEST START OUT [FEW]

The classes of the stores TRAIN and TEST get 100 samples of a snapshot of RUN each; a recogniser
`light` learns them in 2,000 steps from the weights START, with the real samples of the store FEW in
half of each batch if it is given. Prints JSON; OUT is the store of the samples.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from benchmarks.stores import CPU, write_store
from hwgen.generators.refiner.sampling import RefinerSampler
from hwgen.recogniser.inference import Recogniser
from hwgen.recogniser.network import LIGHT, STRONG, fine_tuned
from hwgen.recogniser.training import from_stores, train_recogniser
from hwgen.runs import Run
from hwgen.runs.snapshots import find_model
from hwgen.store import Store

SAMPLES = 100


def main() -> None:
    """Train one recogniser and print its accuracy."""
    run, snapshot, train, test, start, out, *few = sys.argv[1:]
    torch.set_num_threads(1)
    charset, tested = Store(train).charset, Store(test)
    sampler = RefinerSampler.of_model(find_model(Run(Path(run)), snapshot), "cpu", charset=charset)
    ids = np.repeat(np.arange(len(charset)), SAMPLES)
    numbers = np.tile(np.arange(SAMPLES), len(charset))
    labels = [charset[class_id] for class_id in ids.tolist()]
    made = write_store(
        Path(out), sampler.sample(ids, numbers, seed=7), labels, charset, kind="refined"
    )
    recipe = fine_tuned(replace(LIGHT, steps=2_000, augmentation=STRONG))
    data = [from_stores([Store(path)], recipe, CPU) for path in few]
    data += [from_stores([made], recipe, CPU)]
    recogniser = train_recogniser(
        data[0],
        recipe,
        synthetic=data[1] if few else None,
        init_from=Recogniser.load(Path(start), CPU),
        seed=2 if few else 0,
        device=CPU,
    )
    assert recogniser is not None
    right = recogniser.read(tested.all_images()).argmax(1) == tested.labels
    writers = np.array([record.writer for record in tested])
    by_writer = {name: right[writers == name].mean().item() for name in np.unique(writers).tolist()}
    print(json.dumps({"run": run, "snapshot": snapshot, "all": right.mean().item(), **by_writer}))


if __name__ == "__main__":
    main()
