"""Folders of image files, also in zips: one collection per folder."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from hwgen.errors import InputError
from hwgen.io import zips
from hwgen.io.encodings import decide_on_disk, is_utf8, name_bytes, name_text
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
            name = f"{self.name}/{name_text(file, self.encoding)}"
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
    members: tuple[zips.Member, ...] = field(default=(), repr=False)

    format: ClassVar[str] = "folder"

    def items(self) -> Iterator[EncodedImage | BadRecord]:
        """See Collection."""
        for position, member in enumerate(self.members):
            name, size = f"{name_text(self.path.name)}!{member.name}", member.info.file_size
            if size > MAX_BYTES:
                yield bad_image(name, size, f"{size:,} bytes")
                continue

            def read(member: zips.Member = member, name: str = name) -> bytes:
                with (
                    zips.open_member(self.path, member, name) as stream,
                    zips.as_input_error(name),
                ):
                    return stream.read()

            yield EncodedImage(self.label, self.name, position, name, read)


def class_of(folder: str) -> str:
    """The class of a folder: 啊 for U+554A, as hwgen exports it; else the folder's name."""
    if not _CODE_POINTS.fullmatch(folder):
        return folder
    codes = [int(code[2:], 16) for code in folder.split("-")]
    sound = all(code <= 0x10FFFF and not 0xD800 <= code <= 0xDFFF for code in codes)
    return "".join(map(chr, codes)) if sound else folder


def in_folder(root: Path, encoding: str | None = None) -> list[Collection]:
    """`root` and all folders below it that contain images, sorted by path.

    Files without one of SUFFIXES are skipped, as are dot files and `__MACOSX`. Links to folders
    are not followed.

    Raises:
        InputError: a folder cannot be read, or is an unpacked WebDataset shard; or the encoding of
            the names is unknown.
    """
    found: list[tuple[Path, tuple[tuple[str, int], ...]]] = []

    def refuse(error: OSError) -> None:
        raise zips.unreadable(str(root), error)

    for place, folders, names in os.walk(root, onerror=refuse):
        folder = Path(place)
        folders[:] = [name for name in folders if not is_ignored((name,))]
        images = sorted(name for name in names if _is_image(name) and (folder / name).is_file())
        if images:
            _refuse_shard(images, names, folder)
            files = tuple((file, (folder / file).stat().st_size) for file in images)
            found.append((folder, files))
    return _named(root, found, encoding)


def _named(
    root: Path, found: Iterable[tuple[Path, tuple[tuple[str, int], ...]]], encoding: str | None
) -> list[Collection]:
    """Collections of folders, each with its files; the encoding of names is decided over all."""
    # The name that the user typed, unless it is ".". Folders below may have other encodings.
    top = root.name or root.resolve().name
    inner = [(folder.relative_to(root).parts, folder, files) for folder, files in found]
    names = {part for parts, *_ in inner for part in parts}
    alone = is_utf8(name_bytes(top))
    codec = decide_on_disk(names if alone else {*names, top}, where=str(root), encoding=encoding)
    top = name_text(top, "utf-8" if alone else codec)
    named: list[Collection] = []
    for parts, folder, files in inner:
        texts = [top, *(name_text(part, codec) for part in parts)]
        size = sum(size for _, size in files)
        collection = Folder(
            "/".join(texts),
            folder,
            size,
            len(files),
            encoding=codec,
            label=class_of(texts[-1]),
            files=files,
        )
        named.append(collection)
    return sorted(named, key=lambda collection: collection.name)


def in_zip(path: Path, inner: str = "", encoding: str | None = None) -> list[Collection]:
    """All folders of a zip, below `inner`, that contain images, sorted by path.

    Images outside of folders get the name of the zip as class.

    Raises:
        InputError: see `zips.members`; or the zip contains an unpacked WebDataset shard.
    """
    below = [part for part in inner.split("/") if part]
    folders: dict[tuple[str, ...], list[zips.Member]] = defaultdict(list)
    held = zips.members(path, encoding)
    images = [member.name for member in held if member.parts and _is_image(member.parts[-1])]
    _refuse_shard(images, [member.name for member in held], path)
    for member in held:
        *folder, file = member.parts or [""]
        if _is_image(file) and folder[: len(below)] == below:
            folders[tuple(folder)].append(member)
    top, codec = name_text(path.name), zips.encoding_of(path, encoding)
    found: list[Collection] = []
    for parts, files in sorted(folders.items()):
        name = f"{top}!{'/'.join(parts)}" if parts else top
        label = class_of(parts[-1]) if parts else name_text(path.stem)
        size = sum(member.info.file_size for member in files)
        found.append(
            ZippedFolder(
                name,
                path,
                size,
                len(files),
                encoding=codec,
                label=label,
                members=tuple(files),
            )
        )
    return found


def _refuse_shard(images: Iterable[str], names: Iterable[str], where: Path) -> None:
    """Refuse images with their classes in files beside them, not in folder names."""
    classes = set(names)
    for image in images:
        beside = os.path.splitext(image)[0] + ".cls"
        if beside in classes:
            raise InputError(
                f"is an unpacked WebDataset shard, which hwgen does not read: the class of "
                f"{name_text(image)} is in {name_text(beside)}",
                where=str(where),
                remedy="Convert it to one folder per class, parquet or an OCR LMDB",
            )


def _is_image(name: str) -> bool:
    return name.lower().endswith(SUFFIXES) and not is_ignored((name,))
