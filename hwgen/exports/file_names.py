"""File names of exports, valid in every file system and for every reader."""

from __future__ import annotations

import re

from hwgen.io.files import file_name

_PLAIN = re.compile(r"[a-z0-9][a-z0-9_-]+")
_UNSAFE = re.compile(r'[\x00-\x1f\x7f"%*/:<>?\\|]|^\.')


def class_folder(label: str) -> str:
    """Folder name of a class: ASCII, and unique for every label.

    啊 becomes U+554A, and several characters are joined by hyphens: U+4E00-U+4E8C. A name of
    lower-case ASCII letters, digits, hyphens and underscores is not changed: airplane.
    """
    if _PLAIN.fullmatch(label):
        return label
    return "-".join(f"U+{ord(character):04X}" for character in label)


def file_stem(text: str) -> str:
    """File name of a writer id: characters that are unsafe in a path become %XX."""
    return file_name(_UNSAFE.sub(lambda match: f"%{ord(match[0]):02X}", text))


def image_name(record: int) -> str:
    """File name, without suffix, of an image: its record number in the store, nine digits."""
    return f"{record:09d}"
