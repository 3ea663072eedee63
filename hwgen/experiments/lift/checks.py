"""Checks of a lift's stores, generator and pretrained weights, before any work."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from hwgen.errors import InputError
from hwgen.experiments.lift.arms import ARMS
from hwgen.experiments.lift.generators import Generator
from hwgen.recogniser.inference import Recogniser
from hwgen.recogniser.network import RecogniserNetwork, RecogniserRecipe
from hwgen.recogniser.store_checks import (
    check_alike,
    check_real,
    check_separate,
    check_unseen,
    hashes_of,
)
from hwgen.recogniser.training import copy_weights
from hwgen.store import Store


def check_stores(train: Store, test: Store, recipe: RecogniserRecipe) -> None:
    """Refuse stores that trials cannot train or be tested on.

    Raises:
        InputError: a store is synthetic, empty, too small, or of other channels; both are one.
        CharsetError: their charsets differ.
    """
    for store in (train, test):
        check_real(store, what="the store", remedy="Give real samples as --train and --test")
    check_separate(test, train, of="the train store")
    check_alike(
        (train, test),
        charset=train.charset,
        channels=train.channels,
        size=recipe.smallest,
        owner=str(train.path),
    )


def check_sharpness(stores: Sequence[Store], recipe: RecogniserRecipe) -> None:
    """Refuse to mix enlarged images with sharper ones, which would give classes away.

    Args:
        stores: real and synthetic samples of one training.
        recipe: of the recogniser.

    Raises:
        InputError: some are smaller than the recogniser reads, and others are not as small.
    """
    sizes = [store.size for store in stores]
    if min(sizes) < min(recipe.size, max(sizes)):
        raise InputError(
            f"samples of {min(sizes)} pixels would be enlarged beside sharper ones of {max(sizes)}",
            where=str(stores[sizes.index(min(sizes))].path),
            remedy=f"Prepare --train and --test with --size {min(sizes)}, or use a recogniser that "
            f"reads {min(sizes)} pixels",
        )


def check_rare(test: Store, classes: Sequence[int]) -> None:
    """Refuse a test store without samples of the rare classes.

    Args:
        test: samples that recognisers are tested on.
        classes: ids of the rare classes.

    Raises:
        InputError: it has none.
    """
    if not np.isin(test.labels, classes).any():
        raise InputError(
            "has no sample of the rare classes to test on",
            where=str(test.path),
            remedy="Give a --test with samples of these classes, or name others as --rare",
        )


def check_unseen_by(
    generators: Iterable[Generator], init_from: Recogniser | None, *, stores: Sequence[Store]
) -> None:
    """Refuse a generator or pretrained weights that were trained on one of the stores.

    Raises:
        InputError: one was.
    """
    provenance = {} if init_from is None else init_from.provenance
    trained_on = set[str]().union(*(generator.trained_on for generator in generators))
    for store in stores:
        check_unseen(store, provenance, by="the recogniser to start from")
        if hashes_of(store) & trained_on:
            raise InputError(
                "a generator was trained on this store",
                where=str(store.path),
                remedy="Give a generator that was trained on other data",
            )


def check_start(
    train: Store, recipe: RecogniserRecipe, arms: Sequence[str], init_from: Recogniser | None
) -> None:
    """Refuse pretrained arms without matching pretrained weights.

    Raises:
        InputError: there are none, or their layers differ from the recipe's.
    """
    if init_from is not None:
        copy_weights(RecogniserNetwork(recipe, len(train.charset), train.channels), init_from)
    elif any(ARMS[arm].pretrained for arm in arms):
        raise InputError(
            "no recogniser for the pretrained arms to start from",
            remedy="Give one as --init-from: simulated comes with hwgen, for --recogniser-preset "
            "light; or leave these arms out",
        )
