"""Mutations of valid inputs, several at once.

Bytes are changed as in AFL's havoc stage (M. Zalewski, afl-fuzz, "stacked tweaks"); JSON also as a
tree, since nearly all damaged JSON text is invalid and never reaches the code that reads the
values.
"""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable, Sequence
from typing import Any

INTEGERS: tuple[int, ...] = (0, 1, 2, 9, 10, 11, 0x7F, 0x80, 0xFF, 0x100, 0x7FFF, 0x8000)
INTEGERS += (0xFFFF, 0x10000, 1 << 24, (1 << 24) + 10, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
INTEGERS += (1 << 40, (1 << 63) - 1, (1 << 64) - 1)
"""Limits of number formats and of hwgen."""

JSON_VALUES: tuple[Any, ...] = (None, True, False, -1, 0, 1, 2, 0.5, -0.0, 1e308, float("nan"))
JSON_VALUES += (float("inf"), 1 << 31, 10**9, 1 << 63, 10**30, 10**400, "", "一", "../../x", "\0")
JSON_VALUES += ("\ud800", "x" * 5000, [], {}, [[]], [None], {"": None}, [0] * 2000, ["a"] * 2000)
"""Hostile JSON values."""

DEEP = b"[" * 100_000
"""Nested deeper than a recursive parser can follow."""

JSON_TOKENS = (b"[" * 2000, DEEP, b"NaN", b"-", b"1e999", b"\xef\xbb\xbf", b"\\ud800", b'"')

Mutate = Callable[[bytes, bytes, random.Random], bytes]


def mutate(data: bytes, other: bytes, rng: random.Random, tokens: Sequence[bytes] = ()) -> bytes:
    """Valid bytes with one to eight changes.

    Args:
        data: a valid input.
        other: another valid input, to splice with.
        rng: source of all choices.
        tokens: pieces of the format to insert anywhere.
    """
    out = bytearray(data)
    for _ in range(1 << rng.randrange(4)):
        _CHANGES[rng.randrange(len(_CHANGES))](out, other, rng, tokens)
    return bytes(out)


def mutate_json(text: bytes, other: bytes, rng: random.Random) -> bytes:
    """A JSON text with one to four values changed, or in one case of four with bytes changed."""
    if rng.randrange(4) == 0:
        return mutate(
            text, other, rng, (b"[" * 2000, DEEP, b"NaN", b"-", b"1e999", b"\xef\xbb\xbf")
        )
    tree = json.loads(text)
    for _ in range(1 << rng.randrange(3)):
        tree = _change_node(tree, rng)
    # json writes a number such as 10**400 in full, and a lone surrogate as its escape.
    return json.dumps(tree).encode()


def _change_node(tree: Any, rng: random.Random) -> Any:
    """The tree with one value replaced, dropped, doubled or renamed."""
    if not isinstance(tree, dict | list) or not tree or rng.randrange(12) == 0:
        return _scalar(tree, rng)
    places: list[Any] = list(tree) if isinstance(tree, dict) else list(range(len(tree)))
    place = places[rng.randrange(len(places))]
    what = rng.randrange(8)
    if what == 0:
        del tree[place]
    elif what == 1 and isinstance(tree, dict):
        tree[rng.choice(["", "x", place + "_"])] = copy.deepcopy(tree[place])
    elif what == 1 and isinstance(tree, list):
        tree.append(copy.deepcopy(tree[place]))
    else:
        tree[place] = _change_node(tree[place], rng)
    return tree


def _scalar(value: Any, rng: random.Random) -> Any:
    if isinstance(value, int) and not isinstance(value, bool) and rng.randrange(2):
        return rng.choice((value + 1, value - 1, -value, value * 1000, 10**9))
    return copy.deepcopy(rng.choice(JSON_VALUES))


def _offset(out: bytearray, rng: random.Random) -> int:
    """A random offset; in one case of three near the beginning, where headers are."""
    most = min(len(out), 64) if rng.randrange(3) == 0 else len(out)
    return rng.randrange(most) if most else 0


def _range(data: bytes | bytearray, rng: random.Random) -> tuple[int, int]:
    begin = rng.randrange(len(data) + 1)
    return begin, min(len(data), begin + 1 + int(rng.expovariate(1 / 40)))


def _flip(out: bytearray, other: bytes, rng: random.Random, tokens: Sequence[bytes]) -> None:
    if out:
        out[_offset(out, rng)] ^= 1 << rng.randrange(8)


def _set(out: bytearray, other: bytes, rng: random.Random, tokens: Sequence[bytes]) -> None:
    if out:
        out[_offset(out, rng)] = rng.randrange(256)


def _number(out: bytearray, other: bytes, rng: random.Random, tokens: Sequence[bytes]) -> None:
    """Overwrite a field of 1, 2, 4 or 8 bytes by one of INTEGERS, or change it by a little."""
    width = 1 << rng.randrange(4)
    order: Any = "little" if rng.randrange(4) else "big"
    at = _offset(out, rng)
    field = out[at : at + width]
    value = rng.choice(INTEGERS)
    if rng.randrange(2):
        value = int.from_bytes(field, order) + rng.randint(-16, 16)
    out[at : at + len(field)] = (value % (1 << 8 * len(field))).to_bytes(len(field), order)


def _cut(out: bytearray, other: bytes, rng: random.Random, tokens: Sequence[bytes]) -> None:
    if rng.randrange(4):
        del out[rng.randrange(len(out) + 1) :]
    else:
        del out[: rng.randrange(len(out) + 1)]


def _drop(out: bytearray, other: bytes, rng: random.Random, tokens: Sequence[bytes]) -> None:
    begin, end = _range(out, rng)
    del out[begin:end]


def _double(out: bytearray, other: bytes, rng: random.Random, tokens: Sequence[bytes]) -> None:
    begin, end = _range(out, rng)
    at = rng.randrange(len(out) + 1)
    out[at:at] = out[begin:end] * (1 + rng.randrange(3))


def _splice(out: bytearray, other: bytes, rng: random.Random, tokens: Sequence[bytes]) -> None:
    begin, end = _range(other, rng)
    at = rng.randrange(len(out) + 1)
    out[at : at + (end - begin) * rng.randrange(2)] = other[begin:end]


def _token(out: bytearray, other: bytes, rng: random.Random, tokens: Sequence[bytes]) -> None:
    token = rng.choice(tokens) if tokens else rng.randbytes(1 + rng.randrange(32))
    at = _offset(out, rng)
    out[at : at + len(token) * rng.randrange(2)] = token


_CHANGES = (_flip, _set, _number, _number, _cut, _drop, _double, _splice, _token)
