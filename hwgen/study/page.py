"""The page of a study, one HTML file, and its answer key.

The page's content security policy allows only its own script, style, font and images, and no
connection: votes leave it only as a file that the voter saves.
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
from hwgen.io.json_files import read_object, write_json
from hwgen.io.outputs import MARK, check_output_file
from hwgen.record import Image
from hwgen.report.images import data_uri
from hwgen.report.markup import Html, join, tag
from hwgen.report.stroke_font import font_face
from hwgen.schema import check_numbers, check_seed
from hwgen.study.design import Pairs, Showing, arrange, make_pairs, shuffled
from hwgen.study.sets import StudySet, describe, open_set, reduced
from hwgen.study.votes import FORMAT_VERSION, KEY_FORMAT, VOTES_FORMAT, KeyPair, study_id

QUESTION = "Which of the two looks more real?"
PAGE_FORMAT = "hwgen-study"


@dataclass(frozen=True)
class Study:
    """A study that was written.

    Attributes:
        id: of the study; in the page, in the votes and in the key.
        page: file for the voters.
        key: file to be kept from the voters.
        pairs: number of different pairs.
        controls: number of pairs that are shown twice.
        size: of the images, pixels.
        labels: number of classes; 0 without labels.
        holds_real: whether real images are in the page.
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
    """Write a page of forced choices between images of A and of B, and its answer key.

    The same arguments give the same files. Larger images are averaged down to the size of the other
    set, so that sharpness does not reveal the set.

    Args:
        a: a run directory of a GAN, an exported model of one, or a store.
        b: another one.
        out: the page, `*.html`; the key is `*.key.json` beside it. A page of hwgen is
            replaced, a key only by the same one.
        pairs: number of different pairs.
        controls: how many of them are shown a second time, with left and right exchanged.
        seed: of the choice of images, of left and right, and of the order.
        question: that voters answer.

    Raises:
        InputError: A or B is not a run, model or store; they hold the same images, differ in
            channels, have no class in common or too few images; there are more controls than fit;
            the key of another study is there; or a file cannot be written.
        RunError: a run is unfinished or damaged.
        StoreError: a store is unfinished or damaged.
    """
    check_seed(seed)
    check_numbers((pairs, controls), "the numbers of pairs and controls")
    question = repair_utf8(question)
    key_file = out.with_suffix(".key.json")
    check_output_file(out, (".html",))
    check_output_file(key_file, is_own=_is_key)
    set_a, set_b = open_set(a), open_set(b)
    _check(set_a, set_b)
    recipe = json.dumps([seed, pairs, controls, question, set_a.fingerprint, set_b.fingerprint])
    # From the images too: the seed alone does not reveal which side is A.
    rng = np.random.default_rng(int.from_bytes(hashlib.sha256(recipe.encode()).digest(), "big"))
    chosen = make_pairs(set_a, set_b, pairs, rng)
    order = arrange(pairs, controls, rng)
    size = min(set_a.size, set_b.size)
    # Two seeds: the noise of two runs must differ.
    images_a = reduced(set_a.images(chosen.a, 2 * seed), size)
    images_b = reduced(set_b.images(chosen.b, 2 * seed + 1), size)
    salt = rng.bytes(16).hex()
    positions = shuffled(2 * pairs, rng)
    ids = [hashlib.sha256(f"{salt} {n}".encode()).hexdigest()[:12] for n in range(len(order))]
    data = {
        "question": question,
        "size": size,
        "controls": controls,
        "pairs": _showings(order, ids, positions, chosen),
        "pictures": _data_uris(np.concatenate([images_a, images_b]), positions),
    }
    key: dict[str, Any] = {
        "format": KEY_FORMAT,
        "format_version": FORMAT_VERSION,
        "question": question,
        "seed": seed,
        "salt": salt,
        "page_sha256": hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest(),
        "a": describe(set_a),
        "b": describe(set_b),
        "pairs": [asdict(pair) for pair in _answers(order, ids, chosen)],
    }
    key["study"] = study_id(key)
    _refuse_another_study(key_file, key["study"])
    head = {"format": PAGE_FORMAT, "format_version": FORMAT_VERSION, "votes_format": VOTES_FORMAT}
    _write(out, _page({**head, "study": key["study"], **data}), key_file, key)
    return Study(
        id=key["study"],
        page=out,
        key=key_file,
        pairs=pairs,
        controls=controls,
        size=size,
        labels=len(set(chosen.labels) - {None}),
        holds_real="real store" in (set_a.kind, set_b.kind),
    )


