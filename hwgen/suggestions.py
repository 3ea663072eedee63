"""Suggestions for misspelt names: the "Did you mean ...?" of all errors."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

MAX_SHOWN = 3
"""Maximum number of names suggested."""


def similar_names(name: str, names: Iterable[str], *, cutoff: float = 0.6) -> list[str]:
    """At most MAX_SHOWN of the names that are similar to one, most similar first.

    Args:
        name: what the user typed.
        names: the names that exist.
        cutoff: minimum similarity, 0 to 1, see difflib.get_close_matches.
    """
    return difflib.get_close_matches(name, list(names), n=MAX_SHOWN, cutoff=cutoff)


def did_you_mean(names: Iterable[object]) -> str:
    """`Did you mean a or b?`, with at most MAX_SHOWN names."""
    return f"Did you mean {' or '.join([str(name) for name in names][:MAX_SHOWN])}?"


def meant_names(
    name: str, names: Iterable[str], words: Mapping[str, Sequence[str]], *, cutoff: float = 0.5
) -> list[str]:
    """At most MAX_SHOWN of the names that a user may mean.

    Args:
        name: what the user typed.
        names: the names that exist.
        words: names for words that are not similar to them, such as those of other programs.
        cutoff: see `similar_names`.
    """
    names = list(names)
    meant = [one for one in words.get(name, ()) if one in names]
    return meant[:MAX_SHOWN] or similar_names(name, names, cutoff=cutoff)


def suggest(
    name: str, names: Iterable[str], words: Mapping[str, Sequence[str]] = MappingProxyType({})
) -> str:
    """A remedy for an unknown name: names that may be meant, or all; see `meant_names`."""
    names = list(names)
    near = meant_names(name, names, words)
    return did_you_mean(near) if near else f"Known: {', '.join(names)}"


def suggest_field(path: str, paths: Iterable[str]) -> str:
    """`suggest` for dotted names; also finds `optimizer.lr_g` for `lr`."""
    paths = list(paths)
    lasts = {known: known.rpartition(".")[2] for known in paths}
    near = similar_names(path.rpartition(".")[2], set(lasts.values()))
    like = [known for known in paths if lasts[known] in near]
    if not like:
        return suggest(path, paths)
    # Among fields with equal last names, the most similar path comes first.
    like.sort(key=lambda known: -difflib.SequenceMatcher(None, path, known).ratio())
    return did_you_mean(like)
