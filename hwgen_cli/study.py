"""In: the options of `hwgen study`. Out: a page to vote on with its key; or a tally of votes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from hwgen.evaluation.metrics.intervals import Interval
    from hwgen.study.measures import Agreement
    from hwgen.study.tally import Preference, Tally

_SHOWN_CLASSES = 10
_MAKING = "Making a page"
_COUNTING = "Counting votes"


def study(
    inputs: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="RUN_A RUN_B | VOTES.json...",
            help="Two sides, each a GAN's run, an exported one, or a store; with --tally, the "
            "files that voters saved.",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="FILE.html",
            help="The page; the answer key goes beside it.",
            rich_help_panel=_MAKING,
        ),
    ] = None,
    pairs: Annotated[
        int | None,
        typer.Option(min=1, show_default="100", help="Different pairs.", rich_help_panel=_MAKING),
    ] = None,
    controls: Annotated[
        int | None,
        typer.Option(
            min=0,
            show_default="10",
            help="Pairs that come again with their sides exchanged.",
            rich_help_panel=_MAKING,
        ),
    ] = None,
    question: Annotated[
        str | None,
        typer.Option(
            show_default="Which of the two looks more real?",
            help="What voters are asked.",
            rich_help_panel=_MAKING,
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            min=0,
            show_default="0",
            help="Of pictures, sides and order.",
            rich_help_panel=_MAKING,
        ),
    ] = None,
    count_votes: Annotated[
        bool,
        typer.Option("--tally", help="Count votes.", rich_help_panel=_COUNTING),
    ] = False,
    key: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.key.json",
            help="The answer key of the page.",
            rich_help_panel=_COUNTING,
        ),
    ] = None,
    counts: Annotated[
        str | None,
        typer.Option(
            metavar="A,B", help="In place of files: votes for A and B.", rich_help_panel=_COUNTING
        ),
    ] = None,
    max_disagreement: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=1,
            show_default="0.3",
            help="Leave out who judges more of the repeated pairs differently.",
            rich_help_panel=_COUNTING,
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Ask people: one offline page of forced choices between A and B, and the tally of their votes.

    Give voters the page and keep the key. Each saves a file of votes at the end; nothing is sent.

    Example: hwgen study runs/lsgan runs/dcgan --out study.html --pairs 100

    Example: hwgen study --tally votes-1.json votes-2.json --key study.key.json

    Example: hwgen study --tally --counts 2256,1744
    """
    making = {"out": out, "pairs": pairs, "controls": controls, "seed": seed, "question": question}
    counting = {"key": key, "counts": counts, "max_disagreement": max_disagreement}
    files = inputs or []
    if not count_votes:
        _refuse(counting, "need --tally")
        _make(files, {name: v for name, v in making.items() if v is not None}, as_json)
        return
    _refuse(making, "make a page and count nothing: leave out --tally")
    if counts is not None:
        _refuse({"VOTES": files or None, **counting, "counts": None}, "do not go with --counts")
        _count_plain(counts, as_json)
    else:
        _count(files, key, max_disagreement, as_json)


def _refuse(options: Mapping[str, object], why: str) -> None:
    from hwgen.errors import InputError

    given = [
        name if name.isupper() else "--" + name.replace("_", "-")
        for name, value in options.items()
        if value is not None
    ]
    if given:
        raise InputError(f"{', '.join(given)} {why}")


def _make(sides: list[Path], given: dict[str, Any], as_json: bool) -> None:
    from hwgen.errors import InputError
    from hwgen.study.page import write_study

    if len(sides) != 2 or "out" not in given:
        raise InputError(
            "two sides and --out are needed", remedy="hwgen study RUN_A RUN_B --out study.html"
        )
    made = write_study(sides[0], sides[1], **given)
    if as_json:
        _print_json(made)
        return
    of = f" of {made.labels:,} classes" if made.labels else ""
    _say(
        f"{made.page}: {made.pairs:,} pairs{of} and {made.controls:,} repeated ones, "
        f"{made.size}x{made.size} pixels",
        f"{made.key}: the answers; not for voters",
    )
    if made.holds_real:
        _say("The page holds real pictures: those of CASIA may not be passed on.")


