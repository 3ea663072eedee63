"""Export of an LMDB as PARSeq, PaddleOCR, MMOCR and clovaai's benchmark read it."""

from __future__ import annotations

import json
import os
from dataclasses import asdict

import lmdb

from hwgen.errors import InputError
from hwgen.exports.records import Exporter

_PAGE = 4096


class OcrLmdbExporter(Exporter):
    """Writes data.mdb with `num-samples`, `image-%09d`, `label-%09d` and `meta-%09d` from 1 on.

    Images are PNG files, labels UTF-8. `meta`, the RecordInfo as JSON, is specific to hwgen; other
    readers ignore it. `num-samples` is written last.
    """

    files = "data.mdb"
    readers = "PARSeq, PaddleOCR, MMOCR, clovaai's benchmark"
    own = r"data\.mdb|lock\.mdb"
    libraries = ("lmdb",)
    holds_text = True

    def write(self, start: int, shard: int) -> int:
        """See Exporter; a shard is a transaction."""
        images: list[tuple[bytes, bytes]] = []
        labels: list[tuple[bytes, bytes]] = []
        metas: list[tuple[bytes, bytes]] = []
        for info, png in self._subset.shard(start):
            start += 1  # keys count from 1
            images.append((b"image-%09d" % start, png))
            labels.append((b"label-%09d" % start, info.label.encode()))
            meta = json.dumps(asdict(info), ensure_ascii=False).encode()
            metas.append((b"meta-%09d" % start, meta))
        self._put([*images, *labels, *metas])
        return start

    def finish(self) -> None:
        """See Exporter."""
        self._put([(b"num-samples", b"%d" % len(self._subset))])

    def _put(self, items: list[tuple[bytes, bytes]]) -> None:
        """Put sorted items in one durable transaction."""
        try:
            # No lock file of LMDB: the export has its own lock.
            with lmdb.open(
                os.fsencode(self._folder),  # lmdb encodes str in the locale's encoding
                map_size=1 << 20,
                lock=False,
                meminit=True,  # see hwgen.store.staging
            ) as env:
                # An upper bound: separate pages for every value, then the pages of the tree.
                needed = (env.info()["last_pgno"] + 64 + len(items)) * _PAGE
                needed += sum(_PAGE + len(value) for _, value in items)
                env.set_mapsize(max(needed, env.info()["map_size"]))
                with env.begin(write=True) as txn, txn.cursor() as cursor:
                    cursor.putmulti(items)
        except lmdb.Error as error:
            raise InputError(
                f"writing failed ({error})",
                where=str(self._folder),
                remedy="Check whether the disk is full, and rerun the command to resume",
            ) from None
