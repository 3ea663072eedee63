"""Exports of stores and runs to the formats of other software: one file and one line per format.

Importing this package or its list of formats imports no other library, so that `hwgen --help` is
fast.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from hwgen.exports.formats import FORMATS

if TYPE_CHECKING:
    from hwgen.exports.export import Export, export_store
    from hwgen.exports.records import Shards
    from hwgen.exports.selection import Selection

__all__ = ["FORMATS", "Export", "Selection", "Shards", "export_store"]

_MODULES = {
    "Export": "export",
    "Selection": "selection",
    "Shards": "records",
    "export_store": "export",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
