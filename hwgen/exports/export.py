"""In: a store, a format and a place. Out: the export there, or nothing that looks like one.

An export is written shard by shard, see hwgen.exports.staging. .export.json says what is exported
and where the shards end that are written, so that the same call after an interruption or a kill
goes on.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

from hwgen.errors import InputError
from hwgen.exports.formats import format_named
from hwgen.exports.records import Exporter, Shards, Subset
from hwgen.exports.selection import Selection
from hwgen.exports.staging import FILE, clear, is_there, locked, publish, read_told
from hwgen.io.json_files import write_json
from hwgen.io.staging import Staging
from hwgen.schema import from_json
from hwgen.store import Store
from hwgen.store.layout import versions
from hwgen.store.origin import is_simulated, notice

LAYOUT_VERSION = 1
"""Rises when the same store comes to be written otherwise."""

Progress = Callable[[int, int], None]
"""Called with (records written, records in all)."""


@dataclass(frozen=True)
class Export:
    """What .export.json says.

    Attributes:
        recipe: all that decides the files: format, layout version, the store's content hash, the
            charset's fingerprint, the selection and the shards.
        records: records of each part; a whole export is one part called "".
        charset: labels in class order; the class ids of all formats are places in it.
        charset_fingerprint: see Charset.fingerprint.
        synthetic: whether a generator made the records.
        store: of the exported store: size, channels, polarity, content_sha256, origin, versions.
        versions: of hwgen and of the libraries that wrote the files.
        simulated: whether simulated writers wrote some of them.
        notice: whose strokes those write with, and under what licence.
        shards: of each part, the place after the last record of every shard.
    """

    recipe: dict[str, Any]
    records: dict[str, int]
    charset: list[str]
    charset_fingerprint: str
    synthetic: bool
    store: dict[str, Any]
    versions: dict[str, str]
    simulated: bool = False
    notice: str = ""
    shards: dict[str, list[int]] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON, as it lies in the export."""
        return asdict(self)


def export_store(
    store: Store,
    format: str,
    out: Path | str,
    *,
    selection: Selection | None = None,
    shards: Shards | None = None,
    progress: Progress | None = None,
    stop: Callable[[], bool] | None = None,
    overwrite: bool = False,
) -> Export | None:
    """Write a store, or some of it, in the format of others.

    The same call again goes on after an interruption, and returns at once when all is there.

    Args:
        store: what to export.
        format: one of FORMATS.
        out: the folder; with a split, each part is a folder in it.
        selection: which records, and in which parts; None exports all.
        shards: how much to write at a time; None takes the defaults.
        progress: see Progress.
        stop: asked now and then whether to stop.
        overwrite: replace another export at `out`, at the moment the new one is finished, and
            discard an unfinished other one. What is no export is never replaced.

    Returns:
        What was exported; None where `stop` said so.

    Raises:
        InputError: the format is unknown or cannot hold these records; the selection is empty;
            `out` is taken, or another process exports to it.
        RecipeChangedError: an unfinished export of another kind is there.
    """
    out = Path(out)
    selection, shards = selection or Selection(), shards or Shards()
    row = format_named(format)
    charset, numbers = selection.charset(store), selection.parts(store)
    manifest = store.manifest
    export = Export(
        recipe={
            "format": format,
            "layout": LAYOUT_VERSION,
            "content_sha256": manifest.content_sha256,
            "charset_fingerprint": charset.fingerprint,
            "selection": selection.to_json(),
            "shards": asdict(shards),
        },
        records={name: len(those) for name, those in numbers.items()},
        charset=list(charset),
        charset_fingerprint=charset.fingerprint,
        synthetic=store.is_synthetic,
        store={
            "size": manifest.size,
            "channels": manifest.channels,
            "polarity": manifest.polarity,
            "content_sha256": manifest.content_sha256,
            "origin": manifest.origin,
            "versions": manifest.versions,
        },
        versions={**versions(), **{name: metadata.version(name) for name in row.libraries}},
        simulated=is_simulated(manifest.origin),
        notice=notice(manifest.origin),
    )
    with locked(out):
        if is_there(out, export.recipe, overwrite):
            return _read_export(out) or export
        count = _Count(sum(export.records.values()), progress, stop)
        staging = Staging(out, FILE)
        partial = staging.partial
        parts: dict[str, Exporter] = {}
        before = 0
        for name, those in numbers.items():
            tick = count.after(before)
            part = Subset(store, charset, those, name=name, shards=shards, tick=tick)
            parts[name] = row.exporter(part, partial / name)
            before += len(part)
        _begin_or_continue(staging, export, overwrite)
        try:
            for name, exporter in parts.items():
                (partial / name).mkdir(exist_ok=True)
                ends = export.shards.setdefault(name, [])
                while not ends or ends[-1] < export.records[name]:
                    ends.append(exporter.write(ends[-1] if ends else 0, len(ends)))
                    write_json(partial / FILE, export.to_json())
                exporter.finish()
        except _StoppedError:
            return None
        publish(staging)
    return export


class _StoppedError(Exception):
    """Somebody asked to stop."""


@dataclass(frozen=True)
class _Count:
    """What the places reached in the parts are of the whole."""

    total: int
    progress: Progress | None
    stop: Callable[[], bool] | None

    def after(self, before: int) -> Callable[[int], None]:
        """The tick of a part with so many records before it."""

        def tick(place: int) -> None:
            if self.progress is not None:
                self.progress(before + place, self.total)
            if self.stop is not None and self.stop():
                raise _StoppedError

        return tick


def _begin_or_continue(staging: Staging, export: Export, overwrite: bool) -> None:
    """Make the folder, or find it and take over which shards are written."""
    began = _read_export(staging.partial)
    if began is not None and began.recipe == export.recipe and _can_be(began.shards, export):
        export.shards.update(began.shards)
        return
    clear(staging, export.recipe, overwrite)
    staging.begin(export.to_json())


def _can_be(shards: Mapping[str, Sequence[int]], export: Export) -> bool:
    """Whether shards of its parts may end so."""
    return all(
        name in export.records
        and all(a < b for a, b in itertools.pairwise([0, *ends, export.records[name] + 1]))
        for name, ends in shards.items()
    )


def _read_export(folder: Path) -> Export | None:
    """What .export.json says, None where there is none of a store."""
    try:
        found: Export = from_json(Export, read_told(folder), "export")
    except InputError:
        return None
    return found
