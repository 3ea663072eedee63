"""In: two sides. Out: a page to vote on, in one file, and the answer key beside it.

The page's own content policy allows its one script, its one style and the pictures in it, and no
load or connection: votes leave it as a file that the voter saves, and in no other way.
"""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image as PilImage

from hwgen.errors import InputError
from hwgen.io import os_errors
from hwgen.io.files import repair_utf8, write_text
from hwgen.io.json_files import write_json
from hwgen.record import Image
from hwgen.report.images import data_uri
from hwgen.report.markup import Html, join, tag
from hwgen.study.design import Matches, Showing, arrange, match, shuffled
from hwgen.study.sets import StudySet, describe, open_set, reduced
from hwgen.study.votes import FORMAT_VERSION, KEY_FORMAT, VOTES_FORMAT, KeyPair, study_id

QUESTION = "Which of the two looks more real?"
PAGE_FORMAT = "hwgen-study"


@dataclass(frozen=True)
class Study:
    """What was written.

    Attributes:
        id: of the study, in the page, in its votes and in the key.
        page: the file to give to voters.
        key: the file to keep from them.
        pairs: different pairs.
        controls: pairs that come again.
        size: side of the pictures, pixels.
        labels: classes that come, 0 where the pairs have none.
        holds_real: whether real pictures are in the page.
    """

    id: str
    page: Path
    key: Path
    pairs: int
    controls: int
    size: int
    labels: int
    holds_real: bool


def write_study(
    a: Path,
    b: Path,
    out: Path,
    *,
    pairs: int = 100,
    controls: int = 10,
    seed: int = 0,
    question: str = QUESTION,
) -> Study:
    """Write a page of forced choices between the pictures of A and of B, and its answer key.

    The same arguments give the same files. Where the pictures of one side are larger they are
    averaged down to the other's size, so that sharpness does not give a side away.

    Args:
        a: a GAN's run directory, or a store.
        b: another one.
        out: the page, `*.html`; the key is `*.key.json` beside it. Existing files are replaced.
        pairs: different pairs.
        controls: of these, how many come a second time with their sides exchanged.
        seed: of the choice of pictures, their sides and their order.
        question: that voters read.

    Raises:
        InputError: a side that is neither run nor store; A and B are the same, differ in
            channels, share no class or have too few pictures; more controls than fit; or a file
            cannot be written.
        RunError: an unfinished or foreign run.
        StoreError: an unfinished or foreign store.
    """
    question = repair_utf8(question)
    sides = open_set(a), open_set(b)
    _check(*sides, out)
    prints = [side.fingerprint for side in sides]
    recipe = json.dumps([seed, pairs, controls, question, *prints])
    # Sides and order depend on the pictures too: a known seed alone does not tell them.
    rng = np.random.default_rng(int.from_bytes(hashlib.sha256(recipe.encode()).digest(), "big"))
    matches = match(*sides, pairs, rng)
    order = arrange(pairs, controls, rng)
    size = min(side.size for side in sides)
    # Apart, so that a study of two runs never draws one noise for both.
    images_a = reduced(sides[0].draw(matches.a, 2 * seed), size)
    images_b = reduced(sides[1].draw(matches.b, 2 * seed + 1), size)
    salt = rng.bytes(16).hex()
    places = shuffled(2 * pairs, rng)
    ids = [hashlib.sha256(f"{salt} {n}".encode()).hexdigest()[:12] for n in range(len(order))]
    data = {
        "question": question,
        "size": size,
        "controls": controls,
        "pairs": _shown(order, ids, places, matches),
        "pictures": _pictures(np.concatenate([images_a, images_b]), places),
    }
    key: dict[str, Any] = {
        "format": KEY_FORMAT,
        "format_version": FORMAT_VERSION,
        "question": question,
        "seed": seed,
        "salt": salt,
        "page_sha256": hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest(),
        "a": describe(sides[0]),
        "b": describe(sides[1]),
        "pairs": [asdict(pair) for pair in _answers(order, ids, matches)],
    }
    key["study"] = study_id(key)
    head = {"format": PAGE_FORMAT, "format_version": FORMAT_VERSION, "votes_format": VOTES_FORMAT}
    key_file = out.with_suffix(".key.json")
    _write(out, _page({**head, "study": key["study"], **data}), key_file, key)
    return Study(
        id=key["study"],
        page=out,
        key=key_file,
        pairs=pairs,
        controls=controls,
        size=size,
        labels=len(set(matches.labels) - {None}),
        holds_real=any(side.kind == "real store" for side in sides),
    )