def _count_plain(counts: str, as_json: bool) -> None:
    from hwgen.errors import InputError
    from hwgen.study.tally import preference

    try:
        a, b = (int(part) for part in counts.split(","))
    except ValueError:
        raise InputError(
            f"--counts {counts} is not two whole numbers", remedy="Such as --counts 2256,1744"
        ) from None
    found = preference(a, b)
    if as_json:
        _print_json(found)
    else:
        _say(*_preference_lines("A", "B", found))


def _count(files: list[Path], key: Path | None, allowed: float | None, as_json: bool) -> None:
    from hwgen.errors import InputError
    from hwgen.study.tally import MAX_DISAGREEMENT, tally
    from hwgen.study.votes import read_ballots, read_key

    if key is None:
        raise InputError("--tally needs the --key that was written beside the page, or --counts")
    answers = read_key(key)
    allowed = MAX_DISAGREEMENT if allowed is None else allowed
    found = tally(answers, read_ballots(files, answers), max_disagreement=allowed)
    if as_json:
        _print_json(found)
    else:
        _show(found)


def _show(found: Tally) -> None:
    # Two folders may have the same name.
    a, b = f"A ({found.names[0]})", f"B ({found.names[1]})"
    voters = [
        (
            voter.name,
            *(f"{n:,}" for n in (voter.a, voter.b, voter.controls, voter.disagreements)),
            f"no: {voter.excluded}" if voter.excluded else "yes",
        )
        for voter in found.voters
    ]
    head = ("voter", a, b, "controls", "judged differently", "counted")
    _print_table(found.question, head, voters)
    _say(
        *_preference_lines(a, b, found.preference),
        f"mean over voters of their share of {a}: {_share(found.by_voter)}",
        f"left picture chosen: {_share(found.left)}",
        _agreement_line(found.agreement),
    )
    if found.classes:
        surest = sorted(found.classes.items(), key=lambda item: item[1].p_value)[:_SHOWN_CLASSES]
        rows = [(name, f"{v.a:,}", f"{v.b:,}", _share(v.share)) for name, v in surest]
        _print_table("Classes furthest from one half", ("class", a, b, f"share of {a}"), rows)


def _preference_lines(a: str, b: str, found: Preference) -> tuple[str, str, str]:
    return (
        f"{a}: {found.a:,} votes; {b}: {found.b:,} votes",
        f"share of {a}: {_share(found.share)}, if votes are independent",
        f"p = {found.p_value:.2g} that one half gives such a share (exact binomial test)",
    )


def _agreement_line(found: Agreement | None) -> str:
    if found is None:
        return "agreement: no pair was judged by two voters"
    kappa = "undefined, all chose the same" if found.kappa is None else f"{found.kappa:.2f}"
    shown = f"{100 * found.pairwise:.1f} %, Fleiss' kappa {kappa}"
    return f"agreement on {found.pairs:,} pairs: {shown}"


def _share(value: Interval) -> str:
    if value.low is None or value.high is None:
        return f"{100 * value.mean:.1f} %"
    return f"{100 * value.mean:.1f} % ({100 * value.low:.1f} to {100 * value.high:.1f})"


def _say(*lines: str) -> None:
    from rich.console import Console

    for line in lines:
        Console().print(line, highlight=False, markup=False, soft_wrap=True)


def _print_table(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title)
    for i, name in enumerate(head):
        table.add_column(name, justify="right" if 0 < i < 5 else "left")
    for row in rows:
        table.add_row(*row)
    Console(markup=False).print(table)  # names and labels come from elsewhere


def _print_json(value: Any) -> None:
    import json

    print(json.dumps(asdict(value), ensure_ascii=False, default=str, indent=1))
