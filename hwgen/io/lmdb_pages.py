"""A check of LMDB files before LMDB opens them, since they may be truncated or untrusted.

LMDB reads through a memory map and trusts its pages: a truncated file crashes the process (SIGBUS),
and so can a forged offset (SIGSEGV). No library checks this. Without the check, 30 of 1,500
mutated files ended the process; with it, none did
(benchmarks/results/fuzz-2026-11-23-2cpu/README.md).

All that LMDB follows to find a value is checked with plain reads: the two meta pages, the branch
and leaf pages of the main tree, and that each value lies within the file. Values on overflow pages
are not read, so the check takes a small fraction of the time of reading them.

The format is that of LMDB 0.9 on a 64-bit little-endian machine (lmdb.h, mdb.c: MDB_meta, MDB_db,
MDB_page, MDB_node), data version 1.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import BinaryIO

_MAGIC, _DATA_VERSION = 0xBEEFC0DE, 1
_BRANCH, _LEAF, _META = 1, 2, 8
_BIG_DATA = 1
"""Flag of a node whose value lies on overflow pages; other flags belong to nested databases."""

_NO_PAGE = (1 << 64) - 1
_PAGE = struct.Struct("<QHHHH")  # number, padding, flags, end of the pointers, begin of the nodes
_NODE = struct.Struct("<HHHH")  # size or page number in three parts, flags in the third; key size
_META_HEAD = struct.Struct("<IIQQ")  # magic, version, address, map size
_TREE = struct.Struct("<IHHQQQQQ")  # page size, flags, depth, pages of three kinds, entries, root
_META_TAIL = struct.Struct("<QQ")  # last page, transaction
_MAX_DEPTH = 32


def check_pages(path: Path) -> None:
    """Check a whole data.mdb.

    Raises:
        ValueError: not an LMDB file, or LMDB would read beyond its end; says where.
        OSError: the file cannot be read.
    """
    with open(path, "rb") as file:
        _Pages(file).check()


class _Pages:
    """One pass over the tree of a file."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._size = os.fstat(file.fileno()).st_size
        self._page_bytes = 512  # until the first meta page is read
        self._last = 0
        self._seen: set[int] = set()
        self._key = b""

    def check(self) -> None:
        page_bytes, last, transaction, flags, root = self._meta(0)
        if not (512 <= page_bytes <= 0x8000 and page_bytes & (page_bytes - 1) == 0):
            raise ValueError(f"expected a page size of 512 to 32768 bytes, found {page_bytes}")
        self._page_bytes = page_bytes
        other = self._meta(1)
        if other[0] != page_bytes:
            raise ValueError(
                f"the two meta pages give page sizes of {page_bytes} and {other[0]} bytes"
            )
        if other[2] > transaction:
            _, last, _, flags, root = other
        if flags:
            raise ValueError(f"the main tree has flags {flags:#x}, expected 0")
        self._last = last
        if root != _NO_PAGE:
            self._tree(root, 1)

    def _meta(self, number: int) -> tuple[int, int, int, int, int]:
        """Page size, last page, transaction; flags and root of the main tree."""
        page = self._read(number, _PAGE.size + _META_HEAD.size + 2 * _TREE.size + _META_TAIL.size)
        magic, version, _, _ = _META_HEAD.unpack_from(page, _PAGE.size)
        if not _PAGE.unpack_from(page)[2] & _META or (magic, version) != (_MAGIC, _DATA_VERSION):
            raise ValueError("not an LMDB file of data version 1")
        at = _PAGE.size + _META_HEAD.size
        page_bytes = _TREE.unpack_from(page, at)[0]
        _, flags, *_, root = _TREE.unpack_from(page, at + _TREE.size)
        last, transaction = _META_TAIL.unpack_from(page, at + 2 * _TREE.size)
        return page_bytes, last, transaction, flags, root

    def _tree(self, number: int, depth: int) -> None:
        """Check a page and its subtree; keys must ascend, or LMDB would not find them."""
        if depth > _MAX_DEPTH or number in self._seen:
            raise ValueError(f"page {number} is its own ancestor or too deep in the tree")
        self._seen.add(number)
        page = self._read(number, self._page_bytes)
        own, _, kind, lower, upper = _PAGE.unpack_from(page)
        count = (lower - _PAGE.size) // 2
        least = {_BRANCH: 2, _LEAF: 1}.get(kind, 1)
        if own != number or kind not in (_BRANCH, _LEAF):
            raise ValueError(f"page {number} has number {own} and flags {kind:#x} in its header")
        if lower % 2 or count < least or not lower <= upper <= self._page_bytes:
            raise ValueError(
                f"page {number} has {count} nodes and free space from {lower} to {upper}"
            )
        for place, at in enumerate(struct.unpack_from(f"<{count}H", page, _PAGE.size)):
            if at < upper or at + _NODE.size > len(page):
                raise ValueError(f"page {number} has a node at byte {at}, outside the page")
            low, high, flags, key_bytes = _NODE.unpack_from(page, at)
            key = page[at + _NODE.size : at + _NODE.size + key_bytes]
            if len(key) < key_bytes:
                raise ValueError(
                    f"page {number} has a key of {key_bytes} bytes at byte {at}, outside the page"
                )
            if kind == _BRANCH:
                # The first key of a branch page is empty: it means all smaller keys.
                self._tree(low | high << 16 | flags << 32, depth + 1)
                continue
            if key <= self._key:
                raise ValueError(f"page {number} has key {place} out of order")
            self._key = key
            self._value(number, page, at + _NODE.size + key_bytes, low | high << 16, flags)

    def _value(self, number: int, page: bytes, at: int, size: int, flags: int) -> None:
        if flags not in (0, _BIG_DATA):
            raise ValueError(f"page {number} has a node with flags {flags:#x}")
        if flags == 0:
            if at + size > len(page):
                raise ValueError(
                    f"page {number} has a value of {size} bytes at byte {at}, outside the page"
                )
            return
        if at + 8 > len(page):
            raise ValueError(f"page {number} has a node that is cut off")
        (first,) = struct.unpack_from("<Q", page, at)
        if first > self._last:
            raise ValueError(f"page {first} is beyond the last page, {self._last}")
        end = first * self._page_bytes + _PAGE.size + size
        if end > self._size:
            raise ValueError(f"a value ends at byte {end:,} of a file of {self._size:,} bytes")

    def _read(self, number: int, count: int) -> bytes:
        """The first bytes of a page, which must lie within the file."""
        if self._seen and number > self._last:
            raise ValueError(f"page {number} is beyond the last page, {self._last}")
        at = number * self._page_bytes
        if at + count > self._size:
            raise ValueError(
                f"page {number} begins at byte {at:,} of a file of {self._size:,} bytes"
            )
        self._file.seek(at)
        return self._file.read(count)
