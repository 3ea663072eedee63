"""Mapping of a charset to the classes of a recogniser, and checks that it can read a store."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hwgen.charset import Charset
from hwgen.errors import CharsetError, InputError
from hwgen.recogniser.inference import ClassIds, Recogniser


def map_classes(
    recogniser: Recogniser, charset: Charset, class_ids: Sequence[int] | None = None
) -> ClassIds:
    """The recogniser's class id of each class of a charset.

    The recogniser may have more classes, in another order.

    Args:
        recogniser: that reads the samples.
        charset: of the samples.
        class_ids: classes that have samples; None: all.

    Returns:
        int64 [len(charset)]; -1 for a class without samples that the recogniser does not have.

    Raises:
        CharsetError: the recogniser does not have some of the classes.
    """
    known = recogniser.charset
    labels = list(charset) if class_ids is None else [charset[i] for i in class_ids]
    unknown = [label for label in labels if label not in known]
    if unknown:
        shown = "".join(unknown[:40]) + ("…" if len(unknown) > 40 else "")
        raise CharsetError(
            f"the recogniser has {len(known)} classes, but not these {len(unknown)} of "
            f"{len(labels)}: {shown}",
            remedy="Train one on a store with all of them: hwgen benchmark --train",
        )
    return np.array([known.id(label) if label in known else -1 for label in charset], np.int64)


def check_readable(recogniser: Recogniser, size: int, channels: int) -> None:
    """Refuse images that the recogniser cannot read.

    Args:
        recogniser: that reads them.
        size: of the images, in pixels.
        channels: of the images.

    Raises:
        InputError: they are too small, or have another number of channels.
    """
    if channels != recogniser.channels:
        colours = {1: "grey", 3: "colour"}
        raise InputError(
            f"the recogniser reads {colours[recogniser.channels]} images, found "
            f"{colours[channels]} ones",
            remedy="Train a recogniser on such images: hwgen benchmark",
        )
    if size < recogniser.recipe.size:
        raise InputError(
            f"the recogniser reads images of at least {recogniser.recipe.size} pixels, found "
            f"{size}",
            remedy="Train a recogniser for such images: hwgen benchmark --size",
        )
