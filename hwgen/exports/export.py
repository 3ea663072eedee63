"""Export of a store, or of other labelled images.

In: labelled images, a format and an output directory. Out: the finished export there, or nothing.

An export is written shard by shard, see hwgen.exports.staging. Its .export.json lists the shards
that are written, so that the same call resumes after an interruption or a kill.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hwgen.charset import Charset
from hwgen.errors import InputError
from hwgen.exports.formats import exporter_named
from hwgen.exports.own_files import written_names
from hwgen.exports.records import Exporter, LabelledImages, Shards, Subset
from hwgen.exports.selection import Selection
from hwgen.exports.staging import (
    FILE,
    clear,
    is_finished,
    locked,
    publish,
    read_description,
    staging_of,
)
from hwgen.io.json_files import write_json
from hwgen.io.staging import Staging
from hwgen.progress import NO_CONTROL, Control
from hwgen.requirements import install_extra
from hwgen.schema import from_json
from hwgen.store import Store
from hwgen.store.layout import versions
from hwgen.store.origin import is_generated, is_simulated, notice

LAYOUT_VERSION = 1
"""Raised when the files of an export change for the same store."""

Records = Mapping[str, npt.NDArray[np.int64]]
"""Record numbers by subset."""


@dataclass(frozen=True)
class Export:
    """The content of .export.json.

    Attributes:
        recipe: all that determines the files: format, layout version, shards, and content hash of
            the store, fingerprint of the charset and selection, or settings of the lines.
        records: number of records by subset; without a split, one subset named "".
        charset: labels in class order; the class ids of all formats are positions in it.
        charset_fingerprint: see Charset.fingerprint.
        synthetic: whether a generator made any of the records.
        store: size, channels, polarity, content_sha256, origin and versions of the store; of lines
            by a generator, its origin.
        versions: of hwgen and of the libraries that wrote the files.
        simulated: whether some records are simulated handwriting.
        generated: whether it is certain that all records are generated or simulated, without pixels
            of real samples.
        notice: authors and licence of the strokes of simulated records; "" for none.
        shards: by subset, the position after the last record of every shard written.
        files: once all is written, names of the files and folders; others are a user's.
        lines: of lines of text, what the corpus had; {} for a store.
    """

    recipe: dict[str, Any]
    records: dict[str, int]
    charset: list[str]
    charset_fingerprint: str
    synthetic: bool
    store: dict[str, Any]
    versions: dict[str, str]
    simulated: bool = False
    generated: bool = False
    notice: str = ""
    shards: dict[str, list[int]] = field(default_factory=dict)
    files: list[str] = field(default_factory=list)
    lines: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON, as in the file."""
        return asdict(self)


def export_store(
    store: Store,
    format: str,
    out: Path | str,
    *,
    selection: Selection | None = None,
    shards: Shards | None = None,
    overwrite: bool = False,
    control: Control = NO_CONTROL,
) -> Export | None:
    """Write a store, or some of its records, in another format.

    The same call resumes an interrupted export, and returns at once if it is finished.

    Args:
        store: to be exported.
        format: one of FORMATS.
        out: output directory; with a split, each subset is a directory in it.
        selection: which records, and which subsets; None exports all records.
        shards: how much is written at a time; None for the default.
        overwrite: replace another export at `out`, once the new one is finished, and discard an
            unfinished one. A directory that is not an export is never replaced.
        control: progress in records; asked to stop every few records.

    Returns:
        The export; None if it was stopped.

    Raises:
        InputError: the format is unknown or cannot hold these records, the selection is empty,
            something else is at `out`, or another process is exporting to it.
        RecipeChangedError: an unfinished export with other settings is at `out`.
    """
    selection, shards = selection or Selection(), shards or Shards()
    charset, records = selection.charset(store), selection.subsets(store)
    export = _describe(store, format, charset, records, selection=selection, shards=shards)
    subsets = _subsets(store, charset, records, shards, control)
    return write_export(export, subsets, Path(out), overwrite=overwrite)


def write_export(
    export: Export, subsets: Mapping[str, LabelledImages], out: Path, *, overwrite: bool = False
) -> Export | None:
    """Write what an Export describes, or resume it.

    Args:
        export: nothing is written of it yet.
        subsets: its images, by subset; they may raise StoppedError.
        out: output directory.
        overwrite: see `export_store`.

    Returns:
        The finished export; None if it was stopped.

    Raises:
        InputError, RecipeChangedError: see `export_store`.
    """
    exporter = exporter_named(export.recipe["format"])
    with locked(out):
        if is_finished(out, export.recipe, overwrite):
            return _read_export(out) or export
        staging = staging_of(out)
        exporters = {
            name: exporter(subset, staging.partial / name) for name, subset in subsets.items()
        }
        _begin_or_resume(staging, export, overwrite)
        try:
            for name, one in exporters.items():
                _write(one, name, export, staging.partial)
        except StoppedError:
            return None
        export.files.extend(written_names(staging.partial, export.records))
        write_json(staging.partial / FILE, export.to_json())
        publish(staging)
    return export