def _check(a: StudySet, b: StudySet, out: Path) -> None:
    if a.fingerprint == b.fingerprint:
        raise InputError(
            f"{a.name} and {b.name} hold the same pictures", remedy="Give two different sides"
        )
    if a.channels != b.channels:
        raise InputError(
            f"{a.name} has {a.channels} channels and {b.name} {b.channels}: colour would tell the "
            "sides apart",
            remedy="Prepare both in grey, or both in colour",
        )
    if out.suffix != ".html":
        raise InputError("the page's name must end in .html", where=str(out))


def _shown(
    order: list[Showing], ids: list[str], places: list[int], matches: Matches
) -> list[dict[str, Any]]:
    """What the page says of each showing: picture numbers left and right."""
    shown = []
    for showing, name in zip(order, ids, strict=True):
        picture_a, picture_b = places[showing.pair], places[showing.pair + len(matches.labels)]
        left, right = (picture_a, picture_b) if showing.a_is_left else (picture_b, picture_a)
        label = matches.labels[showing.pair]
        shown.append({"id": name, "left": left, "right": right, "label": label})
    return shown


def _pictures(images: Image, places: list[int]) -> list[str]:
    """Data URIs in an order that does not tell A from B."""
    uris = [""] * len(places)
    for place, image in zip(places, images, strict=True):
        uris[place] = data_uri(PilImage.fromarray(image))
    return uris


def _answers(order: list[Showing], ids: list[str], matches: Matches) -> list[KeyPair]:
    first: dict[int, str] = {}
    answers = []
    for showing, name in zip(order, ids, strict=True):
        repeats = first.setdefault(showing.pair, name) if showing.repeats else None
        first.setdefault(showing.pair, name)
        left: Literal["a", "b"] = "a" if showing.a_is_left else "b"
        answers.append(KeyPair(name, left, matches.labels[showing.pair], repeats))
    return answers


def _page(data: dict[str, Any]) -> str:
    style = _resource("report", "style.css") + _resource("study", "style.css")
    script, body = _resource("study", "study.js"), _resource("study", "body.html")
    policy = "; ".join(
        [
            "default-src 'none'",
            "img-src data:",
            f"style-src '{_hash(style)}'",
            f"script-src '{_hash(script)}'",
            "base-uri 'none'",
            "form-action 'none'",
        ]
    )
    # "<" would let a label or question end the element.
    written = json.dumps(data, ensure_ascii=False).replace("<", "\\u003c")
    head = join(
        [
            Html('<meta charset="utf-8">'),
            Html(f'<meta http-equiv="Content-Security-Policy" content="{policy}">'),
            Html('<meta name="viewport" content="width=device-width, initial-scale=1">'),
            Html('<meta name="color-scheme" content="light dark">'),
            tag("title", data["question"]),
            tag("style", Html(style)),
        ],
        "\n",
    )
    parts = [
        Html(body),
        tag("script", Html(written), type="application/json", id="study"),
        tag("script", Html(script)),
    ]
    page = tag("html", tag("head", head), tag("body", join(parts, "\n")), lang="en")
    return f"<!doctype html>\n{page}\n"


def _resource(room: str, name: str) -> str:
    return resources.files(f"hwgen.{room}").joinpath(name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _write(out: Path, page: str, key_file: Path, key: dict[str, Any]) -> None:
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        # The key first: a page without its key would collect votes that nobody can count.
        write_json(key_file, key)
        write_text(out, page)
    except OSError as error:
        raise InputError(
            f"cannot be written ({os_errors.reason(error)})",
            where=str(out),
            remedy=os_errors.remedy(error),
        ) from None
