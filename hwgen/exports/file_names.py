"""In: labels, writer ids and record numbers. Out: names that every file system and reader takes."""

from __future__ import annotations

import re

from hwgen.io.files import file_name

_PLAIN = re.compile(r"[a-z0-9][a-z0-9_-]+")
_UNSAFE = re.compile(r'[\x00-\x1f\x7f"%*/:<>?\\|]|^\.')


def class_folder(label: str) -> str:
    """An ASCII-safe name of a class, another for every label.

    啊 is U+554A, and several characters are joined by a hyphen: U+4E00-U+4E8C. A name in small
    ASCII letters, digits, hyphens and underscores stays as it is: airplane.
    """
    if _PLAIN.fullmatch(label):
        return label
    return "-".join(f"U+{ord(character):04X}" for character in label)


def file_stem(text: str) -> str:
    """A writer id as a file's name: what could leave the folder or upset a system becomes %XX."""
    return file_name(_UNSAFE.sub(lambda match: f"%{ord(match[0]):02X}", text))


def image_name(record: int) -> str:
    """The name, without suffix, of a picture: its record number in the store, from 000000000 on."""
    return f"{record:09d}"
