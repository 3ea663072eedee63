"""`hwgen study`: a page on which people vote between two sets of images, and the votes counted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hwgen_cli.groups import Application, Commands
from hwgen_cli.options import Json, out_option, seed_option
from hwgen_cli.output import print_json, print_lines

if TYPE_CHECKING:
    from hwgen.evaluation.metrics.intervals import Interval
    from hwgen.study.measures import Agreement
    from hwgen.study.tally import Preference, Tally

_SHOWN_CLASSES = 10

study = Application(
    name="study",
    cls=Commands,
    help="Ask people which of two sets of images looks more real, and count their votes.",
    no_args_is_help=True,
)

FirstSet = Annotated[
    Path,
    typer.Argument(metavar="A", help="A run of a GAN, an exported model of one, or a store."),
]
SecondSet = Annotated[
    Path, typer.Argument(metavar="B", help="Another run, model or store, to compare with A.")
]
Pairs = Annotated[
    int, typer.Option("--pairs", min=1, metavar="N", help="Number of different pairs.")
]
Controls = Annotated[
    int,
    typer.Option(
        "--controls",
        min=0,
        metavar="N",
        help="Number of these pairs that are shown a second time with left and right exchanged, to "
        "see whether a voter gives the same answer.",
    ),
]
Question = Annotated[
    str, typer.Option("--question", metavar="TEXT", help="Question that voters answer.")
]
Votes = Annotated[
    list[Path], typer.Argument(metavar="VOTES.json...", help="Files of votes that voters saved.")
]
Key = Annotated[
    Path,
    typer.Option(
        "--key", metavar="FILE.key.json", help="Answer key that was written with the page."
    ),
]
MaxDisagreement = Annotated[
    float,
    typer.Option(
        "--max-disagreement",
        min=0,
        max=1,
        metavar="FRACTION",
        help="Exclude voters who answer more than this fraction of the repeated pairs differently "
        "the second time.",
    ),
]
VotesForA = Annotated[int, typer.Argument(min=0, metavar="A", help="Number of votes for A.")]
VotesForB = Annotated[int, typer.Argument(min=0, metavar="B", help="Number of votes for B.")]


@study.command("make")
def make(
    a: FirstSet,
    b: SecondSet,
    out: Annotated[
        Path,
        out_option("FILE.html", "Page to write; its answer key is written beside it."),
    ],
    pairs: Pairs = 100,
    controls: Controls = 10,
    question: Question = "Which of the two looks more real?",
    seed: Annotated[int, seed_option("the choice of images, their sides and their order")] = 0,
    json: Json = False,
) -> None:
    """Make one offline page on which people choose between images of A and B.

    Give voters the page and keep the answer key. Each voter saves a file of votes at the end;
    nothing is sent.

    Example: hwgen study make runs/lsgan runs/dcgan --out study.html --pairs 100
    """
    from hwgen.study.page import write_study

    made = write_study(a, b, out, pairs=pairs, controls=controls, question=question, seed=seed)
    if json:
        print_json(asdict(made))
        return
    of = f" of {made.labels:,} classes" if made.labels else ""
    print_lines(
        f"{made.page}: {made.pairs:,} pairs{of} and {made.controls:,} repeated ones, "
        f"{made.size}x{made.size} pixels",
        f"{made.key}: the answer key; do not give it to voters",
    )
    if made.holds_real:
        print_lines(
            "The page contains real images. Those of CASIA must not be passed on to others."
        )


@study.command("tally")
def tally(
    votes: Votes,
    key: Key,
    max_disagreement: MaxDisagreement = 0.3,
    json: Json = False,
) -> None:
    """Count the votes of a study: the preference, its interval, and how far voters agree.

    Example: hwgen study tally votes-1.json votes-2.json --key study.key.json
    """
    from hwgen.study.tally import tally as count
    from hwgen.study.votes import read_ballots, read_key

    answers = read_key(key)
    result = count(answers, read_ballots(votes, answers), max_disagreement=max_disagreement)
    if json:
        print_json(asdict(result))
    else:
        _show(result)


@study.command("significance")
def significance(a: VotesForA, b: VotesForB, json: Json = False) -> None:
    """Test whether one of two sets is preferred, from the numbers of votes alone.

    Example: hwgen study significance 2256 1744
    """
    from hwgen.study.tally import preference

    result = preference(a, b)
    if json:
        print_json(asdict(result))
    else:
        print_lines(*_preference_lines("A", "B", result))


def _show(result: Tally) -> None:
    # Two folders may have the same name.
    a, b = f"A ({result.names[0]})", f"B ({result.names[1]})"
    voters = [
        (
            voter.name,
            *(f"{n:,}" for n in (voter.a, voter.b, voter.controls, voter.disagreements)),
            f"no: {voter.excluded}" if voter.excluded else "yes",
        )
        for voter in result.voters
    ]
    head = ("voter", a, b, "repeated pairs", "answered differently", "counted")
    _print_table(result.question, head, voters)
    print_lines(
        *_preference_lines(a, b, result.preference),
        f"mean over voters of their fraction for {a}: {_percent(result.by_voter)}",
        f"left image chosen: {_percent(result.left)}",
        _agreement_line(result.agreement),
    )
    if result.classes:
        surest = sorted(result.classes.items(), key=lambda item: item[1].p_value)[:_SHOWN_CLASSES]
        rows = [(name, f"{v.a:,}", f"{v.b:,}", _percent(v.share)) for name, v in surest]
        _print_table("Classes furthest from one half", ("class", a, b, f"fraction for {a}"), rows)


def _preference_lines(a: str, b: str, result: Preference) -> tuple[str, str, str]:
    return (
        f"{a}: {result.a:,} votes; {b}: {result.b:,} votes",
        f"fraction for {a}: {_percent(result.share)}, 95 % interval, assuming independent votes",
        f"p = {result.p_value:.2g} if neither is preferred (exact two-sided binomial test)",
    )


def _agreement_line(result: Agreement | None) -> str:
    if result is None:
        return "agreement: no pair was judged by two voters"
    kappa = "undefined, all chose the same" if result.kappa is None else f"{result.kappa:.2f}"
    shown = f"{100 * result.pairwise:.1f} %, Fleiss' kappa {kappa}"
    return f"agreement on {result.pairs:,} pairs: {shown}"


def _percent(value: Interval) -> str:
    if value.low is None or value.high is None:
        return f"{100 * value.mean:.1f} %"
    return f"{100 * value.mean:.1f} % ({100 * value.low:.1f} to {100 * value.high:.1f})"


def _print_table(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich.table import Table

    from hwgen_cli.terminal import Console, one_line

    table = Table(title=title)
    for i, name in enumerate(head):
        table.add_column(name, justify="right" if 0 < i < 5 else "left")
    for row in rows:
        table.add_row(*map(one_line, row))
    Console(markup=False).print(table)  # names and labels are untrusted
