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
from typing import Any

from hwgen.errors import InputError

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
    left: str
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
    value = _read(file, KEY_FORMAT, "an answer key")
    if value.get("study") != study_id(value):
        raise InputError(
            "was changed after it was written: its study id does not fit",
            where=str(file),
            remedy="Write the study again with the command and seed that made it",
        )
    pairs = (KeyPair(p["id"], p["left"], p["label"], p["repeats"]) for p in value["pairs"])
    return Key(
        study=value["study"],
        question=value["question"],
        a=value["a"]["name"],
        b=value["b"]["name"],
        pairs={pair.id: pair for pair in pairs},
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
    value = _read(file, VOTES_FORMAT, "an export of votes")
    if value.get("study") != key.study:
        raise InputError(
            f"holds votes of study {value.get('study')!r}, the key is of {key.study!r}",
            where=str(file),
            remedy="Give the key that was written with the page these votes come from",
        )
    choices: dict[str, str] = {}
    lefts = 0
    try:
        voter, name = str(value["voter"]["id"]), str(value["voter"]["name"])
        for vote in value["votes"]:
            pair, choice = vote["pair"], vote["choice"]
            if pair not in key.pairs or pair in choices or choice not in ("left", "right"):
                raise ValueError(f"vote {choice!r} on pair {pair!r}")
            choices[pair] = key.pairs[pair].chosen(choice)
            lefts += choice == "left"
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"does not fit the study ({type(error).__name__}: {error})",
            where=str(file),
            remedy="Ask the voter to export again",
        ) from None
    return Ballot(voter, name, choices, lefts, file)


def _read(file: Path, wanted: str, what: str) -> dict[str, Any]:
    try:
        value = json.loads(file.read_text(encoding="utf-8"))
        if (value["format"], value["format_version"]) != (wanted, FORMAT_VERSION):
            raise ValueError(f"format {value['format']!r} version {value['format_version']!r}")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"is not {what} that this hwgen can read ({type(error).__name__}: {error})",
            where=str(file),
        ) from None
    return dict(value)
