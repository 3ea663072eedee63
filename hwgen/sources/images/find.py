"""Finding labelled images in files, folders and zips, by content."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import BinaryIO, cast

from hwgen.errors import InputError
from hwgen.io import zips
from hwgen.io.encodings import name_text
from hwgen.io.paths import describe_names, describe_path, suggest_path
from hwgen.sources.duplicates import unique_by_name
from hwgen.sources.images.cifar import cifar_batch, is_cifar
from hwgen.sources.images.collection import Collection
from hwgen.sources.images.decoding import SUFFIXES
from hwgen.sources.images.folder import in_folder, in_zip
from hwgen.sources.images.idx import idx_pair, is_idx
from hwgen.sources.images.label_list import LIST_FILE, is_label_list, label_list
from hwgen.sources.images.lmdb_files import Lmdb
from hwgen.sources.images.lsun import Lsun
from hwgen.sources.images.ocr_lmdb import is_ocr_lmdb, ocr_lmdb
from hwgen.sources.images.parquet import MAGIC, parquet
from hwgen.sources.splits import refuse_mixed

_LOOK_BYTES = 16
_ZIP = b"PK\x03\x04"
_PACKED = (".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar", ".alz")
_INNER = "!"


def find_images(inputs: Sequence[Path], encoding: str | None = None) -> list[Collection]:
    """The collections of images in files, folders and zips, in the inputs' order.

    The format of an input is recognised by its content. `archive.zip!inner/folder` is a folder in
    a zip. A collection reached twice counts once.

    Raises:
        InputError: an input is missing, unreadable or of an unknown format; the inputs are of
            several formats; one contains a training and a test set; two different collections
            have the same name.
    """
    collections = unique_by_name(
        (collection.name.partition(_INNER)[2], collection)
        for path in inputs
        for collection in _in_one_split(path, encoding)
    )
    formats = sorted({collection.format for collection in collections})
    if len(formats) > 1:
        raise InputError(
            f"the inputs have different formats: {', '.join(formats)}",
            remedy="Make one store per format",
        )
    if not collections:
        raise InputError("no input was given", remedy="Give folders of images, or files")
    return collections


def _in_input(path: Path, encoding: str | None) -> list[Collection]:
    """Collections of one input; at least one."""
    try:
        if path.is_dir():
            return _in_folder(path, encoding)
        if path.is_file():
            return _in_file(path, encoding)
    except OSError as error:
        raise zips.unreadable(str(path), error) from None
    archive, mark, inner = str(path).partition(_INNER)
    if not mark or not Path(archive).is_file():
        raise InputError("no such file or folder", where=str(path), remedy=suggest_path(path, ""))
    return _in_archive(Path(archive), inner.strip("/"), encoding)


def _in_folder(folder: Path, encoding: str | None) -> list[Collection]:
    if (folder / "manifest.json").is_file() and (folder / "data.mdb").is_file():
        raise InputError("is already a store", where=str(folder), remedy="Use it directly")
    if (folder / "data.mdb").is_file():
        return [_in_lmdb(folder)]
    if _is_list(folder / LIST_FILE):
        return [label_list(folder / LIST_FILE)]
    files = [path for path in sorted(folder.iterdir()) if path.is_file()]
    special = [found for path in files for found in _special(path)]
    if special:
        return list({found.name: found for found in special}.values())  # a pair is found twice
    texts = [*folder.glob("*.txt"), *folder.glob(f"*/{LIST_FILE}")]
    _refuse_several(folder, "label lists", filter(_is_list, texts))
    images = in_folder(folder, encoding)
    if not images:
        _refuse_several(folder, "LMDBs", folder.glob("*/data.mdb"))
        for path in files:
            _refuse_packed(path)
        raise InputError(
            "no image in this folder; "
            + (describe_path(folder) or f"it contains {_listed(sorted(folder.iterdir()))}"),
            where=str(folder),
            remedy=f"Image files end in {', '.join(SUFFIXES)}",
        )
    return images


def _in_file(path: Path, encoding: str | None) -> list[Collection]:
    special = _special(path)
    if special:
        return special
    with open(path, "rb") as file:
        head = file.read(_LOOK_BYTES)
    if head.startswith(_ZIP) or path.suffix.lower() == ".zip":
        return _in_archive(path, "", encoding)
    if path.name == "data.mdb":
        return _in_folder(path.parent, encoding)
    _refuse_packed(path)
    if _is_list(path):
        return [label_list(path)]
    if path.suffix.lower() in SUFFIXES:
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


def _special(path: Path) -> list[Collection]:
    """The collection of an idx, CIFAR-10 or parquet file; [] for other files."""
    with open(path, "rb") as file:
        head = file.read(_LOOK_BYTES)
    if is_idx(head, path):
        return [idx_pair(path)]
    if is_cifar(path):
        return [cifar_batch(path)]
    if head.startswith(MAGIC):
        return [parquet(path)]
    return []


def _is_list(path: Path) -> bool:
    if not path.is_file():
        return False
    with open(path, "rb") as file:
        return is_label_list(file)


def _refuse_several(folder: Path, what: str, files: Iterable[Path]) -> None:
    """Refuse a folder of several inputs."""
    inner = sorted(files)
    if inner:
        raise InputError(
            f"contains {what} ({len(inner)})",
            where=str(folder),
            remedy=f"Give the ones to use, such as {inner[0]}",
        )


def _refuse_packed(path: Path) -> None:
    if path.suffix.lower() in _PACKED:
        raise InputError(
            "is an archive that hwgen does not read in place",
            where=str(path),
            remedy="Unpack it and give the folder; convert WebDataset to parquet or an OCR LMDB",
        )


def _in_lmdb(folder: Path) -> Collection:
    name = name_text(folder.name or folder.resolve().name)
    with Lmdb(folder) as database:
        if is_ocr_lmdb(database):
            return ocr_lmdb(name, folder, database)
        count = database.count
    return Lsun(name, folder, (folder / "data.mdb").stat().st_size, count)


def _in_archive(path: Path, inner: str, encoding: str | None) -> list[Collection]:
    for member in zips.members(path, encoding):
        if PurePosixPath(member.name).name == LIST_FILE and _is_zipped_list(path, member):
            raise InputError(
                f"contains a label list, {member.name}, which cannot be read in place",
                where=str(path),
                remedy=f"Unpack it and give the folder of {LIST_FILE}",
            )
    found = in_zip(path, inner, encoding)
    if found:
        return found
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
        + (describe_names(held) or f"it contains {_listed(held)}"),
        where=str(path),
        remedy=f"Image files end in {', '.join(SUFFIXES)}",
    )


def _is_zipped_list(path: Path, member: zips.Member) -> bool:
    with zips.open_member(path, member, str(path)) as stream, zips.as_input_error(str(path)):
        return is_label_list(cast(BinaryIO, stream))


def _in_one_split(path: Path, encoding: str | None) -> list[Collection]:
    """Collections of one input, which must not mix a training and a test set by accident."""
    found = _in_input(path, encoding)
    refuse_mixed((collection.name for collection in found), str(path))
    return found


def _listed(things: Sequence[object]) -> str:
    some = ", ".join(name_text(getattr(thing, "name", str(thing))) for thing in things[:5])
    return (some or "nothing") + (", ..." if len(things) > 5 else "")
