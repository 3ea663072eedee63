"""TOML files, read with a limit on their size, since they may be untrusted input."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from hwgen.errors import InputError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

MAX_BYTES = 1 << 20


def read_toml(file: Path) -> dict[str, Any]:
    """The content of a TOML file.

    Raises:
        InputError: it is not TOML, or larger than MAX_BYTES.
        OSError: reading it fails.
    """
    with open(file, "rb") as stream:
        data = stream.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise InputError(f"expected at most {MAX_BYTES:,} bytes", where=str(file))
    try:
        return tomllib.loads(data.decode())
    except (ValueError, RecursionError) as error:
        raise InputError(f"is not TOML ({error})", where=str(file)) from None
