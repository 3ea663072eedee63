"""Files of a study: its answer key, and the votes that the page exports.

study.html       the page for voters; pairs have opaque ids
study.key.json   beside it, not for voters: whether A was on the left, and which pairs are controls
votes-*.json     exported by the page: id of the study, voter, and "left" or "right" for each pair
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
    """One showing of a pair, as in the answer key.

    Attributes:
        id: of this showing.
        left: the set whose image is on the left, "a" or "b".
        label: class of both images; None without labels.
        repeats: id of the earlier showing that this one, a control, repeats; else None.
    """

    id: str
    left: Literal["a", "b"]
    label: str | None
    repeats: str | None

    def chosen(self, choice: str) -> str:
        """The set that was chosen, "a" or "b", by a vote for "left" or "right"."""
        return self.left if choice == "left" else _OTHER[self.left]


@dataclass(frozen=True)
class Key:
    """The answer key of one study.

    Attributes:
        study: id, a hash of everything in the key, which includes a hash of the page's data.
        question: that voters answer.
        a: name of set A.
        b: name of set B.
        pairs: by id, in the order shown.
    """

    study: str
    question: str
    a: str
    b: str
    pairs: Mapping[str, KeyPair]


@dataclass(frozen=True)
class Ballot:
    """The votes of one voter.

    Attributes:
        id: random, made by the page.
        name: as the voter typed it, or "".
        choices: "a" or "b" by id of the showing.
        lefts: number of votes for the left image.
        file: that they were read from.
    """

    id: str
    name: str
    choices: Mapping[str, str]
    lefts: int
    file: Path

    @property
    def voter(self) -> str:
        """The name, or the id without one."""
        return self.name or self.id


def study_id(key: Mapping[str, Any]) -> str:
    """Id of a study: 16 hex digits of a hash of its key, without the entry "study"."""
    rest = {name: value for name, value in key.items() if name != "study"}
    written = json.dumps(rest, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(written.encode()).hexdigest()[:16]


def read_key(file: Path) -> Key:
    """Read the answer key of a study.

    Raises:
        InputError: it is missing, not an answer key, or was changed after it was written.
    """
    with reading(file, "an answer key"):
        plain = read_object(file, KEY_FORMAT, FORMAT_VERSION)
        found: _KeyFile = from_json(_KeyFile, plain, "key", ignore_unknown=True)
    if found.study != study_id(plain):
        raise InputError(
            "was changed after it was written: the id of the study does not match its content",
            where=str(file),
            remedy="Rerun the command that wrote the study, with the same seed",
        )
    return Key(
        study=found.study,
        question=found.question,
        a=found.a.name,
        b=found.b.name,
        pairs={pair.id: pair for pair in found.pairs},
    )


def read_ballots(files: Sequence[Path], key: Key) -> list[Ballot]:
    """Read exported votes, one voter per file.

    Raises:
        InputError: there is no file; one is missing, not an export, or of another study; or two
            files are of the same voter.
    """
    if not files:
        raise InputError("no votes given", remedy="Give the files that voters saved")
    ballots: dict[str, Ballot] = {}
    for file in files:
        ballot = _read_ballot(file, key)
        before = ballots.setdefault(ballot.id, ballot)
        if before is not ballot:
            raise InputError(
                f"holds votes of the same voter as {before.file}",
                where=str(file),
                remedy="Give only the later file, which includes the earlier votes",
            )
    return list(ballots.values())


def _read_ballot(file: Path, key: Key) -> Ballot:
    with reading(file, "an export of votes", "Ask the voter to save the votes again"):
        plain = read_object(file, VOTES_FORMAT, FORMAT_VERSION)
        found: _VotesFile = from_json(_VotesFile, plain, "votes", ignore_unknown=True)
    if found.study != key.study:
        raise InputError(
            f"holds votes of study {found.study!r:.60}, but the key is of study {key.study!r}",
            where=str(file),
            remedy="Give the key that was written with the page of these votes",
        )
    choices: dict[str, str] = {}
    for vote in found.votes:
        if vote.pair not in key.pairs or vote.pair in choices:
            raise InputError(
                f"does not match the study (a vote on pair {vote.pair!r:.60})",
                where=str(file),
                remedy="Ask the voter to save the votes again",
            )
        choices[vote.pair] = key.pairs[vote.pair].chosen(vote.choice)
    lefts = sum(vote.choice == "left" for vote in found.votes)
    return Ballot(found.voter.id, found.voter.name, choices, lefts, file)


@dataclass(frozen=True)
class _Set:
    name: str


@dataclass(frozen=True)
class _KeyFile:
    """The fields of an answer key that are read."""

    study: str
    question: str
    a: _Set
    b: _Set
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
    """The fields of an export of votes that are read."""

    study: str
    voter: _Voter
    votes: tuple[_Vote, ...]
