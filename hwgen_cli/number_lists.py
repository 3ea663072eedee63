"""Options that take several numbers, and numbers of training steps."""

from __future__ import annotations

from collections.abc import Mapping

CONVERGED = "converged"
"""In place of a number of steps: until more no longer help."""


def budgets_of(text: str) -> tuple[int, ...]:
    """Numbers of steps to try, of `1000`, `1000,3000`, `converged` or `converged:64000`.

    Raises:
        InputError: it is nothing of these.
    """
    from hwgen.errors import InputError
    from hwgen.experiments.convergence import MAX_STEPS, doubling

    if not until_converged(text):
        return numbers("--steps", text, or_else=CONVERGED) or ()
    _, colon, most = text.partition(":")
    if colon and not _is_number(most.strip()):
        raise InputError(
            f"expected one whole number above 0 after {CONVERGED}:, found {most}",
            remedy=f"Example: --steps {CONVERGED}:64000",
        )
    return doubling(int(most) if colon else MAX_STEPS)


def until_converged(text: str) -> bool:
    """Whether a value of --steps is `converged` or begins with `converged:`."""
    return text.partition(":")[0].strip() == CONVERGED


def numbers(
    option: str, text: str | None, words: Mapping[str, int] | None = None, or_else: str = ""
) -> tuple[int, ...] | None:
    """Different whole numbers above 0, separated by commas.

    Args:
        option: name of the option, for the error message.
        text: its value; None gives None.
        words: texts that stand for a number.
        or_else: what the option takes in place of numbers, for the error message.

    Raises:
        InputError: the text is something else.
    """
    from hwgen.errors import InputError

    if text is None:
        return None
    found, words = parts(text), words or {}
    if not all(part in words or _is_number(part) for part in found) or len(set(found)) < len(found):
        also = "".join(f" or {word}" for word in words)
        or_else = f", or {or_else}" if or_else else ""
        raise InputError(
            f"{option} must be different whole numbers above 0{also}, separated by commas"
            f"{or_else}, found {text}",
            remedy=f"Example: {option} 10,50",
        )
    return tuple(words[part] if part in words else int(part) for part in found)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and 0 < float(text) < 2**63


def parts(text: str) -> list[str]:
    """Texts between commas."""
    return [part.strip() for part in text.split(",")]
