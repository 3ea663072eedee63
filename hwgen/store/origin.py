"""What a store's origin says about its images: real, simulated or synthetic."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

GENERATED = "generated"
"""Field of an origin: true if a generator made every record without pixels of real samples."""

_OF_STROKES = ("strokes", "simulated")
"""Kinds of stores in which every record is simulated."""

_MAX_FILES = 12
_MAX_TEXT = 120
_MAX_NOTICE = 400
_SUMMARY_FIELDS = ("kind", "format", "preset", "provenance", "synthetic", "simulated")


def is_synthetic(origin: Mapping[str, Any]) -> bool:
    """Whether a generator made any of the records.

    Args:
        origin: see Manifest.
    """
    whole = _of_the_whole(origin)
    return whole.get("kind") == "synthetic" or whole.get("synthetic") is True


def is_simulated(origin: Mapping[str, Any]) -> bool:
    """Whether any of the records are simulated handwriting.

    Args:
        origin: see Manifest.
    """
    return _of_the_whole(origin).get("simulated") is True


def data_kind(origin: Mapping[str, Any]) -> str:
    """`synthetic` if a generator made any of the records, else `simulated` or `real`.

    Args:
        origin: see Manifest; or the content of .export.json, see hwgen.exports.export.Export.
    """
    if is_synthetic(origin):
        return "synthetic"
    return "simulated" if is_simulated(origin) else "real"


def is_generated(origin: Mapping[str, Any]) -> bool:
    """Whether it is certain that every record was generated or simulated, without real pixels.

    False for stores of files, which may be mixed, for deformed samples, which have pixels of real
    ones, and for synthetic stores of versions that did not record it.

    Args:
        origin: see Manifest.
    """
    whole = _of_the_whole(origin)
    return whole.get(GENERATED) is True or whole.get("kind") in _OF_STROKES


def notice(origin: Mapping[str, Any]) -> str:
    """Source and licence of the strokes that records were made from; "" if there are none.

    Args:
        origin: see Manifest.
    """
    text = _of_the_whole(origin).get("notice", "")
    return text if isinstance(text, str) else ""


def framing(origin: Mapping[str, Any]) -> Mapping[str, Any]:
    """How the records were scaled, see hwgen.imaging.framing.Framing.to_json; {} if not known.

    Args:
        origin: see Manifest.
    """
    found = _of_the_whole(origin).get("framing", {})
    return found if isinstance(found, Mapping) else {}


def summary(origin: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of an origin that are copied to runs and models.

    Args:
        origin: see Manifest.

    Returns:
        Those of "kind", "format", "preset", "provenance", "synthetic", "simulated", "notice" and
        "framing" that exist; the number of files, "file_count"; and the first "files", without
        their folders and without paths in zips.
    """
    fields = {name: origin[name] for name in _SUMMARY_FIELDS if _is_plain(origin.get(name))}
    framing, files = origin.get("framing"), origin.get("files")
    if isinstance(origin.get("notice"), str):
        fields["notice"] = origin["notice"][:_MAX_NOTICE]
    if isinstance(framing, Mapping):
        fields["framing"] = {name: value for name, value in framing.items() if _is_plain(value)}
    if isinstance(files, list):
        names = [str(file.get("name")) for file in files if isinstance(file, Mapping)]
        unique = dict.fromkeys(PurePosixPath(name.partition("!")[0]).name for name in names)
        fields["file_count"] = len(unique)
        fields["files"] = [name[:_MAX_TEXT] for name in list(unique)[:_MAX_FILES]]
    if isinstance(origin.get("of_origin"), Mapping):
        fields["of_origin"] = summary(origin["of_origin"])
    return fields


def _of_the_whole(origin: Mapping[str, Any]) -> Mapping[str, Any]:
    while isinstance(origin.get("of_origin"), Mapping):  # a subset of another store
        origin = origin["of_origin"]
    return origin


def _is_plain(value: object) -> bool:
    """Whether it is a number, a boolean or a short string."""
    return isinstance(value, bool | int | float) or (
        isinstance(value, str) and len(value) <= _MAX_TEXT
    )
