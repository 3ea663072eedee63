"""What is refused where images are found: several sets, lists beside folders, packed files."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path

from hwgen.errors import InputError
from hwgen.io.archives import how_to_unpack, packed_kind
from hwgen.sources.images.collection import Collection
from hwgen.sources.images.folder import ImagePlace
from hwgen.sources.images.label_list import (
    LIST_FILES,
    LIST_SUFFIXES,
    LabelList,
    is_label_list,
    is_list_name,
    refuse_labels_beside,
    refuse_unread_list,
)
from hwgen.sources.provenance import MARKER
from hwgen.sources.unread import Unread, is_companion

_LOOK_BYTES = 512
_LOOK_FILES = 1000  # of unknown kinds, which may be lists
_TARS = (".tar", ".tgz")


def is_exported(folder: Path) -> bool:
    """Whether hwgen exported a folder, or the one above, whose splits it holds."""
    real = folder.resolve()
    return any((place / MARKER).is_file() for place in (real, real.parent))


def refuse_lists_beside(
    folder: Path,
    files: Iterable[Path],
    places: Sequence[ImagePlace],
    refused: Sequence[InputError],
) -> None:
    """Refuse lists of images that would be of their folder's class, and those not understood."""
    found = [place for place, images in places if images]
    held = [(place.path / name, name) for place, _ in places for name, _ in place.files]
    lists = {path for path, name in held if is_list_name(name)}
    texts = {path for path in files if path.suffix.lower() in LIST_SUFFIXES}
    if len(found) == 1:
        (place,) = found
        refuse_labels_beside(place.path, (name for name, _ in place.files))
        texts |= {path for path, name in held if path.suffix.lower() in LIST_SUFFIXES}
        images = {place.path / name for place, images in places for name, _ in images}
        others = (path for path, name in held if path not in images and not is_companion(name))
        lists |= texts.union(islice(others, _LOOK_FILES))
    alone = len(found) == 1
    refuse_several(
        folder,
        "label lists",
        (path for path in lists if is_label_list(path, unlabelled=alone)),
        "; or move them elsewhere to use the names of the folders",
    )
    for path in sorted(texts) if found else ():
        if path.is_file() and not is_label_list(path):
            refuse_unread_list(path, classes=len(found))
    if len(found) == 1 and refused:
        raise refused[0]


def refuse_store(folder: Path) -> None:
    """Refuse the folder of a store."""
    if (folder / "data.mdb").is_file() and (folder / "manifest.json").is_file():
        raise InputError("is already a store", where=str(folder), remedy="Use it directly")


def refuse_beside(
    special: Sequence[Collection], places: Sequence[ImagePlace], folder: Path, unread: Unread
) -> None:
    """Refuse folders of images beside a set in one file; count images that are in neither."""
    first = special[0]
    top = folder.name or folder.resolve().name
    places = [(place, files) for place, files in places if files]
    if isinstance(first, LabelList):
        if first.path.name != LIST_FILES[0] and len(places) > 1:
            raise InputError(
                f"contains {first.path.name} and {len(places):,} folders of images, so it is not "
                "clear where the labels are",
                where=str(folder),
                remedy=f"Give {first.path} to use its labels, or move it elsewhere to use the "
                "names of the folders",
            )
        unlisted = sum(len(files) for _, files in places) - first.images
        if unlisted > 0:
            unread.add("image that the list does not name", top, count=unlisted)
        return
    others = [place for place, _ in places if place.parts]
    for place, files in places:
        if not place.parts:
            unread.add("image without a class", f"{top}/{files[0][0]}", count=len(files))
    if others:
        file = first.path / "data.mdb" if first.path.is_dir() else first.path
        raise InputError(
            f"contains {first.name} ({first.format}) and {len(others):,} folders of images",
            where=str(folder),
            remedy=f"Give the one to use, such as {file} or {others[0].path}, or move the other to "
            "another folder",
        )


def refuse_several(folder: Path, what: str, files: Iterable[Path], more: str = "") -> None:
    """Refuse a folder of several inputs."""
    inner = sorted(files)
    if inner:
        raise InputError(
            f"contains {what} ({len(inner)})",
            where=str(folder),
            remedy=f"Give the ones to use, such as {inner[0]}{more}",
        )


def refuse_packed(path: Path) -> None:
    """Refuse an archive that hwgen does not read, and say how to unpack it."""
    with open(path, "rb") as file:
        kind = packed_kind(path.name, file.read(_LOOK_BYTES))
    if kind:
        shards = "; convert WebDataset to parquet or an OCR LMDB"
        tar = path.suffix.lower() in _TARS or ".tar." in path.name.lower()
        raise InputError(
            f"is an archive ({kind}), which hwgen does not read",
            where=str(path),
            remedy=how_to_unpack(kind, path.name) + (shards if tar else ""),
        )
