"""How often writers, real and simulated, keep the pen on paper between two strokes.

    python -m benchmarks.joined_lifts --pot OLHWDB1.1trn_pot.zip --out joined.json

A character of s strokes in the stroke data that is written with w lines has (s - w) / (s - 1)
joined lifts. Writes the mean over characters for each writer; a writer who draws more lines than
there are strokes lowers it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from benchmarks.options import make_parser
from benchmarks.provenance import provenance
from hwgen.charset import gb2312_level1
from hwgen.imaging.ink import END_OF_STROKE, Trajectory
from hwgen.io.json_files import write_json
from hwgen.sources.casia_files import POT, find_files
from hwgen.sources.pot import read_pot
from hwgen.sources.simulation.pen import PEN_STEP, Item, character_number, pen_paths
from hwgen.sources.strokes.choice import stroke_data
from hwgen.sources.strokes.data import Strokes
from hwgen.sources.writer_selection import WriterSelection, select_files

Counts = Iterator[tuple[str, int]]
"""Label, and number of lines that it is written with."""


def real(pot: Path, writers: str) -> dict[str, Counts]:
    """What the writers of POT files wrote."""
    files = select_files(find_files([pot], POT), WriterSelection(writers))

    def of(number: int) -> Counts:
        file = files[number]
        with file.open() as stream:
            for found in read_pot(stream, source=file.name, writer=file.writer):
                if isinstance(found, Trajectory):
                    yield found.label, int((found.points == END_OF_STROKE).all(axis=1).sum())

    return {file.writer: of(number) for number, file in enumerate(files)}


def simulated(strokes: Mapping[str, Strokes], hands: int, seed: int) -> dict[str, Counts]:
    """What simulated writers write."""

    def of(hand: int) -> Counts:
        for label, lines in strokes.items():
            path = pen_paths([Item(lines, character_number(label), seed, hand)]).path
            # On paper the pen moves by PEN_STEP at most, in the air by twice as much.
            gaps = np.hypot(*np.diff(path)) > 2.5 * PEN_STEP
            yield label, 1 + int(gaps.sum())

    return {str(hand): of(hand) for hand in range(1, hands + 1)}


def joined(written: Mapping[str, Counts], strokes: Mapping[str, Strokes]) -> dict[str, float]:
    """By writer: the mean fraction of joined lifts of characters of three and more strokes."""
    found = {}
    for writer, counts in written.items():
        parts = [
            (len(strokes[label]) - lines) / (len(strokes[label]) - 1)
            for label, lines in counts
            if label in strokes and len(strokes[label]) > 2
        ]
        found[writer] = round(float(np.mean(parts)), 4)
        print(writer, found[writer], flush=True)
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--pot", type=Path, required=True)
    parser.add_argument("--strokes", help="stroke data, see hwgen simulate")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--writers", default="1001-1050", help="not those of test stores")
    parser.add_argument("--hands", type=int, default=50, help="simulated writers")
    parser.add_argument("--every", type=int, default=20, help="use every n-th character")
    options = parser.parse_args(arguments)
    source = stroke_data(options.strokes)
    there = [label for label in gb2312_level1() if label in source.characters()]
    strokes = source.load(there[:: options.every])
    by_writer = {
        "real": joined(real(options.pot, options.writers), strokes),
        "simulated": joined(simulated(strokes, options.hands, 0), strokes),
    }
    summary = {
        name: {"mean": float(np.mean(list(own.values()))), "sd": float(np.std(list(own.values())))}
        for name, own in by_writer.items()
    }
    print(summary)
    origin = provenance(__file__, arguments)
    write_json(options.out, {**origin, "summary": summary, "by_writer": by_writer})


if __name__ == "__main__":
    main()
