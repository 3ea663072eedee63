"""The classes that a recogniser misreads most, and what it reads instead."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from hwgen.charset import Charset
from hwgen.recogniser.reader import ClassIds
from hwgen.results.parts import WorstClass

WORST = 20
"""Most classes that are listed."""


def worst_classes(
    best: Sequence[ClassIds], labels: ClassIds, charset: Charset
) -> tuple[WorstClass, ...]:
    """The classes that were misread most, the worst first, at most WORST.

    Args:
        best: class ids int64 [N, k] for each seed, the most probable class first.
        labels: class ids, int64 [N].
        charset: class order.

    Returns:
        Classes with at least one error; counts are over all seeds.
    """
    read = np.concatenate([ids[:, 0] for ids in best])
    true = np.tile(labels, len(best))
    wrong: npt.NDArray[np.bool_] = read != true
    counts = np.bincount(true, minlength=len(charset))
    errors = np.bincount(true[wrong], minlength=len(charset))
    rates = errors / np.maximum(counts, 1)
    worst = [c for c in np.argsort(-rates, kind="stable")[:WORST].tolist() if errors[c]]
    return tuple(
        WorstClass(
            label=charset[class_id],
            accuracy=float(1 - rates[class_id]),
            count=int(counts[class_id]),
            read_as={
                charset[other]: times
                for other, times in Counter(read[wrong & (true == class_id)].tolist()).most_common()
            },
        )
        for class_id in worst
    )
