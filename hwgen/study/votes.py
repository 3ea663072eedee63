"""In: an answer key and files of votes. Out: who chose A or B in which pair, checked.

study.html       what voters see; its votes say "left" or "right" of pairs with opaque ids
study.key.json   beside it, not for voters: on which side A was, and which pairs came again
votes-*.json     what the page exports: study id, who voted, one entry a vote
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from hwgen.errors import InputError
from hwgen.io.json_files import read_object, reading
from hwgen.schema import from_json

KEY_FORMAT = "hwgen-study-key"
VOTES_FORMAT = "hwgen-votes"
FORMAT_VERSION = 1

_OTHER = {"a": "b", "b": "a"}


@dataclass(frozen=True)
class KeyPair:
    """What a voter does not know of a showing.

    Attributes:
        id: of this showing.
        left: "a" or "b".
        label: class of both pictures, None where there is none.
        repeats: id of the showing that this one is the control of, or None.
    """

    id: str
    left: Literal["a", "b"]
    label: str | None
    repeats: str | None

    def chosen(self, choice: str) -> str:
        """The side of the picture that was chosen: from "left" or "right" to "a" or "b"."""
        return self.left if choice == "left" else _OTHER[self.left]


@dataclass(frozen=True)
class Key:
    """The answer key of one study.

    Attributes:
        study: id: the hash of everything in the key, which holds the hash of the page's data.
        question: that was asked.
        a: name of side A.
        b: of side B.
        pairs: by id, in the order shown.
    """

    study: str
    question: str
    a: str
    b: str
    pairs: Mapping[str, KeyPair]


@dataclass(frozen=True)
class Ballot:
    """One person's votes.

    Attributes:
        id: random, given by the page.
        name: that the voter typed, or "".
        choices: "a" or "b" by showing.
        lefts: how many of the votes went to the left picture.
        file: they were read from.
    """

    id: str
    name: str
    choices: Mapping[str, str]
    lefts: int
    file: Path

    @property
    def voter(self) -> str:
        """The name, or the id where none was given."""
        return self.name or self.id


def study_id(key: Mapping[str, Any]) -> str:
    """16 hex digits that change with anything in a key but its own "study"."""
    rest = {name: value for name, value in key.items() if name != "study"}
    written = json.dumps(rest, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(written.encode()).hexdigest()[:16]


def read_key(file: Path) -> Key:
    """The answer key that was written beside a page.

    Raises:
        InputError: missing, not a key, or changed after it was written.
    """
    with reading(file, "an answer key"):
        plain = read_object(file, KEY_FORMAT, FORMAT_VERSION)
        found: _KeyFile = from_json(_KeyFile, plain, "key", ignore_unknown=True)
    if found.study != study_id(plain):
        raise InputError(
            "was changed after it was written: its study id does not fit",
            where=str(file),
            remedy="Write the study again with the command and seed that made it",
        )
    return Key(
        study=found.study,
        question=found.question,
        a=found.a.name,
        b=found.b.name,
        pairs={pair.id: pair for pair in found.pairs},
    )


def read_ballots(files: Sequence[Path], key: Key) -> list[Ballot]:
    """Exported votes, one person a file.

    Raises:
        InputError: no file; one that is missing, is not an export, belongs to another study or
            does not fit this one; or one person's votes in two files.
    """
    if not files:
        raise InputError("no votes given", remedy="Give the files that voters exported")
    ballots: dict[str, Ballot] = {}
    for file in files:
        ballot = _read_ballot(file, key)
        before = ballots.setdefault(ballot.id, ballot)
        if before is not ballot:
            raise InputError(
                f"holds votes of the same voter as {before.file}",
                where=str(file),
                remedy="Give only the later export: it holds the earlier votes too",
            )
    return list(ballots.values())


def _read_ballot(file: Path, key: Key) -> Ballot:
    with reading(file, "an export of votes", "Ask the voter to export again"):
        plain = read_object(file, VOTES_FORMAT, FORMAT_VERSION)
        found: _VotesFile = from_json(_VotesFile, plain, "votes", ignore_unknown=True)
    if found.study != key.study:
        raise InputError(
            f"holds votes of study {found.study!r:.60}, the key is of {key.study!r}",
            where=str(file),
            remedy="Give the key that was written with the page these votes come from",
        )
    choices: dict[str, str] = {}
    for vote in found.votes:
        if vote.pair not in key.pairs or vote.pair in choices:
            raise InputError(
                f"does not fit the study (a vote on pair {vote.pair!r:.60})",
                where=str(file),
                remedy="Ask the voter to export again",
            )
        choices[vote.pair] = key.pairs[vote.pair].chosen(vote.choice)
    lefts = sum(vote.choice == "left" for vote in found.votes)
    return Ballot(found.voter.id, found.voter.name, choices, lefts, file)


@dataclass(frozen=True)
class _Side:
    name: str


@dataclass(frozen=True)
class _KeyFile:
    """What is read of an answer key."""

    study: str
    question: str
    a: _Side
    b: _Side
    pairs: tuple[KeyPair, ...]


@dataclass(frozen=True)
class _Vote:
    pair: str
    choice: Literal["left", "right"]


@dataclass(frozen=True)
class _Voter:
    id: str
    name: str


@dataclass(frozen=True)
class _VotesFile:
    """What is read of an export of votes."""

    study: str
    voter: _Voter
    votes: tuple[_Vote, ...]
