"""In: a store. Out: PNG files, one folder a class, as torchvision's ImageFolder reads them."""

from __future__ import annotations

from pathlib import Path

from PIL import Image as PilImage

from hwgen.exports.folder import claim, class_folder
from hwgen.store import Store


def export_png(store: Store, folder: Path) -> int:
    """Write `folder`/U+554A/000000012.png, named by record number, and classes.json.

    Lossless. The same call after an interruption completes the folder.

    Returns:
        Number of files.

    Raises:
        InputError: the folder holds something else.
    """
    claim(store, folder)
    labels = store.labels
    number = 0
    for images in store.image_blocks():
        for image in images:
            path = folder / class_folder(store.charset[labels[number]]) / f"{number:09d}.png"
            path.parent.mkdir(exist_ok=True)
            # Not synced one by one: the same call writes them all again.
            PilImage.fromarray(image).save(path, format="PNG")
            number += 1
    return number
