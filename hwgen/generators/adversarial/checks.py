"""Checks before training: store, batch, processes and device fit the recipe."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from hwgen.compute.distributed import Ranks
from hwgen.errors import InputError
from hwgen.generators.adversarial.recipe import AdversarialRecipe
from hwgen.record import check_channels
from hwgen.store import Store


def check_stores(stores: Sequence[Store], recipe: AdversarialRecipe) -> None:
    """Check that a recipe can be trained on some stores together.

    Raises:
        InputError: see `check_store`; or one is given twice, or the batch cannot be divided evenly.
    """
    for store in stores:
        check_store(store, recipe)
    hashes = [store.manifest.content_sha256 for store in stores]
    for number, store in enumerate(stores):
        if hashes[number] in hashes[:number]:
            raise InputError(
                "has the same records as a store before it",
                where=str(store.path),
                remedy="Give each store once",
            )
    if recipe.batch % len(stores):
        raise InputError(
            f"a batch of {recipe.batch} cannot be divided evenly among {len(stores)} stores",
            remedy=f"Give --batch {-(-recipe.batch // len(stores)) * len(stores)}",
        )


def check_store(store: Store, recipe: AdversarialRecipe) -> None:
    """Check that a recipe can be trained on a store.

    Raises:
        InputError: channels or size differ, or a class has no record and the recipe needs some.
    """
    where = str(store.path)
    check_channels(store.channels, recipe.channels, where)
    if store.size < recipe.size or not len(store):
        raise InputError(
            f"the store has {len(store)} images of {store.size} pixels, {recipe.preset} expects at "
            f"least one, of {recipe.size} pixels or more",
            where=where,
            remedy=f"Prepare the store with --size {recipe.size} or more",
        )
    empty = store.manifest.class_counts.count(0)
    if recipe.conditional and empty and not recipe.skips_empty:
        raise InputError(
            f"{empty} of the {len(store.charset)} classes have no record to learn from",
            where=where,
            remedy="Prepare the store with --drop-empty",
        )


def check_processes(
    recipe: AdversarialRecipe, device: torch.device, ranks: Ranks, *, cuda_graphs: bool
) -> None:
    """Check the number of processes and their device.

    Raises:
        InputError: the batch is not a multiple of the number of processes; or CUDA graphs are asked
            for on a CPU or with several processes.
    """
    if cuda_graphs and (device.type != "cuda" or ranks.size > 1):
        raise InputError(
            "CUDA graphs need one process on a GPU, found "
            f"{ranks.size} process{'es' if ranks.size > 1 else ''} on {device.type}",
            remedy="Omit --cuda-graphs",
        )
    if recipe.batch % ranks.size:
        fitting = max(n for n in range(1, ranks.size) if recipe.batch % n == 0)
        raise InputError(
            f"a batch of {recipe.batch} cannot be divided evenly among {ranks.size} processes",
            remedy=f"Start {fitting} of them, or choose another --batch for a new run",
        )
