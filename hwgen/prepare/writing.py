"""In: items of any source, and a renderer. Out: a store and a report."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from hwgen.charset import MAX_CLASSES, Charset, sorted_charset
from hwgen.errors import InputError
from hwgen.imaging.framing import Framing
from hwgen.prepare.options import PrepareOptions
from hwgen.prepare.reading import Item, ItemT, Reading
from hwgen.prepare.report import REPORT_FILE, PrepareReport, join_labels, look_alike
from hwgen.record import Image
from hwgen.sources.decoded_names import encodings_of
from hwgen.sources.provenance import declared_provenance
from hwgen.store import StoreWriter

_SHOWN_PATHS = 3
"""Maximum number of files named in an error."""

_LOOK_IMAGES = 16
"""Images of each batch that are looked at."""

_DARK = 112
"""Mean grey below which an image is mostly dark; ink covers less than half of a character's."""

Render = Callable[[Iterator[ItemT]], Generator[tuple[Sequence[ItemT], Image], None, None]]
"""Renders items, in order and many at once, to framed images uint8 [n, size, size(, 3)]."""


def write_store(
    reading: Reading[ItemT],
    out: Path,
    *,
    render: Render[ItemT],
    framing: Framing,
    recipe: Mapping[str, Any],
    options: PrepareOptions,
    channels: int = 1,
    provenance: Mapping[str, Any] | None = None,
) -> PrepareReport:
    """The steps common to all formats: read, select, render, store, report.

    Args:
        reading: yields the items.
        out: the store's directory; a failure leaves no store behind.
        render: see Render.
        framing: how images are scaled to squares.
        recipe: {"kind": ..., and all other parameters of the pixels}; becomes the store's origin.
        options: classes and limits.
        channels: 1 grey, 3 colour.
        provenance: such as {"simulated": True}; None for what an `.export.json` declares.

    Raises:
        InputError: no record is left, or an `.export.json` is damaged.
        BadRecordError: a record is damaged, and `Reading.strict` is set.
        StoreError: `out` cannot be written, or a stop was requested.
    """
    began = time.monotonic()
    if provenance is None:
        provenance = _declared(reading)
    encodings, guessed = encodings_of(reading.sources)
    charset = options.charset
    recipe = {
        **recipe,
        **provenance,
        "limit": options.limit,
        "files": [{"name": source.name, "bytes": source.size} for source in reading.sources],
        "framing": framing.to_json(),
        "charset": list(charset.labels) if charset else "found",
    }
    counts = _Counts()
    with StoreWriter(
        out, size=framing.size, channels=channels, recipe=recipe, overwrite=options.overwrite
    ) as writer:
        with closing(render(counts.select(reading.items(), options))) as batches:
            for items, images in batches:
                counts.add(items, images)
                writer.add_batch(
                    images,
                    labels=[item.label for item in items],
                    writers=[item.writer for item in items],
                    sources=[item.source for item in items],
                    positions=[item.position for item in items],
                )
        if not counts.records:
            raise _nothing_left(reading, counts.left_out)
        charset = charset or sorted_charset(counts.records)
        if options.drop_empty:
            charset = Charset(tuple(label for label in charset if counts.records[label]))
        report = PrepareReport(
            store=str(out),
            records=counts.records.total(),
            classes=len(charset),
            per_class=counts.per_class(charset),
            empty_classes=[label for label in charset if not counts.records[label]],
            writers=len(counts.writers - {""}),
            left_out=dict(counts.left_out.most_common()),
            over_limit=counts.over_limit,
            bad_records=reading.bad,
            files=reading.files(),
            bytes_read=reading.total_bytes,
            framing=framing.to_json(),
            channels=channels,
            charset_fingerprint=charset.fingerprint,
            hidden=reading.unread.hidden,
            not_read=list(reading.unread.kinds.values()),
            folders_not_read=[*reading.unread.folders, *reading.lost_whole()],
            dark=counts.dark,
            transposed="transposed" in recipe,
            seconds=round(time.monotonic() - began, 3),
            synthetic="synthetic" in provenance,
            simulated="simulated" in provenance,
            alike=look_alike(charset),
            encodings=encodings,
            guessed=guessed,
            encoding_given=options.encoding is not None,
            columns=reading.columns,
        )
        writer.finish(charset=charset, origin=recipe, reports={REPORT_FILE: report.to_json()})
    return report


def _declared(reading: Reading[ItemT]) -> Mapping[str, Any]:
    """What the `.export.json` beside the sources declare."""
    paths = (
        (path, source.name) for source in reading.sources for path in (source.path, *source.linked)
    )
    return declared_provenance(paths, {source.path: source.encoding for source in reading.sources})


@dataclass
class _Counts:
    """What was stored, and what was left out.

    Attributes:
        records: records stored, by label.
        writers: their writers.
        left_out: items outside the charset, by label.
        over_limit: items of classes that had `limit` records already.
    """

    records: Counter[str] = field(default_factory=Counter)
    writers: set[str] = field(default_factory=set)
    left_out: Counter[str] = field(default_factory=Counter)
    over_limit: int = 0
    _looked: int = 0
    _dark: int = 0

    def select(self, items: Iterable[ItemT], options: PrepareOptions) -> Iterator[ItemT]:
        """The items to store: those in the charset, the first `limit` of each class.

        Raises:
            InputError: there are more than MAX_CLASSES classes.
        """
        taken: Counter[str] = Counter()
        for item in items:
            if options.charset is not None and item.label not in options.charset:
                self.left_out[item.label] += 1
            elif options.limit is not None and taken[item.label] >= options.limit:
                self.over_limit += 1
            else:
                taken[item.label] += 1
                if len(taken) > MAX_CLASSES:
                    raise InputError(
                        f"expected at most {MAX_CLASSES:,} classes, found more",
                        where=item.source,
                        remedy="Give the ones to keep, such as --charset gb2312-1; labels of whole "
                        "lines are no classes",
                    )
                yield item

    def add(self, items: Sequence[Item], images: Image) -> None:
        """Count items as stored, and look at some of their images uint8 [n, size, size(, 3)]."""
        self.records.update(item.label for item in items)
        self.writers.update(item.writer for item in items)
        some = images[:_LOOK_IMAGES]
        self._looked += len(some)
        self._dark += int((some.reshape(len(some), -1).mean(axis=1) < _DARK).sum())

    @property
    def dark(self) -> float:
        """Fraction of the images looked at that are mostly dark."""
        return round(self._dark / max(1, self._looked), 3)

    def per_class(self, charset: Charset) -> dict[str, float]:
        """Minimum, median and maximum number of records per class."""
        counts = [self.records[label] for label in charset]
        return {"min": min(counts), "median": float(np.median(counts)), "max": max(counts)}


def _nothing_left(reading: Reading[ItemT], left_out: Counter[str]) -> InputError:
    paths = list(dict.fromkeys(str(source.path) for source in reading.sources))
    more = f" and {len(paths) - _SHOWN_PATHS:,} more" if len(paths) > _SHOWN_PATHS else ""
    where = ", ".join(paths[:_SHOWN_PATHS]) + more
    if left_out:
        shown = join_labels(label for label, _ in left_out.most_common(12))
        return InputError(
            f"none of the {left_out.total()} records is in the charset; their labels: {shown}",
            where=where,
            remedy="If you meant a file or a store as the charset, check its path",
        )
    bad = reading.bad
    first = f": at byte {bad[0].offset}, expected {bad[0].expected}, found {bad[0].found}"
    return InputError(
        f"no readable record found{first if bad else ''}",
        where=where,
        remedy="Check the format of the file, or copy it again",
    )
