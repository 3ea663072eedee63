"""The one resting place of records: an LMDB and its manifest; layout, place, reader, writer."""

from hwgen.io.staging import partial_path
from hwgen.store.layout import Manifest, is_some_store, is_store
from hwgen.store.reader import Store
from hwgen.store.staging import sweep
from hwgen.store.writer import StoreWriter

__all__ = ["Manifest", "Store", "StoreWriter", "is_some_store", "is_store", "partial_path", "sweep"]
