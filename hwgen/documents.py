"""In: a JSON file that may be anybody's. Out: its fields in the types that they should have.

An error names the file, the place in it and what to do; it is one of hwgen's, whatever is wrong.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hwgen import system
from hwgen.errors import HwgenError, InputError
from hwgen.files import read_json


@contextmanager
def reading(
    file: Path, what: str, remedy: str = "", *, raising: type[HwgenError] = InputError
) -> Iterator[None]:
    """What fails within for the file's sake is told as such.

    Args:
        file: that is read.
        what: it should be: "a benchmark".
        remedy: what the user can do.
        raising: the kind of error.

    Raises:
        HwgenError: of that kind, for an OSError, ValueError or InputError.
    """
    try:
        yield
    except (OSError, ValueError, InputError) as error:
        raise raising(
            f"is not {what} this hwgen can read ({system.reason(error)})",
            where=str(file),
            remedy=system.remedy(error, otherwise=remedy),
        ) from None


def read_object(file: Path, format: str = "", version: int = 1) -> dict[str, Any]:
    """The JSON object in a file.

    Args:
        file: see `hwgen.files.read_json`.
        format: what its "format" must be, with "format_version"; "" where it has none.
        version: see there.

    Raises:
        ValueError: it is not JSON, no object, or of another format.
        OSError: it cannot be read.
    """
    plain = read_json(file)
    if not isinstance(plain, dict):
        raise ValueError(f"an object is expected, found {plain!r:.60}")
    found = (plain.get("format"), plain.get("format_version"))
    if format and found != (format, version):
        raise ValueError(f"format {found[0]!r:.60} version {found[1]!r:.60}")
    return plain
