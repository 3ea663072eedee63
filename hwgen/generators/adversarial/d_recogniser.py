"""The recogniser through which D sees images: trained first, on the records of the run.

A training that was stopped or killed is resumed from its checkpoint beside FILE.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from hwgen.charset import Charset
from hwgen.compute.distributed import Ranks
from hwgen.data import ImageSet, average_down, parts_of, to_float, to_tensor
from hwgen.errors import DivergedError, RunError
from hwgen.generators.adversarial.recipe import AdversarialRecipe
from hwgen.imaging.contact_sheets import evenly_spaced
from hwgen.progress import Control, Pace
from hwgen.recogniser.checkpoint import TrainingCheckpoint
from hwgen.recogniser.feature_maps import FeatureMaps
from hwgen.recogniser.inference import Recogniser
from hwgen.recogniser.mixing import LabelledImages
from hwgen.recogniser.network import (
    LIGHT,
    RecogniserNetwork,
    RecogniserRecipe,
    recipe_to_json,
)
from hwgen.recogniser.store_checks import RECORDS
from hwgen.recogniser.training import train_recogniser
from hwgen.runs import Run
from hwgen.runs.run_directory import last_logged
from hwgen.store import Store
from hwgen.store.overlap import sample

FILE = "recogniser.safetensors"
"""In the run directory."""

_MEASURED = 512  # images over which the maps are scaled

Ids = npt.NDArray[np.int64]


def recogniser_recipe(recipe: AdversarialRecipe) -> RecogniserRecipe:
    """How the recogniser of a run is trained."""
    return replace(
        LIGHT,
        size=recipe.size,
        oversample=1,  # twice as fast, and D's images are of this size
        steps=recipe.discriminator.recogniser_steps,
        balanced=recipe.balanced,
    )


def feature_maps(
    run: Run,
    stores: Sequence[Store],
    recipe: AdversarialRecipe,
    records: Sequence[Ids | None],
    *,
    images: ImageSet,
    begun: bool,
    device: torch.device,
    dtype: torch.dtype,
    control: Control,
    ranks: Ranks,
    copy_of: Path | None = None,
) -> FeatureMaps | None:
    """The maps that D of a run sees; None if it sees pixels.

    Args:
        run: its recogniser is in FILE, or is trained and written there.
        stores: that the run is trained on.
        recipe: of the run.
        records: of each store, to train on; None for all.
        images: of the stores, one after the other, at the recipe's size.
        begun: whether D has been trained with the recogniser in FILE.
        device: where to train, and of the maps.
        dtype: precision of training.
        control: progress as a note about a training that has not begun, and stop requests; the
            recogniser's training is saved then.
        ranks: the processes of the run, of which the first trains.
        copy_of: file of a recogniser to copy instead of training one.

    Raises:
        RunError: it was stopped or diverged, or the file is missing, damaged or another run's.
    """
    if not recipe.discriminator.recogniser_steps:
        return None
    file = run.path / FILE
    own = {"run": run.id, "recipe": recipe_to_json(recogniser_recipe(recipe))}
    checkpoint = TrainingCheckpoint(file, own)
    numbers = [
        np.arange(len(store)) if chosen is None else chosen
        for store, chosen in zip(stores, records, strict=True)
    ]

    def write() -> None:
        if file.exists():
            checkpoint.remove()  # that of a process killed before it did
            return
        if begun:
            raise RunError(
                "is missing: the recogniser through which D has seen images so far",
                where=str(file),
                remedy="Restore it, or start a new run in another --out",
            )
        began = time.monotonic()
        if copy_of is not None:
            recogniser = Recogniser.load(copy_of, device)
        else:
            recogniser = _trained(
                stores,
                recipe,
                images,
                records,
                seed=run.seed,
                device=device,
                dtype=dtype,
                control=control,
                checkpoint=checkpoint,
            )
            # Others may start from it, who must not test on these records.
            samples = [sample(*each) for each in zip(stores, numbers, strict=True)]
            recogniser.provenance[RECORDS] = [one for some in samples for one in some]
        # Before the file, which keeps a rerun from coming here; killed in between, it is there.
        if not any("recogniser_seconds" in entry for entry in run.read_log()):
            seconds = checkpoint.seconds_before + time.monotonic() - began
            run.log({"images": 0, "recogniser_seconds": round(seconds, 3)})
        recogniser.save(file)
        checkpoint.remove()

    ranks.on_first(write)
    with ranks.agreed():
        recogniser = Recogniser.load(file, device)
        _check_fits(recogniser, recipe, file)
        measured = max(1, _MEASURED // len(stores))
        parts = [
            store.images(chosen[evenly_spaced(len(chosen), min(measured, len(chosen)))])
            for store, chosen in zip(stores, numbers, strict=True)
        ]
        some = torch.cat([average_down(to_tensor(part, device), recipe.size) for part in parts])
        labels = [label for store in stores for label in store.charset]
        return FeatureMaps(recogniser, recipe.pixels, to_float(some, recipe.pixels), labels)


def untrained_maps(recipe: AdversarialRecipe, classes: int) -> FeatureMaps:
    """Maps of the right shapes, to count parameters."""
    own = recogniser_recipe(recipe)
    charset = Charset(tuple(map(str, range(classes))))
    network = RecogniserNetwork(own, classes, recipe.channels)
    images = torch.zeros(2, recipe.channels, recipe.size, recipe.size)
    recogniser = Recogniser(network, own, charset, channels=recipe.channels)
    return FeatureMaps(recogniser, recipe.pixels, images, charset.labels)


def _check_fits(recogniser: Recogniser, recipe: AdversarialRecipe, file: Path) -> None:
    """Refuse a recogniser of other shapes than the recipe's.

    Raises:
        RunError: see above.
    """
    own, there = recogniser_recipe(recipe), recogniser.recipe
    fields = ("size", "widths", "grid", "hidden")
    if recogniser.channels != recipe.channels or any(
        getattr(own, field) != getattr(there, field) for field in fields
    ):
        raise RunError(
            "is not the recogniser that this run's D sees through",
            where=str(file),
            remedy="Restore the file, or start a new run in another --out",
        )


def _trained(
    stores: Sequence[Store],
    recipe: AdversarialRecipe,
    images: ImageSet,
    records: Sequence[Ids | None],
    *,
    seed: int,
    device: torch.device,
    dtype: torch.dtype,
    control: Control,
    checkpoint: TrainingCheckpoint,
) -> Recogniser:
    """A recogniser of these records, equally many of each store in each batch; see feature_maps."""
    # A character of several stores is one class, since it is to be read in all of them.
    charset = Charset(tuple(dict.fromkeys(label for store in stores for label in store.charset)))
    labels = [np.array(charset.ids(store.charset.labels))[store.labels] for store in stores]
    data = LabelledImages(
        images,
        torch.from_numpy(np.concatenate(labels)).to(device),
        charset,
        stores[0].channels,
        parts=parts_of(stores, records),
    )
    try:
        recogniser = train_recogniser(
            data,
            recogniser_recipe(recipe),
            seed=seed,
            device=device,
            precision="bf16" if dtype == torch.bfloat16 else "fp32",
            progress=_noted(control, recipe.images),
            stop=control.stop,
            checkpoint=checkpoint,
        )
    except DivergedError as error:  # no divergence of the generator, which a rollback would mend
        raise RunError(
            f"the recogniser through which D sees: {error.what}",
            remedy="Use --precision fp32, another --seed, or other discriminator.recogniser_steps",
        ) from None
    if recogniser is None:
        raise RunError(
            "stopped while training the recogniser through which D sees; the generator's training "
            "has not begun",
            remedy="Rerun the command to resume",
        )
    return recogniser


def _noted(control: Control, images: int) -> Callable[[int, int, float], None]:
    pace = Pace("steps")

    def show(done: int, total: int, loss: float) -> None:
        state = (f"{done:,} of {total:,} steps", pace.text(done, total), f"loss {loss:.2f}")
        control.progress(0, images, f"training D's recogniser: {', '.join(filter(None, state))}")

    return show


def seconds_of(run: Run) -> float:
    """Time that the training of a run's recogniser took; 0 without one."""
    seconds = last_logged(run.read_log(), "recogniser_seconds") or 0.0
    return seconds if 0 <= seconds < math.inf else 0.0
