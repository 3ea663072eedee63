"""Finding CASIA's GNT and POT files in folders and zips.

Files are named in many ways (`001-f.gnt`, `C001-f.gnt`, `1.0train-gb1`, `HWDB1.0trn_gnt.zip`, ...),
so the format is recognised by content: a file that begins with a consistent header is GNT.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, BinaryIO, cast

from hwgen.errors import InputError
from hwgen.io import zips
from hwgen.io.ignored import is_hidden, is_ignored
from hwgen.io.paths import describe_names, describe_path, suggest_path
from hwgen.sources.duplicates import unique_by_name
from hwgen.sources.gnt import looks_like_gnt
from hwgen.sources.pot import looks_like_pot

_LOOK_BYTES = 256 << 10
"""Bytes searched for a record in a file without the format's suffix."""

_LMDB = ("data.mdb", "lock.mdb")

_UNPACK_ALZ = "Unpack it first, for example with `unalz {}`, and give the unpacked folder"
_WRITER = re.compile(r"([A-Za-z]*\d+)(?:-[A-Za-z])?")


@dataclass(frozen=True)
class Format:
    """One of CASIA's file formats.

    Attributes:
        name: as users call it.
        suffix: of its files, in lower case.
        record: how its files begin, in words.
        looks_like: whether bytes are the beginning of a file of this format.
    """

    name: str
    suffix: str
    record: str
    looks_like: Callable[[bytes], bool]


GNT = Format("GNT", ".gnt", "a record whose size is 10 + width * height", looks_like_gnt)
POT = Format("POT", ".pot", "a record whose size leads to its (-1, -1)", looks_like_pot)


@dataclass(frozen=True)
class RawFile:
    """One file of images or trajectories, loose or inside a zip.

    Attributes:
        name: `001-f.gnt`, `folder/001-f.gnt` or `archive.zip!folder/001-f.gnt`, without the folders
            above the input, so that it is the same on every machine; printable text that is never
            used as a path.
        writer: id of the writer, from the file's name; "" for files of several writers.
        size: bytes, unpacked.
        path: the file, or the zip that contains it.
        member: its name within the zip, "" for a file outside of zips.
    """

    name: str
    writer: str
    size: int
    path: Path
    member: str = ""

    @contextmanager
    def open(self) -> Iterator[BinaryIO]:
        """A stream of the file's bytes.

        Raises:
            InputError: it cannot be opened, or the zip is damaged (also while reading).
        """
        # Only opening is wrapped: errors of the caller are not the file's.
        with ExitStack() as stack:
            if self.member:
                within = zips.open_member(self.path, self.member, self.name)
                stream: IO[bytes] = stack.enter_context(within)
            else:
                with zips.as_input_error(self.name):
                    stream = stack.enter_context(open(self.path, "rb"))
            yield cast(BinaryIO, _Checked(stream, self.name))


class _Checked:
    """A stream whose errors name the file."""

    def __init__(self, stream: IO[bytes], name: str) -> None:
        self._stream, self._name = stream, name

    def read(self, size: int) -> bytes:
        with zips.as_input_error(self._name):
            return self._stream.read(size)


class _OtherFormatError(InputError):
    """A file of another format: an error if it is the input, else skipped."""


def find_files(inputs: Sequence[Path], sought: Format) -> list[RawFile]:
    """The files of a format in files, folders and zips: inputs in order, each sorted by name.

    A file reached twice counts once. Files of other formats in folders and zips are skipped, as
    are dot files, `__MACOSX` and the files of LMDBs such as stores.

    Raises:
        InputError: an input is missing, unreadable, or without files of the format, such as an
            `.alz`; a zip is damaged or encrypted; two different files have the same name.
    """
    files = unique_by_name(
        (file.member, file) for path in inputs for file in _in_input(path, sought)
    )
    if not files:
        raise InputError("no input was given", remedy=f"Give {sought.name} files, folders or zips")
    return files


def hidden_files(inputs: Sequence[Path], sought: Format) -> int:
    """Number of hidden files with the format's suffix, which `find_files` skips.

    Resource forks of macOS are not counted. Only zips are opened, for their names.
    """
    return sum(name.lower().endswith(sought.suffix) for path in inputs for name in _hidden(path))


