"""File names of exports, valid in every file system and for every reader."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Sequence

from hwgen.io.class_folders import is_device
from hwgen.io.files import file_name

_UNSAFE = re.compile(r'[\x00-\x1f\x7f"%*/:<>?\\|]|^\.')
_MAX_BYTES = 200
"""Most bytes of a stem: names have at most 255, and a suffix is added."""


def file_stem(text: str) -> str:
    """File name of a writer id: characters that are unsafe in a path become %XX.

    So does the first character of what Windows takes for a device. A long id is cut, with a hash.
    """
    stem = _UNSAFE.sub(lambda match: _escaped(match[0]), text)
    if is_device(stem):
        stem = _escaped(stem[0]) + stem[1:]
    if len(stem.encode()) > _MAX_BYTES:
        stem = _with_hash(stem, text)
    return file_name(stem)


def file_stems(texts: Sequence[str], nameless: str) -> list[str]:
    """File names of writer ids: different names are different in every file system.

    If they differ only in case, or in the form of accents, all but the first get a hash.

    Args:
        texts: the ids; "" if not known.
        nameless: the name for "".
    """
    stems = [file_stem(text) or nameless for text in texts]
    first: dict[str, str] = {}
    return [
        stem if first.setdefault(_folded(stem), stem) == stem else _with_hash(stem, stem)
        for stem in stems
    ]


def image_name(record: int) -> str:
    """File name, without suffix, of an image: its record number in the store, nine digits."""
    return f"{record:09d}"


def _escaped(character: str) -> str:
    return f"%{ord(character):02X}"


def _with_hash(stem: str, text: str) -> str:
    cut = stem.encode("utf-8", "surrogateescape")[: _MAX_BYTES - 17].decode(errors="ignore")
    return f"{cut}~{hashlib.sha256(text.encode('utf-8', 'surrogateescape')).hexdigest()[:16]}"


def _folded(name: str) -> str:
    """Equal for names that are one file on Windows or a Mac."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())
