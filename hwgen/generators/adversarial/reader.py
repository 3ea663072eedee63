"""The recogniser through which D sees images: trained first, on the records of the run."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from hwgen.charset import Charset
from hwgen.compute.distributed import Ranks
from hwgen.data import average_down, open_images, to_float, to_tensor
from hwgen.errors import RunError
from hwgen.generators.adversarial.recipe import AdversarialRecipe
from hwgen.imaging.contact_sheets import evenly_spaced
from hwgen.progress import Control
from hwgen.recogniser.feature_maps import FeatureMaps
from hwgen.recogniser.inference import Recogniser
from hwgen.recogniser.mixing import LabelledImages
from hwgen.recogniser.network import LIGHT, RecogniserNetwork, RecogniserRecipe
from hwgen.recogniser.training import train_recogniser
from hwgen.runs import Run
from hwgen.store import Store

FILE = "reader.safetensors"
"""In the run directory."""

_MEASURED = 512  # images of a store over which the maps are scaled

Ids = npt.NDArray[np.int64]


def reader_recipe(recipe: AdversarialRecipe) -> RecogniserRecipe:
    """How the recogniser of a run is trained."""
    return replace(
        LIGHT,
        size=recipe.size,
        oversample=1,  # twice as fast, and D's images are of this size
        steps=recipe.discriminator.reader_steps,
    )


def feature_maps(
    run: Run,
    stores: Sequence[Store],
    recipe: AdversarialRecipe,
    records: Sequence[Ids | None],
    *,
    device: torch.device,
    dtype: torch.dtype,
    control: Control,
    ranks: Ranks,
    reader: Path | None = None,
) -> FeatureMaps | None:
    """The maps that D of a run sees; None if it sees pixels.

    Args:
        run: its recogniser is in FILE, or is trained and written there.
        stores: that the run is trained on.
        recipe: of the run.
        records: of each store, to train on; None for all.
        device: where to train, and of the maps.
        dtype: precision of training.
        control: progress as a note about a training that has not begun, and stop requests.
        ranks: the processes of the run, of which the first trains.
        reader: a recogniser to copy instead of training one.

    Raises:
        RunError: it was stopped, or the file is damaged.
        DivergedError: see train_recogniser.
    """
    if not recipe.discriminator.reader_steps:
        return None
    file = run.path / FILE
    numbers = [
        np.arange(len(store)) if chosen is None else chosen
        for store, chosen in zip(stores, records, strict=True)
    ]

    def write() -> None:
        if file.exists():
            return
        began = time.monotonic()
        if reader is not None:
            recogniser = Recogniser.load(reader, device)
        else:
            recogniser = _trained(stores, recipe, numbers, run.seed, device, dtype, control)
        recogniser.save(file)
        run.log({"images": 0, "reader_seconds": round(time.monotonic() - began, 3)})

    ranks.on_first(write)
    recogniser = Recogniser.load(file, device)
    some = [
        store.images(chosen[evenly_spaced(len(chosen), min(_MEASURED, len(chosen)))])
        for store, chosen in zip(stores, numbers, strict=True)
    ]
    parts = [average_down(to_tensor(images, device), recipe.size) for images in some]
    labels = [label for store in stores for label in store.charset]
    return FeatureMaps(recogniser, recipe.pixels, to_float(torch.cat(parts), recipe.pixels), labels)


def untrained_maps(recipe: AdversarialRecipe, classes: int) -> FeatureMaps:
    """Maps of the right shapes, to count parameters."""
    own = reader_recipe(recipe)
    charset = Charset(tuple(map(str, range(classes))))
    network = RecogniserNetwork(own, classes, recipe.channels)
    images = torch.zeros(2, recipe.channels, recipe.size, recipe.size)
    recogniser = Recogniser(network, own, charset, channels=recipe.channels)
    return FeatureMaps(recogniser, recipe.pixels, images, charset.labels)


def _trained(
    stores: Sequence[Store],
    recipe: AdversarialRecipe,
    numbers: Sequence[Ids],
    seed: int,
    device: torch.device,
    dtype: torch.dtype,
    control: Control,
) -> Recogniser:
    # A character of several stores is one class, since it is to be read in all of them.
    charset = Charset(tuple(dict.fromkeys(label for store in stores for label in store.charset)))
    labels = [np.array(charset.ids(store.charset.labels))[store.labels] for store in stores]
    starts = np.cumsum([0, *map(len, stores)])
    data = LabelledImages(
        open_images(stores, recipe.size, device),
        torch.from_numpy(np.concatenate(labels)).to(device),
        charset,
        stores[0].channels,
        records=np.concatenate([start + n for start, n in zip(starts, numbers, strict=False)]),
    )
    recogniser = train_recogniser(
        data,
        reader_recipe(recipe),
        seed=seed,
        device=device,
        precision="bf16" if dtype == torch.bfloat16 else "fp32",
        progress=_noted(control, recipe.images),
        stop=control.stop,
    )
    if recogniser is None:
        raise RunError(
            "stopped while training the recogniser through which D sees; the generator's training "
            "has not begun",
            remedy="Rerun the command",
        )
    return recogniser


def _noted(control: Control, images: int) -> Callable[[int, int, float], None]:
    def show(done: int, total: int, loss: float) -> None:
        control.progress(
            0, images, f"training D's recogniser: {done:,} of {total:,} steps, loss {loss:.2f}"
        )

    return show
