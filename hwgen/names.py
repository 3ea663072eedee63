"""Names that a user may have meant: the "Did you mean ...?" of every error."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

MAX_SHOWN = 3
"""Names that are suggested, at most."""


def similar_names(name: str, names: Iterable[str], *, cutoff: float = 0.6) -> list[str]:
    """At most MAX_SHOWN of the names that are like one, the nearest first.

    Args:
        name: that a user typed.
        names: that there are.
        cutoff: least likeness, 0 to 1, see difflib.get_close_matches.
    """
    return difflib.get_close_matches(name, list(names), n=MAX_SHOWN, cutoff=cutoff)


def did_you_mean(names: Iterable[object]) -> str:
    """The question, with at most MAX_SHOWN names."""
    return f"Did you mean {' or '.join([str(name) for name in names][:MAX_SHOWN])}?"


def suggest(name: str, names: Iterable[str]) -> str:
    """Which of the names someone may have meant, or all of them: a remedy for an error."""
    names = list(names)
    near = similar_names(name, names, cutoff=0.4)
    return did_you_mean(near) if near else f"Known: {', '.join(names)}"


def suggest_field(path: str, paths: Iterable[str]) -> str:
    """As `suggest` of dotted names; the last part alone may be meant: `lr` for `optimizer.lr_g`."""
    paths = list(paths)
    lasts = {known: known.rpartition(".")[2] for known in paths}
    near = similar_names(path.rpartition(".")[2], set(lasts.values()))
    like = [known for known in paths if lasts[known] in near]
    if not like:
        return suggest(path, paths)
    # Of equal last parts the one whose others are alike.
    like.sort(key=lambda known: -difflib.SequenceMatcher(None, path, known).ratio())
    return did_you_mean(like)
