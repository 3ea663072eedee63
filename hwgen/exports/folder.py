"""In: a store and a folder. Out: the folder, claimed for this very store, or a refusal."""

from __future__ import annotations

import json
from pathlib import Path

from hwgen.errors import InputError
from hwgen.files import write_json
from hwgen.store import Store

MARKER = "classes.json"


def class_folder(label: str) -> str:
    """An ASCII-safe name of a class: 啊 is U+554A; several characters are joined by a hyphen."""
    return "-".join(f"U+{ord(character):04X}" for character in label)


def claim(store: Store, folder: Path) -> None:
    """Make the folder and its class map, or find it begun by the same export of the same store.

    Raises:
        InputError: the folder holds something else.
    """
    value = {
        "store": store.manifest.content_sha256,
        "classes": {class_folder(label): label for label in store.charset},
    }
    marker = folder / MARKER
    if marker.is_file():
        try:
            same = json.loads(marker.read_text(encoding="utf-8")) == value
        except ValueError:
            same = False
    else:
        same = not folder.exists() or (folder.is_dir() and not any(folder.iterdir()))
    if not same:
        raise InputError(
            "something else is already there", where=str(folder), remedy="Choose another folder"
        )
    folder.mkdir(parents=True, exist_ok=True)
    write_json(marker, value)