def writer_of(name: str) -> str:
    """The writer id in the name of a file, "" if it names no single writer.

    `001-f.gnt` gives 001, `C001-f.gnt` C001, `writer12.pot` writer12, `1.0train-gb1` nothing.
    """
    file_name = PurePosixPath(name).name
    match = _WRITER.fullmatch(re.sub(r"\.(gnt|pot)$", "", file_name, flags=re.IGNORECASE))
    return match[1] if match else ""


def _in_input(path: Path, sought: Format) -> list[RawFile]:
    """Files of one input; at least one."""
    try:
        if path.is_dir():
            return _in_folder(path, sought)
        if not path.exists():
            raise InputError(
                "no such file or folder", where=str(path), remedy=suggest_path(path, "")
            )
        files = _in_file(path, zips.printable(path.name), sought)
    except OSError as error:
        raise zips.unreadable(str(path), error) from None
    if not files:
        known = describe_path(path)
        raise InputError(
            f"is not a {sought.name} file: {known or f'it does not begin with {sought.record}'}",
            where=str(path),
            remedy=f"Give a {sought.suffix} file, or a folder or zip that contains some",
        )
    return files


def _hidden(path: Path) -> Iterator[str]:
    """Names of hidden files in a folder and its zips, or in a zip."""
    if path.is_dir():
        root = path.resolve()
        for file in root.rglob("*"):
            parts = file.relative_to(root).parts
            if file.is_file() and is_hidden(parts):
                yield file.name
            elif file.is_file() and not is_ignored(parts):
                yield from _hidden(file)
    elif zipfile.is_zipfile(path):
        yield from zips.hidden_names(path)


def _in_folder(folder: Path, sought: Format) -> list[RawFile]:
    root = folder.resolve()
    files: list[RawFile] = []
    refused: list[InputError] = []
    for path in sorted(root.rglob("*")):
        within = path.relative_to(root)
        if path.is_file() and path.name not in _LMDB and not is_ignored(within.parts):
            try:
                name = zips.printable((PurePosixPath(root.name) / within.as_posix()).as_posix())
                files += _in_file(path, name, sought)
            except _OtherFormatError as error:
                refused.append(error)  # an error only if no file is of the format
    if refused and not files:
        raise refused[0]
    if not files:
        known = describe_path(folder)
        raise InputError(
            f"no {sought.name} file in this folder{known and f'; {known}'}",
            where=str(folder),
            remedy=f"Give a {sought.suffix} file, or a folder or zip that contains some",
        )
    return files


def _in_file(path: Path, name: str, sought: Format) -> list[RawFile]:
    """The file itself, the files in a zip, or [] for another format."""
    with open(path, "rb") as file:
        head = file.read(_LOOK_BYTES)
    if path.suffix.lower() == ".alz" or head.startswith(b"ALZ\x01"):
        raise _OtherFormatError(
            "is an ALZip archive, which hwgen does not read",
            where=str(path),
            remedy=_UNPACK_ALZ.format(path.name),
        )
    if path.suffix.lower() == ".zip" or head.startswith(b"PK\x03\x04"):
        return _in_zip(path, name, sought)
    if path.suffix.lower() == sought.suffix or sought.looks_like(head):
        return [RawFile(name, writer_of(name), path.stat().st_size, path)]
    return []


def _in_zip(path: Path, name: str, sought: Format) -> list[RawFile]:
    files = []
    held = []
    for info, head in zips.member_heads(path, _LOOK_BYTES):
        member = zips.member_name(info)
        held.append(member)
        if sought.looks_like(head) or member.lower().endswith(sought.suffix):
            full_name = f"{name}!{member}"
            writer = writer_of(zips.path_parts(member)[-1])
            files.append(RawFile(full_name, writer, info.file_size, path, info.filename))
    if not files:
        alz = [member for member in held if member.lower().endswith(".alz")]
        if alz:
            raise _OtherFormatError(
                f"contains {alz[0]}, an ALZip archive, which hwgen does not read",
                where=str(path),
                remedy=f"Unzip it, then: {_UNPACK_ALZ.format(PurePosixPath(alz[0]).name)}",
            )
        raise _OtherFormatError(
            f"no {sought.name} file in this zip; "
            + (describe_names(held) or f"it contains {', '.join(held[:5]) or 'nothing'}"),
            where=str(path),
        )
    return files
