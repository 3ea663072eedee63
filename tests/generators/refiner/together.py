"""What two processes of torchrun train together. In: FOLDER with a store. Out: FOLDER/run."""

import sys
from pathlib import Path

import torch

from hwgen.compute.distributed import join
from hwgen.store import Store
from tests.generators.refiner.toy import TOY_RECIPE, TOY_STROKES, ToyStrokes, run_training

if __name__ == "__main__":
    torch.set_num_threads(1)
    folder = Path(sys.argv[1])
    with join("cpu") as ranks:
        store, strokes = Store(folder / "store"), ToyStrokes(TOY_STROKES)
        run_training(store, folder / "run", TOY_RECIPE, strokes, ranks=ranks)