def _describe(
    store: Store,
    format: str,
    charset: Charset,
    records: Records,
    *,
    selection: Selection,
    shards: Shards,
) -> Export:
    manifest = store.manifest
    return Export(
        recipe={
            "format": format,
            "layout": LAYOUT_VERSION,
            "content_sha256": manifest.content_sha256,
            "charset_fingerprint": charset.fingerprint,
            "selection": selection.to_json(),
            "shards": asdict(shards),
        },
        records={name: len(numbers) for name, numbers in records.items()},
        charset=list(charset),
        charset_fingerprint=charset.fingerprint,
        synthetic=store.is_synthetic,
        store=described(store),
        versions={**versions(), **library_versions(format)},
        simulated=is_simulated(manifest.origin),
        generated=is_generated(manifest.origin),
        notice=notice(manifest.origin),
    )


def described(store: Store) -> dict[str, Any]:
    """What Export says of a store."""
    manifest = store.manifest
    return {
        "size": manifest.size,
        "channels": manifest.channels,
        "polarity": manifest.polarity,
        "content_sha256": manifest.content_sha256,
        "origin": manifest.origin,
        "versions": manifest.versions,
    }


def library_versions(format: str) -> dict[str, str]:
    """Versions of the libraries that determine the bytes of a format's files.

    Raises:
        InputError: one of them is not installed.
    """
    try:
        return {name: metadata.version(name) for name in exporter_named(format).libraries}
    except metadata.PackageNotFoundError as error:
        raise InputError(
            f"the {format} format needs {error.name}, which is not installed",
            remedy=f"Install it with: {install_extra(format)}",
        ) from None


def _subsets(
    store: Store, charset: Charset, records: Records, shards: Shards, control: Control
) -> dict[str, Subset]:
    """Subsets that report their progress as part of the whole export."""
    total = sum(map(len, records.values()))
    subsets: dict[str, Subset] = {}
    before = 0
    for name, numbers in records.items():
        tick = ticker(control, before, total)
        subsets[name] = Subset(store, charset, numbers, name=name, shards=shards, tick=tick)
        before += len(numbers)
    return subsets


class StoppedError(Exception):
    """The caller asked to stop."""


def ticker(control: Control, before: int, total: int) -> Callable[[int], None]:
    """A function to call with the position reached in a subset.

    Args:
        control: progress over all subsets, and stop requests.
        before: number of records in the subsets before.
        total: number of records in all subsets.

    Raises:
        StoppedError: a stop was requested; raised by the function.
    """

    def tick(position: int) -> None:
        control.progress(before + position, total, "")
        if control.stop():
            raise StoppedError

    return tick


def _write(exporter: Exporter, name: str, export: Export, partial: Path) -> None:
    """Write the missing shards of a subset."""
    (partial / name).mkdir(exist_ok=True)
    ends = export.shards.setdefault(name, [])
    while not ends or ends[-1] < export.records[name]:
        ends.append(exporter.write(ends[-1] if ends else 0, len(ends)))
        write_json(partial / FILE, export.to_json())
    exporter.finish()


def _begin_or_resume(staging: Staging, export: Export, overwrite: bool) -> None:
    """Make the unfinished directory, or take over the shards that are written in it."""
    begun = _read_export(staging.partial)
    if begun is not None and begun.recipe == export.recipe and _possible(begun.shards, export):
        export.shards.update(begun.shards)
        return
    clear(staging, export.recipe, overwrite)
    staging.begin(export.to_json())


def _possible(shards: Mapping[str, Sequence[int]], export: Export) -> bool:
    """Whether shards of the export's subsets can end at these positions."""
    return all(
        name in export.records
        and all(a < b for a, b in itertools.pairwise([0, *ends, export.records[name] + 1]))
        for name, ends in shards.items()
    )


def _read_export(folder: Path) -> Export | None:
    """The .export.json of a folder; None if it has none of an exported store."""
    try:
        found: Export = from_json(Export, read_description(folder), "export")
    except InputError:
        return None
    return found
