"""In: a store's origin, maybe a stranger's. Out: real or not; what to tell of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

_MAX_FILES = 12
_MAX_TEXT = 120
_MAX_NOTICE = 400
_TOLD = ("kind", "format", "preset", "provenance", "synthetic", "simulated")


def is_synthetic(origin: Mapping[str, Any]) -> bool:
    """Whether a generator made any of the records.

    Args:
        origin: see Manifest.
    """
    whole = _of_the_whole(origin)
    return whole.get("kind") == "synthetic" or whole.get("synthetic") is True


def is_simulated(origin: Mapping[str, Any]) -> bool:
    """Whether `hwgen simulate` wrote any of the records.

    Args:
        origin: see Manifest.
    """
    return _of_the_whole(origin).get("simulated") is True


def provenance(origin: Mapping[str, Any]) -> str:
    """`synthetic` if a generator made any of the records, else `simulated`, else `real`."""
    if is_synthetic(origin):
        return "synthetic"
    return "simulated" if is_simulated(origin) else "real"


def notice(origin: Mapping[str, Any]) -> str:
    """Whose strokes simulated writers wrote with, and under what licence; "" where nobody did.

    Args:
        origin: see Manifest.
    """
    found = _of_the_whole(origin).get("notice", "")
    return found if isinstance(found, str) else ""


def summary(origin: Mapping[str, Any]) -> dict[str, Any]:
    """The little of an origin that may go where the store does not, such as to a run.

    Args:
        origin: see Manifest.

    Returns:
        Of "kind", "format", "preset", "provenance", "synthetic", "simulated", "notice", "framing"
        what it has, and of files the number, "file_count", and the first "files", free of their
        folders; of a zip the zip alone.
    """
    told = {name: origin[name] for name in _TOLD if _is_plain(origin.get(name))}
    framing, files = origin.get("framing"), origin.get("files")
    if isinstance(origin.get("notice"), str):
        told["notice"] = origin["notice"][:_MAX_NOTICE]
    if isinstance(framing, Mapping):
        told["framing"] = {name: value for name, value in framing.items() if _is_plain(value)}
    if isinstance(files, list):
        names = [str(file.get("name")) for file in files if isinstance(file, Mapping)]
        unique = dict.fromkeys(PurePosixPath(name.partition("!")[0]).name for name in names)
        told["file_count"] = len(unique)
        told["files"] = [name[:_MAX_TEXT] for name in list(unique)[:_MAX_FILES]]
    if isinstance(origin.get("of_origin"), Mapping):
        told["of_origin"] = summary(origin["of_origin"])
    return told


def _of_the_whole(origin: Mapping[str, Any]) -> Mapping[str, Any]:
    while isinstance(origin.get("of_origin"), Mapping):  # of a subset
        origin = origin["of_origin"]
    return origin


def _is_plain(value: object) -> bool:
    """Whether it is a number, a truth value or a short text."""
    return isinstance(value, bool | int | float) or (
        isinstance(value, str) and len(value) <= _MAX_TEXT
    )
