"""Stores and runs to what others read: one small file a format, and one way of writing them."""

from hwgen.exports.export import Export, export_store
from hwgen.exports.formats import FORMATS
from hwgen.exports.records import Shards
from hwgen.exports.selection import Selection

__all__ = ["FORMATS", "Export", "Selection", "Shards", "export_store"]
