"""Typed JSON: dataclasses built from plain JSON, changed field by field, and compared.

Not msgspec (measured with 0.22.0): for dataclasses it accepts unknown fields, NaN, infinity and
integers beyond 64 bits, names only the first missing field, and leaves dictionary keys out of the
path. The checks that would remain here are 45 of the 75 lines of `from_json`.
"""

from __future__ import annotations

import dataclasses
import json
import math
import types
import typing
from collections.abc import Mapping
from numbers import Integral
from typing import Any, Literal

from hwgen.errors import InputError, RecipeChangedError
from hwgen.suggestions import did_you_mean, similar_names, suggest_field

_MAX_NUMBER = 1 << 63
"""Sizes, counts and seeds stay below; so do the integers of arrays."""

# Limits of a recipe, which may be untrusted input; presets stay far below.
MAX_WIDTH = 1 << 16
MAX_SIZE = 1 << 12
MAX_KERNEL = 64
MAX_STAGES = 32


def from_json(kind: Any, value: Any, name: str, *, ignore_unknown: bool = False) -> Any:
    """Build a value of the annotated type `kind`, such as a frozen dataclass, from plain JSON.

    Args:
        kind: dataclass, tuple[...], list[...], dict[str, ...], Literal[...], int, float, str,
            bool, one of these or None, or Any.
        value: from `json.loads`.
        name: how errors refer to the value; they extend it to the field, as in `recipe.stages[2]`.
        ignore_unknown: skip fields that a dataclass does not have.

    Raises:
        InputError: a field is missing, unknown, of the wrong type, or not a finite number below
            2^63.
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
        return _dataclass(kind, value, name, ignore_unknown)
    if origin in (tuple, list):
        if not isinstance(value, list | tuple):
            raise InputError(f"{name} should be a list, found {value!r:.60}")
        variadic = origin is list or Ellipsis in arguments
        kinds = [arguments[0]] * len(value) if variadic else list(arguments)
        if len(kinds) != len(value):
            raise InputError(f"{name} should have {len(kinds)} entries, found {value!r:.60}")
        return origin(
            from_json(k, v, f"{name}[{i}]", ignore_unknown=ignore_unknown)
            for i, (k, v) in enumerate(zip(kinds, value, strict=True))
        )
    if origin is dict:
        _check_object(value, name)
        return {
            k: from_json(arguments[1], v, f"{name}.{k:.40}", ignore_unknown=ignore_unknown)
            for k, v in value.items()
        }
    if origin is Literal:
        if value not in arguments:
            choices = ", ".join(map(str, arguments))
            raise InputError(f"{name} = {value!r:.60} is not one of {choices}")
        return value
    return _scalar(kind, value, name)


def _dataclass(kind: type, value: Any, name: str, ignore_unknown: bool) -> Any:
    _check_object(value, name)
    hints = typing.get_type_hints(kind)
    fields = {key: field for field in dataclasses.fields(kind) if (key := _key(field))}
    unknown = sorted(set(value) - set(fields))
    if unknown and not ignore_unknown:
        near = similar_names(unknown[0], fields)
        raise InputError(
            f"{name} has unknown fields {unknown!s:.200}",
            remedy=did_you_mean(near) if near else "",
        )
    missing = [key for key, field in fields.items() if _required(field) and key not in value]
    if missing:
        raise InputError(f"{name} lacks the fields {missing}")
    return kind(
        **{
            fields[key].name: from_json(
                hints[fields[key].name], item, f"{name}.{key}", ignore_unknown=ignore_unknown
            )
            for key, item in value.items()
            if key in fields
        }
    )


def key(name: str, *, left_out: object = ...) -> Mapping[str, object]:
    """Metadata of a dataclass field whose key in JSON is `name`, not its own name.

    Args:
        name: the key; "" for a field that JSON does not have.
        left_out: a value for which `to_json` leaves the key out.
    """
    return {"key": name, "left_out": left_out}


def to_json(value: Any) -> Any:
    """The plain JSON from which `from_json` builds a value: objects, lists and plain values."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        items = ((field, getattr(value, field.name)) for field in dataclasses.fields(value))
        return {
            name: to_json(item)
            for field, item in items
            if (name := _key(field)) and item is not field.metadata.get("left_out", ...)
        }
    if isinstance(value, Mapping):
        return {name: to_json(item) for name, item in value.items()}
    return [to_json(item) for item in value] if isinstance(value, list | tuple) else value


