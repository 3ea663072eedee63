"""In: a recogniser and what it shall read. Out: where its classes lie, or why it cannot."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hwgen.charset import Charset
from hwgen.errors import CharsetError, InputError
from hwgen.recogniser.inference import ClassIds, Recogniser


def places_of(
    recogniser: Recogniser, charset: Charset, class_ids: Sequence[int] | None = None
) -> ClassIds:
    """The recogniser's class id of each class of a charset, int64 [len(charset)].

    It may know more characters, and in another order.

    Args:
        recogniser: reads.
        charset: of the samples.
        class_ids: classes that there will be samples of; None is all. Others may be unknown: -1.

    Raises:
        CharsetError: names the characters that it does not know.
    """
    known = recogniser.charset
    wanted = list(charset) if class_ids is None else [charset[i] for i in class_ids]
    unknown = [label for label in wanted if label not in known]
    if unknown:
        shown = "".join(unknown[:40]) + ("…" if len(unknown) > 40 else "")
        raise CharsetError(
            f"the recogniser knows {len(known)} characters, and not these {len(unknown)} of the "
            f"{len(wanted)} it should read: {shown}",
            remedy="Train one on a store with all of them: hwgen benchmark --train",
        )
    return np.array([known.id(label) if label in known else -1 for label in charset], np.int64)


def check_readable(recogniser: Recogniser, size: int, channels: int) -> None:
    """Refuse samples that the recogniser cannot read.

    Raises:
        InputError: they are too small for it or have other channels.
    """
    if size < recogniser.recipe.size or channels != recogniser.channels:
        raise InputError(
            f"the recogniser reads pictures of {recogniser.recipe.size} pixels or more with "
            f"{recogniser.channels} channels, the samples have {size} and {channels}",
            remedy="Train a recogniser of that size: hwgen benchmark --size",
        )
