"""In: a folder of images, or a zip of one. Out: one collection a folder that holds some."""

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
from hwgen.record import BadRecord
from hwgen.sources.images.collection import Collection, EncodedImage
from hwgen.sources.images.decoding import MAX_BYTES, SUFFIXES, bad_image

_CODE_POINTS = re.compile(r"U\+[0-9A-F]{4,6}(-U\+[0-9A-F]{4,6})*")


@dataclass(frozen=True)
class Folder(Collection):
    """The images of one class: those that lie in one folder, in the order of their names.

    Attributes:
        label: see `class_of`.
        files: names of the files in it, with their bytes.
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
    """The same in a zip, which is read in place.

    Attributes:
        label: see `class_of`.
        members: the zip's files in it.
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
    """The class in a folder's name: 啊 in U+554A, as hwgen exports it; else the name itself."""
    if not _CODE_POINTS.fullmatch(folder):
        return folder
    codes = [int(code[2:], 16) for code in folder.split("-")]
    sound = all(code <= 0x10FFFF and not 0xD800 <= code <= 0xDFFF for code in codes)
    return "".join(map(chr, codes)) if sound else folder


def in_folder(root: Path) -> list[Collection]:
    """Every folder below `root`, and itself, that holds images, sorted by path.

    Files without one of SUFFIXES are passed over, as are dot files and `__MACOSX`. Links to
    folders are not followed.

    Raises:
        InputError: a folder cannot be read, or is a shard of WebDataset, unpacked.
    """
    # A folder given as "." or by a link is called what the user sees, where that has a name.
    top = root.name or root.resolve().name
    found: list[Collection] = []

    def refuse(error: OSError) -> None:
        raise zips.unreadable(str(root), error)

    for place, folders, names in os.walk(root, onerror=refuse):
        folder = Path(place)
        folders[:] = [name for name in folders if not zips.is_ignored((name,))]
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
    """Every folder of a zip, below `inner`, that holds images, sorted by path.

    Images that lie in no folder are of a class called like the zip.

    Raises:
        InputError: see `zips.members`; or it holds a shard of WebDataset, unpacked.
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
    """Refuse images whose classes lie in files beside them, and not in a folder's name."""
    classes = set(names)
    for image in images:
        beside = os.path.splitext(image)[0] + ".cls"
        if beside in classes:
            raise InputError(
                f"is WebDataset unpacked, which hwgen does not read: the class of "
                f"{zips.printable(image)} lies in {zips.printable(beside)}",
                where=str(where),
                remedy="Make a folder a class of it, parquet or an OCR LMDB",
            )


def _is_image(name: str) -> bool:
    return name.lower().endswith(SUFFIXES) and not zips.is_ignored((name,))
