"""In: the names that an option takes. Out: what the shell offers for a word that is begun."""

from __future__ import annotations

from collections.abc import Callable, Iterable


def one_of(names: Iterable[str]) -> Callable[[str], list[str]]:
    """For `autocompletion` of an option: the names that begin as what was typed."""
    known = list(names)

    def begun(incomplete: str) -> list[str]:
        return [name for name in known if name.startswith(incomplete)]

    return begun
