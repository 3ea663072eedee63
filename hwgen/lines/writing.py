"""Export of lines of text.

In: a source of characters, a corpus, a format and an output directory. Out: the finished export
there, or nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from hwgen.errors import InputError
from hwgen.exports.export import Export, library_versions, ticker, write_export
from hwgen.exports.formats import FORMATS, OF_PROGRAMS
from hwgen.exports.records import Shards
from hwgen.exports.staging import check_place
from hwgen.imaging.contact_sheets import BACKGROUND, check_sheet, save_sheet
from hwgen.io.outputs import check_apart
from hwgen.lines.composing import Layout
from hwgen.lines.corpus import TextOptions, Texts, read_corpus
from hwgen.lines.marks import MARKS
from hwgen.lines.records import Lines, Style
from hwgen.lines.source import Source, SourceOptions, open_source
from hwgen.progress import NO_CONTROL, Control
from hwgen.schema import check_numbers, check_seed, to_json
from hwgen.store.layout import versions
from hwgen.suggestions import suggest

VERSION = 1
"""Raised when the images change for the same settings."""

MAX_LINES = 1 << 30

SHARDS = Shards(records=1000)
"""A generator on a CPU makes some lines per second, so that larger shards would lose much."""

_SHEET_ROWS = 12


@dataclass(frozen=True)
class LineOptions:
    """What lines are made, besides source and corpus.

    Attributes:
        count: number of lines; None for as many as the corpus gives.
        seed: of everything.
        text: which texts.
        layout: how characters stand.
        looks: names from hwgen.lines.looks.LOOKS.
        source: how the source is read.

    Raises:
        InputError: a number is out of range.
    """

    count: int | None = None
    seed: int = 0
    text: TextOptions = field(default_factory=TextOptions)
    layout: Layout = field(default_factory=Layout)
    looks: tuple[str, ...] = ("light",)
    source: SourceOptions = field(default_factory=SourceOptions)

    def __post_init__(self) -> None:
        check_seed(self.seed)
        if self.count is not None:
            check_numbers(self.count, "the number of lines")
            if not 1 <= self.count <= MAX_LINES:
                raise InputError(f"expected 1 to {MAX_LINES:,} lines, found {self.count:,}")


def write_lines(
    place: Path,
    corpus: Path,
    out: Path,
    *,
    format: str,
    options: LineOptions,
    shards: Shards = SHARDS,
    sheet: Path | None = None,
    overwrite: bool = False,
    control: Control = NO_CONTROL,
) -> Export | None:
    """Write labelled images of lines of text.

    The same call resumes an interrupted export, and returns at once if it is finished.

    Args:
        place: a store, a run, a model folder, or "simulated": where characters come from.
        corpus: a text file.
        out: output directory.
        format: one of FORMATS that holds text.
        options: which lines.
        shards: how much is written at a time.
        sheet: file for a contact sheet of the first lines.
        overwrite: see hwgen.exports.export.export_store.
        control: progress in lines; asked to stop every few lines.

    Returns:
        The export, whose `lines` say what is not in it; None if it was stopped.

    Raises:
        InputError: the format holds no text, no line remains, the source does not fit, or something
            else is at `out`.
        RecipeChangedError: an unfinished export with other settings is at `out`.
    """
    _check_format(format)
    check_apart({"--out": out, "--sheet": sheet})
    check_place(out, overwrite=overwrite)
    check_sheet(sheet)
    text = read_corpus(corpus)
    height = options.layout.height
    source = open_source(place, set().union(*text), options.source, height=height)
    known = source.characters.known
    texts = Texts(text, known | MARKS.keys(), known, options.text, seed=options.seed)
    count = options.count or len(texts)
    lines = Lines(
        texts,
        source.characters,
        Style(options.layout, options.looks),
        count=count,
        seed=options.seed,
        source=f"{source.name} seed {options.seed}",
        shards=shards,
        tick=ticker(control, 0, count),
    )
    export = _describe(format, text, source, texts, options, count=count, shards=shards)
    result = write_export(export, {"": lines}, out, overwrite=overwrite)
    if result is not None and sheet is not None:
        _save_sheet(sheet, lines)
    return result


def _check_format(format: str) -> None:
    able = [name for name in FORMATS if FORMATS[name].holds_text]
    if format in able:
        return
    if format in FORMATS:
        raise InputError(
            f"the {format} format holds single characters, not lines of text",
            remedy=f"Give --format {', '.join(able)}",
        )
    raise InputError(
        f"no format {format!r} of lines", remedy=suggest(format.lower(), able, OF_PROGRAMS)
    )


def _describe(
    format: str,
    corpus: Sequence[str],
    source: Source,
    texts: Texts,
    options: LineOptions,
    *,
    count: int,
    shards: Shards,
) -> Export:
    marks = sorted(set(texts.charset) - source.characters.known)
    settings: dict[str, Any] = {
        "version": VERSION,
        "corpus_sha256": hashlib.sha256("\n".join(corpus).encode()).hexdigest(),
        "count": count,
        "seed": options.seed,
        "text": to_json(options.text),
        "layout": to_json(options.layout),
        "looks": list(options.looks),
        "source": dict(source.characters.settings),
    }
    return Export(
        recipe={"format": format, "lines": settings, "shards": asdict(shards)},
        records={"": count},
        charset=list(texts.charset),
        charset_fingerprint=texts.charset.fingerprint,
        synthetic=source.synthetic,
        store=source.store,
        versions={**versions(), **library_versions(format)},
        simulated=source.simulated,
        generated=source.generated,
        notice=source.notice,
        lines={
            "texts": len(texts),
            "missing": texts.missing,
            "left_out": texts.left_out,
            "simulated_marks": "".join(marks),
        },
    )


def _save_sheet(path: Path, lines: Lines) -> None:
    """A contact sheet of the first lines, below each other."""
    images = lines.first_images(_SHEET_ROWS)
    width = max(image.shape[1] for image in images)
    rows = [
        np.pad(image, ((0, 0), (0, width - image.shape[1])), constant_values=BACKGROUND)
        for image in images
    ]
    save_sheet(path, np.stack(rows), 1)
