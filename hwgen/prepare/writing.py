"""In: a reading of any sources, and how its items become images. Out: a store and a report."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

from hwgen.charset import Charset, sorted_charset
from hwgen.errors import InputError
from hwgen.imaging.framing import Framing
from hwgen.prepare.reading import ItemT, Reading
from hwgen.prepare.report import REPORT_FILE, PrepareReport, joined
from hwgen.record import Image
from hwgen.sources.provenance import declared_provenance
from hwgen.store import StoreWriter

Render = Callable[[Iterator[ItemT]], Generator[tuple[Sequence[ItemT], Image], None, None]]
"""Makes framed images uint8 [n, size, size(, 3)] of items, many at once, in their order."""


def write_store(
    reading: Reading[ItemT],
    out: Path,
    *,
    render: Render[ItemT],
    framing: Framing,
    recipe: Mapping[str, Any],
    charset: Charset | None,
    drop_empty: bool,
    limit: int | None,
    overwrite: bool,
    channels: int = 1,
) -> PrepareReport:
    """What all formats have in common: read, select, render, store, report.

    Args:
        reading: gives the items.
        out: where the store shall be; after any failure there is none.
        render: see Render.
        framing: how images become square.
        recipe: {"kind": ..., and what else decides the pixels}; becomes the store's origin,
            together with sources, framing and charset, and with {"synthetic": True} where an
            export's `.export.json` says so of any source.
        charset: the classes and their order; items of others are left out and counted. None takes
            the labels as found, in code point order.
        drop_empty: leave out of the charset what has no record.
        limit: take no more items of a class, the first ones; one that rendering shows to be bad
            counts. None takes all.
        overwrite: replace a finished store at `out`.
        channels: 1 grey, 3 colour.

    Raises:
        InputError: no record would be kept, `limit` is below 1, or an `.export.json` is damaged.
        BadRecordError: a bad record, with `Reading.strict`.
        StoreError: `out` cannot be written, or `Reading.stop` said so.
    """
    if limit is not None and limit < 1:
        raise InputError(f"a limit of {limit} records a class cannot be", remedy="Take 1 or more")
    began = time.monotonic()
    told = declared_provenance((source.path, source.name) for source in reading.sources)
    recipe = {
        **recipe,
        **told,
        "limit": limit,
        "files": [{"name": source.name, "bytes": source.size} for source in reading.sources],
        "framing": framing.to_json(),
        "charset": list(charset.labels) if charset else "found",
    }
    counts: Counter[str] = Counter()
    left_out: Counter[str] = Counter()
    over_limit: Counter[str] = Counter()
    writer_ids: set[str] = set()
    with StoreWriter(
        out, size=framing.size, channels=channels, recipe=recipe, overwrite=overwrite
    ) as writer:
        kept = _first(_kept(reading.items(), charset, left_out), limit, over_limit)
        with closing(render(kept)) as batches:
            for items, images in batches:
                labels = [item.label for item in items]
                writers = [item.writer for item in items]
                counts.update(labels)
                writer_ids.update(writers)
                writer.add_batch(
                    images,
                    labels=labels,
                    writers=writers,
                    sources=[item.source for item in items],
                    positions=[item.position for item in items],
                )
        if not counts:
            raise _nothing_kept(reading, left_out)
        final = charset or sorted_charset(counts)
        if drop_empty:
            final = Charset(tuple(label for label in final if counts[label]))
        per_class = [counts[label] for label in final]
        report = PrepareReport(
            store=str(out),
            records=counts.total(),
            classes=len(final),
            per_class={
                "min": min(per_class),
                "median": float(np.median(per_class)),
                "max": max(per_class),
            },
            empty_classes=[label for label in final if not counts[label]],
            writers=len(writer_ids - {""}),
            left_out=dict(left_out.most_common()),
            over_limit=over_limit.total(),
            bad_records=reading.bad,
            files=reading.files(),
            bytes_read=reading.bytes_in_all,
            framing=framing.to_json(),
            charset_fingerprint=final.fingerprint,
            hidden=reading.hidden,
            seconds=round(time.monotonic() - began, 3),
            synthetic="synthetic" in told,
            simulated="simulated" in told,
        )
        writer.finish(charset=final, origin=recipe, reports={REPORT_FILE: report.to_json()})
    return report


def _kept(
    items: Iterable[ItemT], charset: Charset | None, left_out: Counter[str]
) -> Iterator[ItemT]:
    """The items whose label is in the charset; the others are counted."""
    for item in items:
        if charset is None or item.label in charset:
            yield item
        else:
            left_out[item.label] += 1


def _first(items: Iterable[ItemT], limit: int | None, over_limit: Counter[str]) -> Iterator[ItemT]:
    """The first items of each class; the others are counted."""
    taken: Counter[str] = Counter()
    for item in items:
        if limit is None or taken[item.label] < limit:
            taken[item.label] += 1
            yield item
        else:
            over_limit[item.label] += 1


def _nothing_kept(reading: Reading[ItemT], left_out: Counter[str]) -> InputError:
    where = ", ".join(dict.fromkeys(str(source.path) for source in reading.sources))
    if left_out:
        shown = joined(label for label, _ in left_out.most_common(12))
        return InputError(
            f"none of the {left_out.total()} records is in the charset; they are of {shown}",
            where=where,
            remedy="If a file or a store was meant for the charset, there is none of that name",
        )
    bad = reading.bad
    first = f": at byte {bad[0].offset}, expected {bad[0].expected}, found {bad[0].found}"
    return InputError(f"no sound record found{first if bad else ''}", where=where)
