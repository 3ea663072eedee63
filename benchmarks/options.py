"""Command-line helpers of the benchmarks."""

from __future__ import annotations

import argparse
from collections.abc import Iterable


def make_parser(doc: str | None) -> argparse.ArgumentParser:
    """A parser whose help begins with the script's docstring, as it is written."""
    return argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )


def split_names(
    parser: argparse.ArgumentParser, text: str, kind: str, known: Iterable[str]
) -> list[str]:
    """Names separated by commas; an unknown one ends the command with a usage error.

    Args:
        parser: reports the error.
        text: value of the option.
        kind: of the names, for the error: "arm".
        known: names that are allowed.
    """
    names, allowed = text.split(","), list(known)
    unknown = [name for name in names if name not in allowed]
    if unknown:
        parser.error(f"unknown {kind} {', '.join(unknown)}; choose from {', '.join(allowed)}")
    return names
