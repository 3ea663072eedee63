"""The one resting place of records: an LMDB and its manifest; layout, reader, writer."""

from hwgen.store.layout import Manifest, is_store, partial_path
from hwgen.store.reader import Store
from hwgen.store.writer import StoreWriter, sweep

__all__ = ["Manifest", "Store", "StoreWriter", "is_store", "partial_path", "sweep"]
