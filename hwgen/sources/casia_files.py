"""Finding CASIA's GNT and POT files in folders and zips.

Files are named in many ways (`001-f.gnt`, `C001-f.gnt`, `1.0train-gb1`, `HWDB1.0trn_gnt.zip`, ...),
so the format is recognised by content: a file that begins with a consistent header is GNT.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import IO, BinaryIO, cast

from hwgen.errors import InputError
from hwgen.io import zips
from hwgen.io.archives import how_to_unpack, packed_kind, refuse_volume
from hwgen.io.encodings import Guess, name_text
from hwgen.io.paths import describe_names, describe_path, suggest_path
from hwgen.io.streams import refuse_stream
from hwgen.io.walk import LINK_IN_ZIP, READ_ALREADY, VANISHED
from hwgen.sources.duplicates import unique_by_name
from hwgen.sources.gnt import gnt_tags, looks_like_gnt
from hwgen.sources.pot import looks_like_pot, pot_tags
from hwgen.sources.splits import refuse_mixed
from hwgen.sources.unread import Unread

_LOOK_BYTES = 256 << 10
"""Bytes searched for a record in a file without the format's suffix."""

_COPY_BYTES = 64 << 10
"""Bytes at the beginning of two files that are compared; smaller copies must have one name."""

_FEW, _MANY = 16, 100
"""Tags that are too few to tell whether their bytes are exchanged, and that are enough."""

_LMDB = ("data.mdb", "lock.mdb")

_WRITER = re.compile(r"([A-Za-z]*\d+)(?:-[A-Za-z])?")


@dataclass(frozen=True)
class Format:
    """One of CASIA's file formats.

    Attributes:
        name: as users call it.
        suffix: of its files, in lower case.
        record: how its files begin, in words.
        looks_like: whether bytes are the beginning of a file of this format.
        tags: the GB codes in the beginning of a file, as its format orders their bytes.
    """

    name: str
    suffix: str
    record: str
    looks_like: Callable[[bytes], bool]
    tags: Callable[[bytes], Iterator[bytes]]


GNT = Format("GNT", ".gnt", "a record whose size is 10 + width * height", looks_like_gnt, gnt_tags)
POT = Format("POT", ".pot", "a record whose size leads to its (-1, -1)", looks_like_pot, pot_tags)


@dataclass(frozen=True)
class RawFile:
    """One file of images or trajectories, loose or inside a zip.

    Attributes:
        name: `001-f.gnt`, `folder/001-f.gnt` or `archive.zip!folder/001-f.gnt`, without the folders
            above the input, so that it is the same on every machine; never used as a path.
        writer: id of the writer, from the file's name; "" for files of several writers.
        size: bytes, unpacked.
        path: the file, or the zip that contains it.
        member: its place within the zip, None for a file outside of zips.
        head: identifies its size and first bytes, to find copies.
        encoding: how its name was decoded, as Python's name of a codec.
        guessed: whether other encodings fit nearly as well.
    """

    name: str
    writer: str
    size: int
    path: Path
    member: zips.Member | None = None
    head: bytes = field(default=b"", repr=False)
    encoding: str = "utf-8"
    guessed: bool = False

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


def find_files(
    inputs: Sequence[Path],
    sought: Format,
    unread: Unread | None = None,
    *,
    mixed: bool = False,
    encoding: str | None = None,
) -> list[RawFile]:
    """The files of a format in files, folders and zips: inputs in order, each sorted by name.

    A file reached twice counts once, and so do copies of it, such as those in a folder beside the
    zip that it was unpacked from. Symbolic links are followed. Dot files and what systems write,
    such as `__MACOSX`, are left out.

    Args:
        inputs: files, folders and zips.
        sought: the format.
        unread: counts what is not read, files of other formats and copies included.
        mixed: allow training and test files in one input.
        encoding: codec of names in zips that do not declare theirs. None takes the most plausible
            one, and refuses none, since labels come from tags.

    Raises:
        InputError: an input is missing, unreadable, a stream, or without files of the format, such
            as an `.alz`; a zip is damaged or encrypted; two different files have the same name; one
            input mixes training and test files, by their names; the bytes of a file's tags are
            exchanged.
    """
    unread = Unread() if unread is None else unread
    found: list[RawFile] = []
    for path in inputs:
        files = _in_input(path, sought, unread, encoding)
        if not mixed:
            refuse_mixed((file.name for file in files), str(path))
        found += files
    kept = _without_copies(found, unread)
    files = unique_by_name(((file.member and file.member.name, file) for file in kept), unread)
    if not files:
        raise InputError("no input was given", remedy=f"Give {sought.name} files, folders or zips")
    return files


