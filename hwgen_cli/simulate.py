"""`hwgen simulate`: handwriting simulated from stroke data, as one GNT file per writer."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from hwgen_cli.options import Json, out_option, seed_option
from hwgen_cli.output import print_json, print_lines
from hwgen_cli.progress import bar
from hwgen_cli.simulating import (
    FirstWriter,
    NumWriters,
    SimulatedClasses,
    Strokes,
    Workers,
    characters_of,
)


def simulate(
    out: Annotated[Path, out_option("DIR")],
    classes: SimulatedClasses = "60",
    num_writers: NumWriters = 40,
    first_writer: FirstWriter = 1,
    strokes: Strokes = None,
    seed: Annotated[int, seed_option("the writers")] = 0,
    workers: Workers = None,
    json: Json = False,
) -> None:
    """Simulate handwriting, for pretraining a recogniser or for trying hwgen without HWDB.

    The stroke data are those of Make Me a Hanzi (Arphic Public License), which come with hwgen, or
    of KanjiVG (copyright Ulrich Apel, CC BY-SA 3.0). The output is under the same licence.

    The command prepare-strokes makes a store of such characters, without GNT files.

    Example: hwgen simulate --out simulated --classes 3700 --num-writers 55
    """
    from hwgen.imaging.framing_pool import available_workers
    from hwgen.progress import Control
    from hwgen.sources.simulation import gnt_folder
    from hwgen.sources.strokes.choice import stroke_data

    data = stroke_data(strokes)
    characters = characters_of(classes, data)
    with bar("Writing", "characters") as advance:
        files = gnt_folder.simulate(
            out,
            characters=characters,
            writers=range(first_writer, first_writer + num_writers),
            seed=seed,
            strokes=data,
            workers=workers or available_workers(),
            control=Control(advance),
        )
    if json:
        names = [str(file) for file in files]
        print_json({"files": names, "characters": list(characters), "notice": data.notice})
        return
    print_lines(f"{out}: {len(files):,} writers, {len(characters):,} characters each", data.notice)
