"""Mapping of a charset to the classes of a reader."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hwgen.charset import Charset
from hwgen.errors import CharsetError
from hwgen.recogniser.reader import ClassIds, Reader


def map_classes(
    reader: Reader, charset: Charset, class_ids: Sequence[int] | None = None
) -> ClassIds:
    """The reader's class id of each class of a charset.

    The reader may have more classes, in another order.

    Args:
        reader: that reads the samples.
        charset: of the samples.
        class_ids: classes that have samples; None: all.

    Returns:
        int64 [len(charset)]; -1 for a class without samples that the reader does not have.

    Raises:
        CharsetError: the reader does not have some of the classes.
    """
    known = reader.charset
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
