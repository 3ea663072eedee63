"""Rendering of pen trajectories: 3.2 to 3.5 times as fast as straight lines by Pillow.

    python -m benchmarks.throughput.render --pot OLHWDB1.1trn_pot.zip --out \
        benchmarks/results/throughput-DATE-HARDWARE

hwgen renders a smooth curve whose width and darkness follow the speed of the pen. The baseline
draws straight lines of one width with `ImageDraw.line`, round at the joints, at four times the
size, and reduces them. Rates are for one process; `hwgen prepare-pot` runs one per core. About one
minute.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as PilImage
from PIL import ImageDraw

from benchmarks.options import make_parser
from benchmarks.throughput.timing import in_turn, result, save
from hwgen.imaging.framing import Framing
from hwgen.imaging.ink import UNITS_PER_PIXEL, Ink, Trajectory
from hwgen.record import PAPER, Image
from hwgen.sources.casia_files import POT, find_files
from hwgen.sources.pot import read_pot

PLAIN = "Pillow's lines, 4x, reduced"
OVER = 4


def pillow_lines(ink: Ink, trajectory: Trajectory) -> Image:
    """Black straight lines of one width between the points: uint8 [size, size]."""
    points = trajectory.points.astype(float) / UNITS_PER_PIXEL
    ends = (trajectory.points == (-1, 0)).all(axis=1)
    low = points[~ends].min(axis=0) - ink.pen_width / 2
    width, height = points[~ends].max(axis=0) + ink.pen_width / 2 - low
    box = np.array(ink.framing.scaled(height, width))
    scale = box / (width, height) * OVER
    points = (points - low) * scale + (ink.size - box) // 2 * OVER
    sheet = PilImage.new("L", (ink.size * OVER, ink.size * OVER), PAPER)
    pen = ImageDraw.Draw(sheet)
    breadth = max(1, round(ink.pen_width * float(scale.min())))
    begin = 0
    for end in np.flatnonzero(ends):
        stroke = [tuple(point) for point in points[begin:end].tolist()]
        pen.line(stroke, fill=0, width=breadth, joint="curve")
        begin = end + 1
    return np.asarray(sheet.resize((ink.size, ink.size), PilImage.Resampling.BOX))


def measure(
    trajectories: Sequence[Trajectory], sizes: Sequence[int], *, runs: int = 5
) -> list[dict[str, Any]]:
    """One row per size."""
    some = trajectories[: max(1, len(trajectories) // 4)]

    def plain(ink: Ink) -> None:
        for one in some:
            pillow_lines(ink, one)

    rows = []
    for size in sizes:
        ink = Ink(Framing(size))
        raws = [one.raw for one in trajectories]
        times = in_turn(
            {PLAIN: partial(plain, ink), "hwgen": partial(ink.apply_batch, raws)},
            {PLAIN: len(some), "hwgen": len(trajectories)},
            runs=runs,
        )
        rows.append(
            result(
                f"render ink, {size}x{size}",
                "characters",
                times,
                baseline=PLAIN,
                fast="hwgen",
                settings={
                    "ink": ink.to_json(),
                    "framing": ink.framing.to_json(),
                    "points_a_character": round(float(np.mean([len(raw) for raw in raws])), 1),
                    "processes": 1,
                },
            )
        )
    return rows


def read_trajectories(inputs: Sequence[Path], count: int) -> list[Trajectory]:
    """The first undamaged characters of POT files, folders and zips."""

    def items() -> Iterator[Trajectory]:
        for file in find_files(inputs, POT):
            with file.open() as stream:
                for item in read_pot(stream, source=file.name, writer=file.writer):
                    if isinstance(item, Trajectory):
                        yield item

    return list(itertools.islice(items(), count))


def main(arguments: Sequence[str] | None = None) -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--pot", type=Path, nargs="+", required=True, help="real trajectories")
    parser.add_argument("--characters", type=int, default=8000)
    parser.add_argument("--sizes", type=int, nargs="+", default=[32, 64])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args(arguments)
    rows = measure(
        read_trajectories(options.pot, options.characters), options.sizes, runs=options.runs
    )
    save(rows, options.out, "render", __file__, arguments)


if __name__ == "__main__":
    main()