def writer_of(name: str) -> str:
    """The writer id in the name of a file, "" if it names no single writer.

    `001-f.gnt` gives 001, `C001-f.gnt` C001, `writer12.pot` writer12, `1.0train-gb1` nothing.
    """
    file_name = PurePosixPath(name).name
    match = _WRITER.fullmatch(re.sub(r"\.(gnt|pot)$", "", file_name, flags=re.IGNORECASE))
    return match[1] if match else ""


def _in_input(path: Path, sought: Format, unread: Unread, encoding: str | None) -> list[RawFile]:
    """Files of one input; at least one."""
    refuse_stream(path)
    try:
        if path.is_dir():
            return _in_folder(path, sought, unread, encoding)
        if not path.exists():
            raise InputError(
                "no such file or folder", where=str(path), remedy=suggest_path(path, "")
            )
        files = _in_file(path, name_text(path.name), sought, unread, encoding)
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


def _in_folder(folder: Path, sought: Format, unread: Unread, encoding: str | None) -> list[RawFile]:
    root = folder.resolve()
    top = name_text(root.name)
    files: list[RawFile] = []
    refused: list[InputError] = []
    places = unread.walk(root, top, [sought.suffix])
    for parts in sorted((*place.parts, file) for place in places for file, _ in place.files):
        path = root.joinpath(*parts)
        name = name_text("/".join((root.name, *parts)))
        found: list[RawFile] = []
        if path.name in _LMDB:
            unread.add(".mdb", name, may_be_data=False)  # of a store
            continue
        try:
            found = _in_file(path, name, sought, unread, encoding)
        except _OtherFormatError as error:
            refused.append(error)  # an error only if no file is of the format
        except FileNotFoundError:
            unread.add(VANISHED, name)
            continue
        except OSError as error:
            raise zips.unreadable(str(path), error) from None
        if not found:
            unread.add_file(name)
        files += found
    if refused and not files:
        raise refused[0]
    if not files:
        known = [known for known in (describe_path(folder), unread.summary()) if known]
        raise InputError(
            "; ".join([f"no {sought.name} file in this folder", *known]),
            where=str(folder),
            remedy=f"Give a {sought.suffix} file, or a folder or zip that contains some",
        )
    return files


def _in_file(
    path: Path, name: str, sought: Format, unread: Unread, encoding: str | None
) -> list[RawFile]:
    """The file itself, the files in a zip, or [] for another format."""
    with open(path, "rb") as file:
        head = file.read(_LOOK_BYTES)
    packed = packed_kind(path.name, head)
    if packed:
        raise _OtherFormatError(
            f"is an archive ({packed}), which hwgen does not read",
            where=str(path),
            remedy=how_to_unpack(packed, path.name),
        )
    if path.suffix.lower() == ".zip" or head.startswith(b"PK\x03\x04"):
        refuse_volume(path)
        return _in_zip(path, name, sought, unread, encoding)
    if path.suffix.lower() == sought.suffix or sought.looks_like(head):
        size = path.stat().st_size
        _refuse_exchanged(head, str(path), sought)
        return [RawFile(name, writer_of(name), size, path, head=_digest(head))]
    return []


