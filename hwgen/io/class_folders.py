"""Folder names of classes: what exports write, and images are read from, in every file system."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from typing import Any

from hwgen.errors import InputError
from hwgen.io.ignored import is_ignored

CLASS_MAP = "classes.json"
"""The file beside the folders: {"classes": {folder: label}}."""

_MAX_LENGTH = 255
"""Most bytes of a name in the usual file systems."""

_PLAIN = re.compile(r"[a-z0-9][a-z0-9_-]+")
_CODE_POINTS = re.compile(r"U\+[0-9A-F]{4,6}(-U\+[0-9A-F]{4,6})*")
_SHORTENED = re.compile(r"U\+[0-9A-F]{4,6}(-U\+[0-9A-F]{4,6})*-sha256-[0-9a-f]{32}")
_SHOWN_CODES = 8
_DEVICES = re.compile(r"con|prn|aux|nul|(com|lpt)[0-9¹²³]|conin\$|conout\$", re.IGNORECASE)


def is_device(name: str) -> bool:
    """Whether Windows takes a file of this name, with any suffix, for a device."""
    return _DEVICES.fullmatch(name.split(".")[0].rstrip()) is not None


def class_folder(label: str) -> str:
    """Folder name of a class: ASCII, and unique for every label.

    啊 becomes U+554A, and several characters are joined by hyphens: U+4E00-U+4E8C. A name of
    lower-case ASCII letters, digits, hyphens and underscores is not changed, such as airplane,
    unless it has a meaning for a system, such as con. Of a label whose name would be too long, some
    characters and a hash remain; CLASS_MAP has the label.
    """
    special = is_device(label) or is_ignored((label,)) or len(label) > _MAX_LENGTH
    if _PLAIN.fullmatch(label) and not special:
        return label
    codes = [f"U+{ord(character):04X}" for character in label]
    name = "-".join(codes)
    if len(name) <= _MAX_LENGTH:
        return name
    digest = hashlib.sha256(label.encode()).hexdigest()[:32]
    return f"{'-'.join(codes[:_SHOWN_CODES])}-sha256-{digest}"


def class_of(folder: str, class_map: Callable[[], Any]) -> str:
    """The class of a folder: 啊 for U+554A, as hwgen exports it; else the folder's name.

    Args:
        folder: its name.
        class_map: reads CLASS_MAP beside it; called only where the name is shortened.

    Raises:
        InputError: the label of a shortened name is not in the map.
    """
    if _SHORTENED.fullmatch(folder):
        return _mapped(folder, class_map)
    if not _CODE_POINTS.fullmatch(folder):
        return folder
    codes = [int(code[2:], 16) for code in folder.split("-")]
    sound = all(code <= 0x10FFFF and not 0xD800 <= code <= 0xDFFF for code in codes)
    return "".join(map(chr, codes)) if sound else folder


def _mapped(folder: str, class_map: Callable[[], Any]) -> str:
    try:
        label = class_map()["classes"][folder]
        if class_folder(label) == folder:
            return str(label)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        pass  # no map, or not one of hwgen
    raise InputError(
        f"the name is that of a label too long for a folder, and {CLASS_MAP} beside it does not "
        "have the label",
        where=folder,
        remedy=f"Copy {CLASS_MAP} from the export to the folder above this one",
    )
