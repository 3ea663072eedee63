"""Folders of image files, also in zips: one collection per folder."""

from __future__ import annotations

import os
import re
import zipfile
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import ClassVar

from hwgen.errors import InputError
from hwgen.io import zips
from hwgen.io.ignored import is_ignored
from hwgen.record import BadRecord
from hwgen.sources.images.collection import Collection, EncodedImage
from hwgen.sources.images.decoding import MAX_BYTES, SUFFIXES, bad_image

_CODE_POINTS = re.compile(r"U\+[0-9A-F]{4,6}(-U\+[0-9A-F]{4,6})*")


@dataclass(frozen=True)
class Folder(Collection):
    """The images of one class: those in one folder, sorted by name.

    Attributes:
        label: see `class_of`.
        files: names of its files, with their sizes in bytes.
    """

    label: str = ""
    files: tuple[tuple[str, int], ...] = field(default=(), repr=False)

    format: ClassVar[str] = "folder"

    def items(self) -> Iterator[EncodedImage | BadRecord]:
        """See Collection."""
        for position, (file, size) in enumerate(self.files):
            name = f"{self.name}/{zips.printable(file)}"
            if size > MAX_BYTES:
                yield bad_image(name, size, f"{size:,} bytes")
                continue
            path = self.path / file

            def read(path: Path = path, name: str = name) -> bytes:
                with zips.as_input_error(name):
                    return path.read_bytes()

            yield EncodedImage(self.label, self.name, position, name, read)


@dataclass(frozen=True)
class ZippedFolder(Collection):
    """A folder in a zip, which is read in place.

    Attributes:
        label: see `class_of`.
        members: its files in the zip.
    """

    label: str = ""
    members: tuple[zipfile.ZipInfo, ...] = field(default=(), repr=False)

    format: ClassVar[str] = "folder"

    def items(self) -> Iterator[EncodedImage | BadRecord]:
        """See Collection."""
        with zips.as_input_error(self.name):
            archive = zipfile.ZipFile(self.path)
        with archive:
            for position, info in enumerate(self.members):
                name = f"{zips.printable(self.path.name)}!{zips.member_name(info)}"
                if info.file_size > MAX_BYTES:
                    yield bad_image(name, info.file_size, f"{info.file_size:,} bytes")
                    continue

                def read(info: zipfile.ZipInfo = info, name: str = name) -> bytes:
                    with zips.as_input_error(name):
                        return archive.read(info)

                yield EncodedImage(self.label, self.name, position, name, read)


def class_of(folder: str) -> str:
    """The class of a folder: 啊 for U+554A, as hwgen exports it; else the folder's name."""
    if not _CODE_POINTS.fullmatch(folder):
        return folder
    codes = [int(code[2:], 16) for code in folder.split("-")]
    sound = all(code <= 0x10FFFF and not 0xD800 <= code <= 0xDFFF for code in codes)
    return "".join(map(chr, codes)) if sound else folder


def in_folder(root: Path) -> list[Collection]:
    """`root` and all folders below it that contain images, sorted by path.

    Files without one of SUFFIXES are skipped, as are dot files and `__MACOSX`. Links to folders
    are not followed.

    Raises:
        InputError: a folder cannot be read, or is an unpacked WebDataset shard.
    """
    # The name that the user typed, unless it is ".".
    top = root.name or root.resolve().name
    found: list[Collection] = []

    def refuse(error: OSError) -> None:
        raise zips.unreadable(str(root), error)

    for place, folders, names in os.walk(root, onerror=refuse):
        folder = Path(place)
        folders[:] = [name for name in folders if not is_ignored((name,))]
        images = sorted(name for name in names if _is_image(name) and (folder / name).is_file())
        if images:
            _refuse_shard(images, names, folder)
            within = PurePosixPath(top) / folder.relative_to(root).as_posix()
            name = zips.printable(within.as_posix())
            files = tuple((file, (folder / file).stat().st_size) for file in images)
            size = sum(size for _, size in files)
            label = class_of(PurePosixPath(name).name)
            found.append(Folder(name, folder, size, len(files), label=label, files=files))
    return sorted(found, key=lambda collection: collection.name)


def in_zip(path: Path, inner: str = "") -> list[Collection]:
    """All folders of a zip, below `inner`, that contain images, sorted by path.

    Images outside of folders get the name of the zip as class.

    Raises:
        InputError: see `zips.members`; or the zip contains an unpacked WebDataset shard.
    """
    below = PurePosixPath(inner)
    members: dict[PurePosixPath, list[zipfile.ZipInfo]] = defaultdict(list)
    held = zips.members(path)
    images = [info.filename for info in held if _is_image(info.filename)]
    _refuse_shard(images, [info.filename for info in held], path)
    for info in held:
        file = PurePosixPath(zips.member_name(info).lstrip("/"))
        if _is_image(file.name) and below in file.parents:
            members[file.parent].append(info)
    top = zips.printable(path.name)
    found: list[Collection] = []
    for folder in sorted(members):
        files = tuple(members[folder])
        root = not folder.name
        name = top if root else f"{top}!{folder.as_posix()}"
        label = zips.printable(path.stem) if root else class_of(folder.name)
        size = sum(info.file_size for info in files)
        found.append(ZippedFolder(name, path, size, len(files), label=label, members=files))
    return found


def _refuse_shard(images: Iterable[str], names: Iterable[str], where: Path) -> None:
    """Refuse images with their classes in files beside them, not in folder names."""
    classes = set(names)
    for image in images:
        beside = os.path.splitext(image)[0] + ".cls"
        if beside in classes:
            raise InputError(
                f"is an unpacked WebDataset shard, which hwgen does not read: the class of "
                f"{zips.printable(image)} is in {zips.printable(beside)}",
                where=str(where),
                remedy="Convert it to one folder per class, parquet or an OCR LMDB",
            )


def _is_image(name: str) -> bool:
    return name.lower().endswith(SUFFIXES) and not is_ignored((name,))
