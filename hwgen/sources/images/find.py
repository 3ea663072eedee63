"""Finding labelled images in files, folders and zips, by content."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from hwgen.errors import InputError
from hwgen.io import zips
from hwgen.io.archives import refuse_volume
from hwgen.io.encodings import name_text
from hwgen.io.ignored import is_ignored
from hwgen.io.paths import describe_names, describe_path, suggest_path
from hwgen.io.streams import refuse_stream
from hwgen.io.walk import READ_ALREADY
from hwgen.sources.duplicates import unique_by_name
from hwgen.sources.images.cifar import cifar_batch, is_cifar
from hwgen.sources.images.collection import Collection
from hwgen.sources.images.copies import without_copies
from hwgen.sources.images.decoding import SUFFIXES, looks_like_image
from hwgen.sources.images.folder import (
    class_folders,
    image_places,
    zipped_class_folders,
    zipped_images,
)
from hwgen.sources.images.idx import idx_pair, is_idx
from hwgen.sources.images.label_list import (
    LIST_FILES,
    LIST_SUFFIXES,
    is_label_list,
    is_list_name,
    label_list,
    may_hold_labels,
)
from hwgen.sources.images.layout import CLEAR, Layout, NoColumnError
from hwgen.sources.images.list_lines import looks_like_list
from hwgen.sources.images.lmdb_files import Lmdb
from hwgen.sources.images.lsun import Lsun, is_lsun
from hwgen.sources.images.ocr_lmdb import is_ocr_lmdb, ocr_lmdb
from hwgen.sources.images.parquet import MAGIC, parquet
from hwgen.sources.images.refusals import (
    is_exported,
    refuse_beside,
    refuse_lists_beside,
    refuse_packed,
    refuse_several,
    refuse_store,
)
from hwgen.sources.splits import refuse_mixed
from hwgen.sources.unread import Unread, is_companion, remedy

_LOOK_BYTES = 512
_LIST_BYTES = 1 << 16
_ZIP = b"PK\x03\x04"
_INNER = "!"


@dataclass(frozen=True)
class _Search:
    """What is the same for all inputs of one command.

    Attributes:
        encoding: codec of names that do not declare theirs; None recognises it.
        unread: counts what is not read.
        layout: where the classes are.
    """

    encoding: str | None
    unread: Unread
    layout: Layout


def find_images(
    inputs: Sequence[Path],
    encoding: str | None = None,
    unread: Unread | None = None,
    layout: Layout = CLEAR,
) -> list[Collection]:
    """The collections of images in files, folders and zips, in the inputs' order.

    The format of an input is recognised by its content. `archive.zip!inner/folder` is a folder in
    a zip. A collection reached twice counts once, and so does a copy of it.

    Args:
        inputs: files, folders and zips.
        encoding: codec of names that do not declare theirs; None recognises it.
        unread: counts what is not read.
        layout: where the classes are, if the inputs can be read in several ways.

    Raises:
        InputError: an input is missing, unreadable, a stream or of an unknown format; the inputs
            are of several formats; one contains a training and a test set; two different
            collections have the same name; it is not clear which folders or columns are the
            classes, and the layout does not say it.
    """
    search = _Search(encoding, Unread() if unread is None else unread, layout)
    found: list[Collection] = []
    for path in inputs:
        here = _in_input(path, search)
        refuse_mixed((collection.name for collection in here), str(path))
        found += here
    once = unique_by_name(((_within(each), each) for each in found), search.unread)
    collections = without_copies(once, search.unread)
    formats = sorted({collection.format for collection in collections})
    if len(formats) > 1:
        raise InputError(
            f"the inputs have different formats: {', '.join(formats)}",
            remedy="Make one store per format",
        )
    if not collections:
        raise InputError("no input was given", remedy="Give folders of images, or files")
    return collections


def _within(collection: Collection) -> tuple[str, str]:
    """What identifies a collection in its folder or archive."""
    inner = collection.name.partition(f"{collection.path.name}{_INNER}")[2]
    return getattr(collection, "label", ""), inner if collection.path.is_file() else ""


def _in_input(path: Path, search: _Search) -> list[Collection]:
    """Collections of one input; at least one."""
    refuse_stream(path)
    try:
        if path.is_dir():
            return _in_folder(path, search)
        if path.is_file():
            return _in_file(path, search)
    except OSError as error:
        where = error.filename if isinstance(error.filename, str) else str(path)
        raise zips.unreadable(where, error) from None
    text = str(path)
    for mark in (place for place, char in enumerate(text) if char == _INNER):
        if Path(text[:mark]).is_file():
            return _in_archive(Path(text[:mark]), text[mark + 1 :].strip("/"), search)
    raise InputError("no such file or folder", where=text, remedy=suggest_path(path, ""))


def _in_folder(folder: Path, search: _Search) -> list[Collection]:
    refuse_store(folder)
    held = sorted(path for path in folder.iterdir() if not is_ignored((path.name,)))
    files = [path for path in held if path.is_file()]
    special, taken, refused = _special_files(folder, files, search)
    if not special:
        texts = [path for path in files if path.suffix.lower() == ".txt"]
        inner = filter(is_label_list, [*texts, *folder.glob(f"*/{LIST_FILES[0]}")])
        refuse_several(folder, "label lists", inner)
    places = image_places(folder, search.unread, taken)
    if special:
        refuse_beside(special, places, folder, search.unread)
        return special
    if not is_exported(folder):
        refuse_lists_beside(folder, files, places, refused)
    images = class_folders(folder, places, search.encoding, search.unread, search.layout)
    if images:
        return images
    if refused:
        raise refused[0]
    refuse_several(folder, "LMDBs", folder.glob("*/data.mdb"))
    refuse_several(folder, "parquet files", folder.glob("*/*.parquet"))
    for path in files:
        refuse_packed(path)
    refuse_several(folder, "zips", (path for path in files if path.suffix.lower() == ".zip"))
    raise InputError(
        "no image in this folder; "
        + (
            describe_path(folder)
            or search.unread.summary()
            or f"it contains {_listed(sorted(folder.iterdir()))}"
        ),
        where=str(folder),
        remedy=_image_files(search),
    )


def _special_files(
    folder: Path, files: Sequence[Path], search: _Search
) -> tuple[list[Collection], set[str], list[InputError]]:
    """What one folder holds beside folders of images.

    Returns:
        Collections of its files; the names of the files that they read; and errors of files that
        begin like a format but cannot be used.
    """
    if (folder / "data.mdb").is_file():
        return [_in_lmdb(folder, search.encoding)], {"data.mdb", "lock.mdb"}, []
    refused: list[InputError] = []
    lists = [folder / name for name in LIST_FILES if is_label_list(folder / name)]
    if len(lists) > 1:
        refuse_several(folder, "label lists", lists)
    for path in lists:
        try:
            found = label_list(path, search.encoding, search.layout)
            return [found] if found else [], {path.name}, []
        except NoColumnError as error:
            refused.append(error)  # the folders may be the classes
    by_name: dict[str, Collection] = {}
    taken: set[str] = set()
    for path in files:
        if path.name.lower().endswith(SUFFIXES) or is_companion(path.name):
            continue
        try:
            for special in _special(path, search.layout):
                by_name.setdefault(special.name, special)  # a pair is found twice
                taken.add(path.name)
        except InputError as error:
            refused.append(error)
    for packed in sorted(name for name in taken if name.removesuffix(".gz") in taken - {name}):
        name = f"{folder.name or folder.resolve().name}/{packed}"
        search.unread.add(READ_ALREADY, name, may_be_data=False)
    return list(by_name.values()), taken, refused


def _in_file(path: Path, search: _Search) -> list[Collection]:
    special = _special(path, search.layout)
    if special:
        return special
    with open(path, "rb") as file:
        head = file.read(_LOOK_BYTES)
    if head.startswith(_ZIP) or path.suffix.lower() == ".zip":
        return _in_archive(path, "", search)
    if path.name == "data.mdb":
        refuse_store(path.parent)
        return [_in_lmdb(path.parent, search.encoding)]
    refuse_packed(path)
    listed = label_list(path, search.encoding, search.layout)
    if listed:
        return [listed]
    with open(path, "rb") as file:
        is_image = path.suffix.lower() in SUFFIXES or looks_like_image(file)
    if is_image:
        raise InputError(
            "is a single image",
            where=str(path),
            remedy="Give the folder that contains it; the folder's name is the class",
        )
    raise InputError(
        "is not a zip of images, a list of images and labels, an idx or parquet file, or a batch "
        "of CIFAR-10",
        where=str(path),
        remedy="Give one of these, a folder of images, or an LMDB folder",
    )


def _special(path: Path, layout: Layout) -> list[Collection]:
    """The collection of an idx, CIFAR-10 or parquet file; [] for other files."""
    with open(path, "rb") as file:
        head = file.read(_LOOK_BYTES)
    if is_idx(head, path):
        return [idx_pair(path)]
    if is_cifar(path):
        return [cifar_batch(path)]
    if head.startswith(MAGIC):
        return [parquet(path, layout)]
    return []


def _in_lmdb(folder: Path, encoding: str | None) -> Collection:
    name = name_text(folder.name or folder.resolve().name)
    with Lmdb(folder) as database:
        if is_ocr_lmdb(database):
            return ocr_lmdb(name, folder, database, encoding)
        if not is_lsun(database):
            key = next(iter(database.entries()))[0].decode("ascii", "backslashreplace")
            raise InputError(
                f"is an LMDB of an unknown kind: expected keys image-000000001 and "
                f"label-000000001, or LSUN's 40 hex digits, found {key[:40]!r}",
                where=str(folder),
                remedy="Convert it to one folder per class, parquet or an OCR LMDB",
            )
        count = database.count
    return Lsun(name, folder, (folder / "data.mdb").stat().st_size, count)


def _in_archive(path: Path, inner: str, search: _Search) -> list[Collection]:
    refuse_volume(path)
    encoding = search.encoding
    folders = zipped_images(path, inner, encoding, search.unread)
    images = {member.name for files in folders.values() for member in files}
    for member in zips.members(path, encoding):
        if member.name not in images and _is_zipped_list(path, member, len(folders)):
            raise InputError(
                f"contains a label list, {member.name}, which cannot be read in place",
                where=str(path),
                remedy=f"Unpack it and give the folder of {PurePosixPath(member.name).name}",
            )
    if folders:
        return zipped_class_folders(path, inner, folders, encoding, search.unread, search.layout)
    held = [member.name for member in zips.members(path, encoding)]
    if any(name.endswith("data.mdb") for name in held):
        raise InputError(
            "contains an LMDB, which cannot be read in place",
            where=str(path),
            remedy="Unpack it and give the folder of data.mdb",
        )
    within = f" in {inner}" if inner else ""
    raise InputError(
        f"no image in this zip{within}; "
        + (describe_names(held) or search.unread.summary() or f"it contains {_listed(held)}"),
        where=str(path),
        remedy=_image_files(search),
    )


def _image_files(search: _Search) -> str:
    """The remedy where no image is found."""
    known = f"Image files end in {', '.join(SUFFIXES)}"
    advice = remedy(search.unread.may_be_data)
    return f"{advice}. {known}" if advice else known


def _is_zipped_list(path: Path, member: zips.Member, classes: int) -> bool:
    """Whether a file holds the labels of the images in a zip."""
    name = PurePosixPath(member.name)
    listed = name.suffix.lower() in LIST_SUFFIXES
    if not is_list_name(name.name) and (classes != 1 or (not listed and is_companion(name.name))):
        return False
    with zips.open_member(path, member, str(path)) as stream, zips.as_input_error(str(path)):
        head = stream.read(_LIST_BYTES)
    return looks_like_list(head, unlabelled=classes == 1) or (
        classes == 1 and listed and may_hold_labels(name.name, head, classes)
    )


def _listed(things: Sequence[object]) -> str:
    some = ", ".join(name_text(getattr(thing, "name", str(thing))) for thing in things[:5])
    return (some or "nothing") + (", ..." if len(things) > 5 else "")
