"""Stores and runs to what others read: one small file a format, and one way of writing them."""

from hwgen.exports.export import Export, export_store
from hwgen.exports.formats import FORMATS, RUN_FORMATS
from hwgen.exports.records import Shards
from hwgen.exports.selection import Selection

__all__ = ["FORMATS", "RUN_FORMATS", "Export", "Selection", "Shards", "export_store"]