def _in_zip(
    path: Path, name: str, sought: Format, unread: Unread, encoding: str | None
) -> list[RawFile]:
    files = []
    others = []
    links = []
    guess = Guess(encoding, sure=True) if encoding else zips.most_plausible_encoding(path)
    codec, guessed = guess.codec, not guess.sure
    for member, head in zips.member_heads(path, _LOOK_BYTES, codec):
        if member.is_link:
            links.append(f"{name}!{member.name}")
        elif sought.looks_like(head) or member.name.lower().endswith(sought.suffix):
            full_name, size = f"{name}!{member.name}", member.info.file_size
            _refuse_exchanged(head, full_name, sought)
            writer = writer_of(member.name)
            digest = _digest(head)
            files.append(RawFile(full_name, writer, size, path, member, digest, codec, guessed))
        else:
            others.append((member.name, packed_kind(member.name, head)))
    if not files:
        packed = [(inner, kind) for inner, kind in others if kind]
        if packed:
            inner, kind = packed[0]
            raise _OtherFormatError(
                f"contains {inner}, an archive ({kind}), which hwgen does not read",
                where=str(path),
                remedy=f"Unzip it, then: {how_to_unpack(kind, PurePosixPath(inner).name)}",
            )
        held = [inner for inner, _ in others]
        raise _OtherFormatError(
            f"no {sought.name} file in this zip; "
            + (
                describe_names(held) or f"it contains {', '.join((held or links)[:5]) or 'nothing'}"
            ),
            where=str(path),
        )
    for inner, _ in others:
        unread.add_file(f"{name}!{inner}")
    for link in links:
        unread.add(LINK_IN_ZIP, link)
    hidden = zips.hidden_names(path, codec)
    unread.hidden += sum(inner.lower().endswith(sought.suffix) for inner in hidden)
    return files


def _refuse_exchanged(head: bytes, name: str, sought: Format) -> None:
    """Refuse a file whose tags are characters of GB2312 level 1 if their bytes are exchanged.

    Read as they are, they would be other characters, and no damage would be seen.
    """
    tags = set(islice(sought.tags(head), _MANY))  # often all of one class
    as_written = sum(map(_is_level_1, tags))
    exchanged = sum(_is_level_1(tag[::-1]) for tag in tags)
    if len(tags) >= _FEW and exchanged >= 0.9 * len(tags) and as_written <= 0.8 * len(tags):
        raise InputError(
            f"the two bytes of the tags seem exchanged: of {len(tags)} different tags, "
            f"{exchanged} are common characters if they are, {as_written} as they are",
            where=name,
            remedy=f"Write the file again with the bytes of each tag as {sought.name} orders them",
        )


def _is_level_1(tag: bytes) -> bool:
    """Whether a GB code, high byte first, is one of the 3,755 characters of GB2312 level 1."""
    return 0xB0 <= tag[0] <= 0xD7 and 0xA1 <= tag[1] <= 0xFE


def _digest(head: bytes) -> bytes:
    return hashlib.blake2b(head[:_COPY_BYTES], digest_size=16).digest()


def _without_copies(files: Sequence[RawFile], unread: Unread) -> list[RawFile]:
    """Each file once: of equal contents the first that names its writer, or the first.

    Contents are equal if the first 64 KiB and the sizes are: no two writers' scans are. Files
    named after different writers are kept, and small files unless they have the same name.
    """
    seen: dict[tuple[bytes, int, str], set[str]] = {}
    copies: set[int] = set()
    for file in sorted(files, key=lambda file: not file.writer):  # stable
        small = file.size < _COPY_BYTES
        file_name = PurePosixPath(file.member.name if file.member else file.name).name.lower()
        writers = seen.setdefault((file.head, file.size, file_name if small else ""), set())
        if file.size and writers and (file.writer in writers or not file.writer):
            unread.add(READ_ALREADY, file.name, may_be_data=False)
            copies.add(id(file))
        writers.add(file.writer)
    return [file for file in files if id(file) not in copies]
