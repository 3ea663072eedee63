"""`hwgen demo`: simulated samples raise accuracy, shown without any data."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from hwgen_cli.options import out_option
from hwgen_cli.output import print_lines

CHARACTERS = (
    "芭捌叭笆巴拔跋把耙霸柏佰拜稗斑班搬般板版扮拌伴半榜膀棒磅蚌傍苞胞"
    "包褒剥薄雹保堡宝抱暴豹爆杯悲北背倍焙被奔笨崩鼻比彼碧蓖庇必辟壁臂"
)
"""Those to be read. Many look alike, and each has as many strokes in both sources of strokes."""


@dataclass(frozen=True)
class Scale:
    """How much a demo computes.

    Attributes:
        name: of its folder.
        characters: number of those to be read.
        test_writers: number of writers of the test samples.
        counts: samples per character that play the part of the real ones.
        per_class: simulated samples per character to add.
        steps: of each recogniser.
    """

    name: str
    characters: int
    test_writers: int
    counts: tuple[int, ...]
    per_class: int
    steps: int


FULL = Scale("full", 64, 8, (1, 3), 40, 300)
SMALL = Scale("small", 16, 4, (1,), 8, 30)

_FIRST = (
    "All handwriting here is simulated. Samples along KanjiVG's strokes play the part of real "
    "ones, and samples along Make Me a Hanzi's strokes are added to them. The figures say nothing "
    "about real handwriting."
)


def demo(
    ctx: typer.Context,
    out: Annotated[Path, out_option("DIR")] = Path("demo-out"),
    small: Annotated[
        bool,
        typer.Option(
            "--small",
            help="Compute as little as possible, which shows that the commands work, but no gain.",
        ),
    ] = False,
) -> None:
    """Show how simulated samples raise accuracy with few real ones, without any data.

    1 and 3 samples of each of 64 characters play the part of the real ones. Recognisers are trained
    on them, with and without simulated samples. All are simulated, those that play the real ones
    along other strokes and by other writers, so the figures say nothing about real handwriting.

    Each command is printed before it runs. Rerun the demo to resume it. It needs the extra "demo".

    Example: hwgen demo --small
    """
    from hwgen.report.lift_section import headline
    from hwgen.results.lift import Lift

    folder = out / (SMALL if small else FULL).name
    print_lines(_FIRST)
    run = ctx.find_root().command.main
    for words, made in commands(SMALL if small else FULL, folder):
        print_lines("", f"$ {shlex.join(['hwgen', *words])}")
        if made is not None and made.exists():
            print_lines("(done already)")
        elif code := run(words, prog_name="hwgen", standalone_mode=False):
            raise typer.Exit(code)
    print_lines("", headline(Lift.load(folder / "lift")))
    print_lines(f"The report: {(folder / 'report.html').resolve()}")


def commands(scale: Scale, folder: Path) -> Iterator[tuple[list[str], Path | None]]:
    """The commands of a demo, in order.

    Yields:
        The words after `hwgen`, and the file whose existence shows that the command is done; None
        for a command that resumes by itself.
    """
    train, test, lift = (str(folder / name) for name in ("kanjivg-train", "kanjivg-test", "lift"))

    def prepare(store: str, classes: str, writers: int, first: int) -> tuple[list[str], Path]:
        words = ["prepare-strokes", "--strokes", "kanjivg", "--classes", classes, "--size", "32"]
        words += ["--num-writers", str(writers), "--first-writer", str(first), "--out", store]
        return words, Path(store) / "manifest.json"

    # Numbers of writers that the added samples do not have: these are 1 to the number per class.
    yield prepare(train, CHARACTERS[: scale.characters], max(scale.counts), 1001)
    yield prepare(test, train, scale.test_writers, 1101)
    words = ["lift", "--train", train, "--test", test, "--generator", "simulated", "--out", lift]
    words += ["--real-per-class", ",".join(map(str, scale.counts)), "--held-out-per-class", "0"]
    words += ["--synthetic-per-class", str(scale.per_class), "--trials", "1"]
    words += ["--arms", "classical,classical+synthetic"]
    words += ["--recogniser-preset", "light", "--steps", str(scale.steps)]
    yield words, None
    yield ["report", lift, "--out", str(folder / "report.html")], None
