"""Stores: labelled images of one size in an LMDB with a manifest."""

from hwgen.io.neighbours import partial_path
from hwgen.store.layout import Manifest, is_store, looks_like_store
from hwgen.store.reader import Store, open_store, record_number
from hwgen.store.staging import check_place, remove_leftovers
from hwgen.store.writer import StoreWriter

__all__ = [
    "Manifest",
    "Store",
    "StoreWriter",
    "check_place",
    "is_store",
    "looks_like_store",
    "open_store",
    "partial_path",
    "record_number",
    "remove_leftovers",
]
