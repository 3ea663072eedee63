"""Folders of image files, also in zips: one collection per folder."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, ClassVar, cast

from hwgen.errors import InputError
from hwgen.io import os_errors, zips
from hwgen.io.class_folders import CLASS_MAP, class_of
from hwgen.io.encodings import decide_on_disk, is_utf8, name_bytes, name_text
from hwgen.io.json_files import MAX_JSON_BYTES, parse_json, read_json
from hwgen.io.walk import LINK_IN_ZIP, UNREADABLE, Place
from hwgen.record import BadRecord
from hwgen.sources.images.collection import Collection, EncodedImage
from hwgen.sources.images.decoding import MAX_BYTES, SUFFIXES, bad_image, looks_like_image
from hwgen.sources.images.layout import CLEAR, Layout, Parts, class_depth
from hwgen.sources.unread import Unread, is_companion

ABOVE_CLASSES = "image above the class folders"
"""Why an image is not read."""


@dataclass(frozen=True)
class Folder(Collection):
    """The images of one class: those in one folder, sorted by name.

    Attributes:
        label: see `class_of`.
        files: names of its files, with their sizes in bytes.
        elsewhere: see `linked`.
    """

    label: str = ""
    files: tuple[tuple[str, int], ...] = field(default=(), repr=False)
    elsewhere: tuple[Path, ...] = ()

    format: ClassVar[str] = "folder"

    @property
    def linked(self) -> tuple[Path, ...]:
        """See Collection."""
        return self.elsewhere

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


def in_folder(
    root: Path,
    encoding: str | None = None,
    unread: Unread | None = None,
    layout: Layout = CLEAR,
) -> list[Collection]:
    """`root` and all folders below it that contain images, sorted by path.

    Images are files with one of SUFFIXES, and others that begin as an image. Links are followed.

    Args:
        root: the folder.
        encoding: see `decide_on_disk`.
        unread: counts all other files, and images above the class folders.
        layout: see `class_depth`.

    Raises:
        InputError: a folder cannot be read, or is an unpacked WebDataset shard; the encoding of
            the names is unknown; or it is not clear which folders are the classes.
    """
    unread = Unread() if unread is None else unread
    return class_folders(root, image_places(root, unread), encoding, unread, layout)


ImagePlace = tuple[Place, tuple[tuple[str, int], ...]]
"""A folder, with names and sizes of the images in it."""


def image_places(root: Path, unread: Unread, taken: Container[str] = ()) -> list[ImagePlace]:
    """The folders of an input, whose names are not decoded yet; also those without images.

    Args:
        root: the folder.
        unread: counts all other files.
        taken: names of files in `root` that another reader reads.

    Raises:
        InputError: a folder cannot be read, or is an unpacked WebDataset shard.
    """
    top = root.name or root.resolve().name
    found: list[ImagePlace] = []
    data: dict[Parts, str] = {}
    for place in unread.walk(root, top, SUFFIXES):
        name = "/".join((top, *place.parts))
        images = [one for one in place.files if _is_image(place.folder, one[0], name, unread)]
        if images:
            _refuse_shard((file for file, _ in images), (file for file, _ in place.files), root)
        found.append((place, tuple(images)))
        known = {file for file, _ in images}
        others = [file for file, _ in place.files if file not in known]
        if not place.parts:
            others = [file for file in others if file not in taken]
        if unread.add_files(name, others):
            data[place.parts] = name
    unread.name_folders(data, [place.parts for place, images in found if images])
    return found


def class_folders(
    root: Path,
    places: Sequence[ImagePlace],
    encoding: str | None,
    unread: Unread,
    layout: Layout,
) -> list[Collection]:
    """Collections of the folders of `image_places`; see `in_folder`."""
    found = [(place, files) for place, files in places if files]
    if not found:
        return []
    # The name that the user typed, unless it is ".". Folders below may have other encodings.
    top = root.name or root.resolve().name
    names = {part for place, _ in found for part in place.parts}
    alone = is_utf8(name_bytes(top))
    codec = decide_on_disk(names if alone else {*names, top}, where=str(root), encoding=encoding)
    top = name_text(top, "utf-8" if alone else codec)
    counts = {place.parts: len(files) for place, files in found}
    depth = class_depth(counts, layout, str(root))
    unread.add_bare(top, depth, counts, (place.parts for place, _ in places))
    named: list[Collection] = []
    for place, files in found:
        texts = [top, *(name_text(part, codec) for part in place.parts)]
        if len(place.parts) < depth:
            unread.add(ABOVE_CLASSES, "/".join([*texts, files[0][0]]), count=len(files))
            continue
        above = place.path.parent
        for _ in place.parts[depth:]:
            above = above.parent
        size = sum(size for _, size in files)
        collection = Folder(
            "/".join(texts),
            place.path,
            size,
            len(files),
            encoding=codec,
            label=class_of(texts[depth], partial(read_json, above / CLASS_MAP)),
            files=files,
            elsewhere=tuple(map(Path, sorted(place.linked))),
        )
        named.append(collection)
    return sorted(named, key=lambda collection: collection.name)


def in_zip(
    path: Path,
    inner: str = "",
    encoding: str | None = None,
    unread: Unread | None = None,
    layout: Layout = CLEAR,
) -> list[Collection]:
    """All folders of a zip, below `inner`, that contain images, sorted by path.

    Images outside of folders get the name of the zip as class; see `in_folder` for the rest.

    Raises:
        InputError: see `zipped_images` and `class_depth`.
    """
    unread = Unread() if unread is None else unread
    folders = zipped_images(path, inner, encoding, unread)
    return zipped_class_folders(path, inner, folders, encoding, unread, layout)


def zipped_images(
    path: Path, inner: str, encoding: str | None, unread: Unread
) -> dict[Parts, list[zips.Member]]:
    """The images in each folder of a zip, below `inner`; `unread` counts all other files.

    Raises:
        InputError: see `zips.members`; or the zip contains an unpacked WebDataset shard.
    """
    below = _parts(inner)
    folders: dict[Parts, list[zips.Member]] = defaultdict(list)
    others: dict[Parts, list[str]] = defaultdict(list)
    held = zips.members(path, encoding)
    for member in held:
        *folder, file = member.parts or [""]
        if tuple(folder[: len(below)]) != below:
            continue
        if member.is_link:
            unread.add(LINK_IN_ZIP, f"{name_text(path.name)}!{member.name}")
        elif _is_zipped_image(path, member, file):
            folders[tuple(folder)].append(member)
        else:
            others[tuple(folder)].append(file)
    images = [member.name for files in folders.values() for member in files]
    _refuse_shard(images, [member.name for member in held], path)
    top = name_text(path.name)
    places = {parts: f"{top}!{'/'.join(parts)}".rstrip("/") for parts in others}
    data = {
        parts: place for parts, place in places.items() if unread.add_files(place, others[parts])
    }
    unread.name_folders(data, folders)
    hidden = zips.hidden_names(path, encoding)
    unread.hidden += sum(name.lower().endswith(SUFFIXES) for name in hidden)
    return folders


def zipped_class_folders(
    path: Path,
    inner: str,
    folders: dict[Parts, list[zips.Member]],
    encoding: str | None,
    unread: Unread,
    layout: Layout,
) -> list[Collection]:
    """Collections of the folders of `zipped_images`; see `in_zip`."""
    if not folders:
        return []
    below = _parts(inner)
    top, codec = name_text(path.name), zips.encoding_of(path, encoding)
    counts = {parts[len(below) :]: len(files) for parts, files in folders.items()}
    depth = class_depth(counts, layout, str(path)) + len(below)
    held = zips.members(path, encoding)
    bare = {*zips.folders(path, encoding), *(tuple(member.parts[:-1]) for member in held)}
    inside = sorted(parts for parts in bare if parts[: len(below)] == below)
    unread.add_bare(f"{top}!", depth, folders, inside)
    found: list[Collection] = []
    for parts, files in sorted(folders.items()):
        if len(parts) < depth:
            unread.add(ABOVE_CLASSES, f"{top}!{files[0].name}", count=len(files))
            continue
        class_map = partial(_class_map, path, held, parts[: max(0, depth - 1)])
        collection = ZippedFolder(
            f"{top}!{'/'.join(parts)}" if parts else top,
            path,
            sum(member.info.file_size for member in files),
            len(files),
            encoding=codec,
            label=class_of(parts[depth - 1], class_map) if depth else name_text(path.stem),
            members=tuple(files),
        )
        found.append(collection)
    return found


def _parts(inner: str) -> Parts:
    return tuple(part for part in inner.split("/") if part)


def _class_map(path: Path, members: Sequence[zips.Member], folder: tuple[str, ...]) -> Any:
    """The value in CLASS_MAP in a folder of a zip."""
    found = next((one for one in members if [*one.parts] == [*folder, CLASS_MAP]), None)
    if found is None or found.info.file_size > MAX_JSON_BYTES:
        return None
    with zips.open_member(path, found, CLASS_MAP) as stream, zips.as_input_error(str(path)):
        return parse_json(stream.read().decode())


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


def _is_image(folder: str, name: str, place: str, unread: Unread) -> bool:
    """Whether a file is an image, by its suffix or, if that says nothing, by its first bytes."""
    if name.lower().endswith(SUFFIXES) or is_companion(name):
        return name.lower().endswith(SUFFIXES)
    try:
        with open(os.path.join(folder, name), "rb") as stream:
            return looks_like_image(stream)
    except OSError as error:
        unread.add(UNREADABLE, f"{place}/{name} ({os_errors.reason(error)})")
        return False


def _is_zipped_image(path: Path, member: zips.Member, name: str) -> bool:
    if name.lower().endswith(SUFFIXES) or is_companion(name):
        return name.lower().endswith(SUFFIXES)
    with zips.open_member(path, member, str(path)) as stream, zips.as_input_error(str(path)):
        return looks_like_image(cast(BinaryIO, stream))
