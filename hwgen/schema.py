"""In: a recipe of any kind as plain JSON. Out: the same built, changed or compared."""

from __future__ import annotations

import dataclasses
import json
import math
import types
import typing
from collections.abc import Mapping
from typing import Any, Literal

from hwgen.errors import InputError
from hwgen.names import suggest_field

_MOST_INT = 1 << 63
"""What no size, count or seed reaches, and arrays cannot hold."""


MAX_WIDTH = 1 << 16
MAX_SIZE = 1 << 12
MAX_KERNEL = 64
MAX_STAGES = 32
"""What a recipe, which may be a stranger's, can declare; presets stay far below."""


def from_json(kind: Any, value: Any, name: str, *, ignore_unknown: bool = False) -> Any:
    """Build a value of the annotated type `kind`, such as a frozen dataclass, from plain JSON.

    Args:
        kind: dataclass, tuple[...], list[...], dict[str, ...], Literal[...], int, float, str,
            bool, one of these or None, or Any.
        value: what `json.loads` gave.
        name: how to call the value in an error.
        ignore_unknown: pass over fields that a dataclass does not have.

    Raises:
        InputError: a field is missing, unknown, of the wrong type, or no finite number.
    """
    if kind is Any:
        return value
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        if value is None:
            return None
        (kind,) = (argument for argument in arguments if argument is not types.NoneType)
        return from_json(kind, value, name, ignore_unknown=ignore_unknown)
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        if not isinstance(value, Mapping):
            raise InputError(f"{name} should be an object, found {value!r:.60}")
        hints = typing.get_type_hints(kind)
        unknown = set(value) - set(hints)
        if unknown and not ignore_unknown:
            raise InputError(f"{name} has unknown fields {sorted(unknown)!s:.200}")
        needed = (f.name for f in dataclasses.fields(kind) if _needed(f))
        missing = [field for field in needed if field not in value]
        if missing:
            raise InputError(f"{name} lacks the fields {missing}")
        known = {field: item for field, item in value.items() if field in hints}
        return kind(
            **{
                k: from_json(hints[k], v, f"{name}.{k}", ignore_unknown=ignore_unknown)
                for k, v in known.items()
            }
        )
    if origin in (tuple, list):
        if not isinstance(value, list | tuple):
            raise InputError(f"{name} should be a list, found {value!r:.60}")
        endless = origin is list or Ellipsis in arguments
        kinds = [arguments[0]] * len(value) if endless else list(arguments)
        if len(kinds) != len(value):
            raise InputError(f"{name} should have {len(kinds)} entries, found {value!r:.60}")
        return origin(
            from_json(k, v, f"{name}[{i}]", ignore_unknown=ignore_unknown)
            for i, (k, v) in enumerate(zip(kinds, value, strict=True))
        )
    if origin is dict:
        if not isinstance(value, Mapping):
            raise InputError(f"{name} should be an object, found {value!r:.60}")
        return {
            k: from_json(arguments[1], v, f"{name}.{k:.40}", ignore_unknown=ignore_unknown)
            for k, v in value.items()
        }
    if origin is Literal:
        if value not in arguments:
            choices = ", ".join(map(str, arguments))
            raise InputError(f"{name} = {value!r:.60} is not one of {choices}")
        return value
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value) if abs(value) < _MOST_INT else math.inf  # and float would overflow
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise InputError(f"{name} should be {kind.__name__}, found {value!r:.60}")
    if kind in (int, float) and not abs(value) < _MOST_INT:  # nor NaN
        raise InputError(f"{name} = {value!r:.60} is no number to reckon with")
    return value


def _needed(field: dataclasses.Field[Any]) -> bool:
    return field.default is field.default_factory is dataclasses.MISSING


def with_changes(recipe: Mapping[str, Any], changes: Mapping[str, str]) -> dict[str, Any]:
    """A recipe's JSON, of any kind, with fields replaced by what a user typed.

    Values are JSON (`0.5`, `true`, `[256, 4]`) or plain words.

    Raises:
        InputError: an unknown field (near names are suggested).
    """
    plain: dict[str, Any] = json.loads(json.dumps(recipe))
    for path, text in changes.items():
        *parents, last = path.split(".")
        target: Any = plain
        for parent in parents:
            target = target.get(parent) if isinstance(target, dict) else None
        if not isinstance(target, dict) or last not in target:
            raise InputError(
                f"no recipe field {path!r}", remedy=suggest_field(path, flatten(plain))
            )
        try:
            target[last] = json.loads(text)
        except ValueError:
            target[last] = text
    return plain


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Lines `field: old -> new` for every field in which two JSON recipes differ."""
    a, b = flatten(old), flatten(new)
    return [
        f"{path}: {a.get(path, 'absent')} -> {b.get(path, 'absent')}"
        for path in sorted(a.keys() | b.keys())
        if a.get(path, ...) != b.get(path, ...)
    ]


def flatten(value: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested JSON objects as one: {"loss": {"a": 0}} becomes {"loss.a": 0}."""
    out: dict[str, Any] = {}
    for key, item in value.items():
        if isinstance(item, Mapping):
            out.update(flatten(item, f"{prefix}{key}."))
        else:
            out[f"{prefix}{key}"] = item
    return out
