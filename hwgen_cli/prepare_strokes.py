"""`hwgen prepare-strokes`: a store of handwriting simulated from stroke data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from hwgen_cli.options import Json, Overwrite, seed_option
from hwgen_cli.output import print_lines
from hwgen_cli.preparing import DropEmpty, Margin, Size, StoreOut, Stretch, carry_out, charset_of
from hwgen_cli.simulating import (
    FirstWriter,
    NumWriters,
    StoreClasses,
    Strokes,
    Workers,
    characters_of,
)

if TYPE_CHECKING:
    from hwgen.charset import Charset
    from hwgen.prepare import PrepareReport
    from hwgen.progress import Control
    from hwgen.sources.strokes.data import StrokeData


def prepare_strokes(
    out: StoreOut,
    classes: StoreClasses = "60",
    num_writers: NumWriters = 40,
    first_writer: FirstWriter = 1,
    strokes: Strokes = None,
    size: Size = 64,
    stretch: Stretch = False,
    margin: Margin = None,
    drop_empty: DropEmpty = False,
    seed: Annotated[int, seed_option("the writers")] = 0,
    overwrite: Overwrite = False,
    workers: Workers = None,
    json: Json = False,
) -> None:
    """Make a store of simulated handwriting, which is marked as simulated.

    Each writer has another hand: slant, size, proportions, pen, speed, and habits for each
    character. Classes without strokes are named and have no record. The stroke data are those of
    Make Me a Hanzi (Arphic Public License), which come with hwgen, or of KanjiVG (copyright Ulrich
    Apel, CC BY-SA 3.0). The store is under the same licence.

    Example: hwgen prepare-strokes -o simulated --classes train --size 32
    """
    from hwgen.imaging.framing import Framing
    from hwgen.prepare import PrepareOptions
    from hwgen.prepare import prepare_strokes as prepare
    from hwgen.sources.strokes.choice import stroke_data

    data = stroke_data(strokes)
    charset = _charset(classes, data)

    def run(control: Control) -> PrepareReport:
        return prepare(
            data,
            out,
            charset=charset,
            writers=range(first_writer, first_writer + num_writers),
            framing=Framing(size, stretch, -1 if margin is None else margin),
            seed=seed,
            options=PrepareOptions(drop_empty=drop_empty, overwrite=overwrite, workers=workers),
            control=control,
        )

    carry_out(run, out, json=json)
    print_lines(data.notice, stderr=json)


def _charset(spec: str, strokes: StrokeData) -> Charset:
    from hwgen.charset import Charset, parse_count

    if parse_count(spec) is None:
        found = charset_of(f"characters:{spec}" if spec == "found" else spec)
        assert found is not None  # only "found" stands for no charset
        return found
    return Charset(characters_of(spec, strokes))