def _key(field: dataclasses.Field[Any]) -> str:
    name: str = field.metadata.get("key", field.name)
    return name


def _required(field: dataclasses.Field[Any]) -> bool:
    return field.default is field.default_factory is dataclasses.MISSING


def _check_object(value: Any, name: str) -> None:
    if not isinstance(value, Mapping):
        raise InputError(f"{name} should be an object, found {value!r:.60}")


def _scalar(kind: Any, value: Any, name: str) -> Any:
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value) if abs(value) < _MAX_NUMBER else math.inf  # float() would overflow
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise InputError(f"{name} should be {kind.__name__}, found {value!r:.60}")
    if kind in (int, float):
        check_numbers(value, name)
    return value


def check_numbers(value: Any, name: str) -> None:
    """Refuse settings with numbers that could be written, but not be read again.

    Args:
        value: a number, or dataclasses, mappings and sequences of any values.
        name: how the error refers to it, extended as by `from_json`.

    Raises:
        InputError: a number is not finite, or not below 2^63.
    """
    if isinstance(value, bool):
        return
    if isinstance(value, int | float):
        if not abs(value) < _MAX_NUMBER:  # also refuses NaN
            # Python does not print integers of thousands of digits.
            huge = isinstance(value, int) and value.bit_length() > 1000
            found = "a larger one" if huge else f"{value!r:.60}"
            raise InputError(f"{name} should be a finite number below 2^63, found {found}")
    elif dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            check_numbers(getattr(value, field.name), f"{name}.{field.name}")
    elif isinstance(value, Mapping):
        for item_name, item in value.items():
            check_numbers(item, f"{name}.{item_name}")
    elif isinstance(value, list | tuple):
        for i, item in enumerate(value):
            check_numbers(item, f"{name}[{i}]")


def check_seed(seed: int) -> None:
    """Refuse a random seed that is negative, no integer, or could not be read again.

    Raises:
        InputError: it is.
    """
    check_numbers(seed, "the seed")
    if not isinstance(seed, Integral) or seed < 0:
        raise InputError(f"the seed should be an integer of 0 or more, found {seed!r:.40}")


def with_changes(recipe: Mapping[str, Any], changes: Mapping[str, str]) -> dict[str, Any]:
    """A recipe's JSON with some fields replaced.

    Args:
        recipe: of any kind, as plain JSON.
        changes: new values by dotted field name, each as JSON text (`0.5`, `true`, `[256, 4]`);
            other text is taken as a string.

    Raises:
        InputError: an unknown field; similar names are suggested.
    """
    plain: dict[str, Any] = json.loads(json.dumps(recipe))
    for path, text in changes.items():
        *parents, last = path.split(".")
        target: Any = plain
        for parent in parents:
            target = target.get(parent) if isinstance(target, dict) else None
        if not isinstance(target, dict) or last not in target:
            raise InputError(
                f"unknown recipe field {path!r}", remedy=suggest_field(path, flatten(plain))
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


def check_same(
    old: Mapping[str, Any],
    new: Mapping[str, Any],
    what: str,
    *,
    where: str,
    remedy: str = "Give another --out, or the settings that it was made with",
) -> None:
    """Refuse to resume, or to use again, what was made with other settings.

    Args:
        old: settings that it was made with, plain JSON.
        new: settings that are asked for, plain JSON.
        what: what was made, such as "this recogniser was trained".
        where: its path.
        remedy: what the user can do.

    Raises:
        RecipeChangedError: with a line for each field that differs.
    """
    if lines := differences(old, new):
        raise RecipeChangedError(
            f"{what} with other settings (then -> now)",
            where=where,
            details=lines,
            remedy=remedy,
        )


def flatten(value: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested JSON objects as a flat one: {"loss": {"a": 0}} becomes {"loss.a": 0}."""
    out: dict[str, Any] = {}
    for key, item in value.items():
        if isinstance(item, Mapping):
            out.update(flatten(item, f"{prefix}{key}."))
        else:
            out[f"{prefix}{key}"] = item
    return out
