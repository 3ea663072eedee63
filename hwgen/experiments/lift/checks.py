"""In: what a protocol is to be run on. Out: an error for what would fail late, or mislead."""

from __future__ import annotations

from collections.abc import Sequence

from hwgen.errors import InputError
from hwgen.experiments.lift.generators import Generator
from hwgen.experiments.lift.trials import ARMS
from hwgen.recogniser.inference import Recogniser
from hwgen.recogniser.network import RecogniserNetwork, RecogniserRecipe
from hwgen.recogniser.store_checks import check_alike, check_real, check_unseen
from hwgen.recogniser.training import take_over
from hwgen.store import Store


def check_stores(train: Store, test: Store, recipe: RecogniserRecipe) -> None:
    """Refuse stores that cannot be drawn from, or be judged on.

    Raises:
        InputError: a store is synthetic, empty, too small, or of other channels; both are one.
        CharsetError: their charsets differ.
    """
    for store in (train, test):
        check_real(
            store,
            what="the store",
            remedy="A protocol draws from real handwriting and is judged on it",
        )
    if train.manifest.content_sha256 == test.manifest.content_sha256:
        raise InputError("is the train store too", where=str(test.path))
    check_alike(
        (train, test),
        charset=train.charset,
        channels=train.channels,
        size=recipe.size,
        whose=str(train.path),
    )


def check_foreknowledge(
    train: Store, test: Store, generator: Generator, start: Recogniser | None
) -> None:
    """Refuse a generator or a start that saw more of these stores than a draw may show.

    Raises:
        InputError: one has learnt from a store.
    """
    learnt = {} if start is None else start.provenance
    for store in (train, test):
        check_unseen(store, learnt, by="the recogniser to start from")
        if store.manifest.content_sha256 == generator.learnt_from:
            raise InputError(
                "the generator has learnt from this store",
                where=str(store.path),
                remedy="Give one that has learnt from other data",
            )


def check_start(
    train: Store, recipe: RecogniserRecipe, arms: Sequence[str], start: Recogniser | None
) -> None:
    """Refuse pretrained arms without a start that fits.

    Raises:
        InputError: there is none, or its layers are others.
    """
    if start is not None:
        take_over(RecogniserNetwork(recipe, len(train.charset), train.channels), start)
    elif any(ARMS[arm].pretrained for arm in arms):
        raise InputError(
            "there is no recogniser for the pretrained arms to start from",
            remedy="Give one as --init-from, or leave these arms out",
        )