def _refuse_another_study(key_file: Path, study: str) -> None:
    """Refuse to replace the key of another study, without which its votes are worthless."""
    if key_file.is_file() and key_file.stat().st_size:
        there = read_object(key_file).get("study")
        if there != study:
            raise InputError(
                "the answer key of another study is already there",
                where=str(key_file),
                remedy="Give another --out, or delete it if its votes are not needed",
            )


def _check(a: StudySet, b: StudySet) -> None:
    if a.fingerprint == b.fingerprint:
        raise InputError(
            f"{a.name} and {b.name} hold the same images", remedy="Give two different sets"
        )
    if a.channels != b.channels:
        grey, colour = (a, b) if a.channels == 1 else (b, a)
        raise InputError(
            f"{grey.name} is in grey and {colour.name} in colour, so colour would reveal the set",
            remedy="Prepare both in grey, or both in colour",
        )


def _showings(
    order: list[Showing], ids: list[str], positions: list[int], pairs: Pairs
) -> list[dict[str, Any]]:
    """What the page says about each showing: the positions of its images, and the label."""
    found = []
    for showing, name in zip(order, ids, strict=True):
        image_a, image_b = positions[showing.pair], positions[showing.pair + len(pairs.labels)]
        left, right = (image_a, image_b) if showing.a_is_left else (image_b, image_a)
        label = pairs.labels[showing.pair]
        found.append({"id": name, "left": left, "right": right, "label": label})
    return found


def _data_uris(images: Image, positions: list[int]) -> list[str]:
    """Data URIs in an order that does not reveal A and B."""
    uris = [""] * len(positions)
    for position, image in zip(positions, images, strict=True):
        uris[position] = data_uri(PilImage.fromarray(image))
    return uris


def _answers(order: list[Showing], ids: list[str], pairs: Pairs) -> list[KeyPair]:
    first: dict[int, str] = {}
    answers = []
    for showing, name in zip(order, ids, strict=True):
        repeats = first.setdefault(showing.pair, name) if showing.repeats else None
        first.setdefault(showing.pair, name)
        left: Literal["a", "b"] = "a" if showing.a_is_left else "b"
        answers.append(KeyPair(name, left, pairs.labels[showing.pair], repeats))
    return answers


def _page(data: dict[str, Any]) -> str:
    style = _resource("report", "style.css") + _resource("study", "style.css")
    shown = [pair["label"] or "" for pair in data["pairs"]]
    style += font_face("".join([data["question"], *shown]))
    script, body = _resource("study", "study.js"), _resource("study", "body.html")
    policy = "; ".join(
        [
            "default-src 'none'",
            "img-src data:",
            "font-src data:",
            f"style-src '{_hash(style)}'",
            f"script-src '{_hash(script)}'",
            "base-uri 'none'",
            "form-action 'none'",
        ]
    )
    # "<" in a label or in the question could end the element.
    embedded = json.dumps(data, ensure_ascii=False).replace("<", "\\u003c")
    head = join(
        [
            Html('<meta charset="utf-8">'),
            Html(f'<meta http-equiv="Content-Security-Policy" content="{policy}">'),
            Html(f'<meta name="generator" content="{MARK}">'),
            Html('<meta name="viewport" content="width=device-width, initial-scale=1">'),
            Html('<meta name="color-scheme" content="light dark">'),
            tag("title", data["question"]),
            tag("style", Html(style)),
        ],
        "\n",
    )
    parts = [
        Html(body),
        tag("script", Html(embedded), type="application/json", id="study"),
        tag("script", Html(script)),
    ]
    page = tag("html", tag("head", head), tag("body", join(parts, "\n")), lang="en")
    return f"<!doctype html>\n{page}\n"


def _is_key(file: Path) -> bool:
    try:
        return bool(read_object(file, KEY_FORMAT, FORMAT_VERSION))
    except ValueError:
        return False


def _resource(package: str, name: str) -> str:
    return resources.files(f"hwgen.{package}").joinpath(name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _write(out: Path, page: str, key_file: Path, key: dict[str, Any]) -> None:
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        # The key first: votes of a page without its key could not be counted.
        write_json(key_file, key)
        write_text(out, page)
    except OSError as error:
        raise InputError(
            f"writing failed ({os_errors.reason(error)})",
            where=str(out),
            remedy=os_errors.remedy(error),
        ) from None
