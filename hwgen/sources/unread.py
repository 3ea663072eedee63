"""What an input holds that is not read: counted by kind, so that nothing is lost unseen."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from hwgen.io.archives import UNPACK, is_packed
from hwgen.io.encodings import name_text
from hwgen.io.walk import READ_ALREADY, Place, walk

_COMPANIONS = re.compile(
    r"\.(bak|cfg|cls|csv|css|docx?|done|html|ini|ipynb|js|json|jsonl|licen[cs]e|lock|log|m|md"
    r"|md5|odt|pptx?|py|rst|rtf|sh|sha1|sha256|tex|tmp|toml|tsv|txt|url|xlsx?|xml|ya?ml)"
)
"""Suffixes of files that usually lie beside data, such as notes and lists."""

_COMPANION_NAMES = frozenset(
    ("batches", "changelog", "copying", "licence", "license", "lock", "makefile", "readme")
)

_CONVERT = re.compile(
    r"\.(arw|cr[23]|dcm|djvu|dng|emf|eps|exr|hdr|hei[cf]|j2k|jp[2fx]|jxl|jxr|nef|pcx|pdf|psd|svg"
    r"|tga|wmf|xcf)"
)
"""Suffixes of images in formats that hwgen does not decode."""

_MAX_SUFFIX = 8
_MAX_KINDS = 100
_MAX_FOLDERS = 1000
_OTHER = "other"
_NO_SUFFIX = "without suffix"


@dataclass
class UnreadKind:
    """Files of one kind that were not read.

    Attributes:
        kind: a suffix in lower case, or the reason in words.
        files: how many.
        first: name of the first.
        may_be_data: whether they may be what the user wants; false for notes and lists beside data,
            and for what was read under another name.
    """

    kind: str
    files: int
    first: str
    may_be_data: bool


@dataclass
class Unread:
    """What the inputs of one command hold that is not read.

    Attributes:
        kinds: by kind.
        folders: names of folders that hold possible data, none of which was read; and of class
            folders of which nothing was.
        hidden: hidden files that would be read under another name; not those of systems.
    """

    kinds: dict[str, UnreadKind] = field(default_factory=dict)
    folders: list[str] = field(default_factory=list)
    hidden: int = 0

    @property
    def may_be_data(self) -> list[UnreadKind]:
        """The kinds that a user should look at."""
        return [kind for kind in self.kinds.values() if kind.may_be_data]

    def summary(self) -> str:
        """What a user should look at, such as `not read: 2 files: 2 .heic (a.heic, ...)`; or ""."""
        return f"not read: {describe(self.may_be_data)}" if self.may_be_data else ""

    def add(self, kind: str, name: str, *, may_be_data: bool = True, count: int = 1) -> None:
        """Count a file that is not read, for a reason, or parts of it."""
        if kind not in self.kinds and len(self.kinds) >= _MAX_KINDS:
            kind, may_be_data = _OTHER, True
        found = self.kinds.setdefault(kind, UnreadKind(kind, 0, name_text(name), may_be_data))
        found.files += count

    def add_file(self, name: str) -> bool:
        """Count a file of another format, by its suffix; returns whether it may be data."""
        suffix = PurePosixPath(name).suffix.lower()
        if not suffix[1:].isalnum() or len(suffix) > _MAX_SUFFIX:
            suffix = _NO_SUFFIX
        may_be_data = not is_companion(name)
        self.add(suffix, name, may_be_data=may_be_data)
        return may_be_data

    def add_files(self, folder: str, names: Iterable[str]) -> bool:
        """Count the files of one folder that are of other formats; returns whether one may be data.

        Args:
            folder: its name.
            names: of the files.
        """
        may_be_data = [self.add_file(f"{folder}/{name}") for name in names]
        return any(may_be_data)

    def name_folders(
        self, folders: Mapping[tuple[str, ...], str], read: Collection[tuple[str, ...]]
    ) -> None:
        """Name folders of possible data, unless something in or below them is read.

        Args:
            folders: paths below the input, with their names.
            read: folders of which something is read.
        """
        above = {parts[:depth] for parts in read for depth in range(len(parts) + 1)}
        for parts, name in folders.items():
            if parts and parts not in above and len(self.folders) < _MAX_FOLDERS:
                self.folders.append(name_text(name))

    def add_bare(
        self,
        top: str,
        depth: int,
        read: Collection[tuple[str, ...]],
        folders: Iterable[tuple[str, ...]],
    ) -> None:
        """Name class folders of which nothing is read, such as empty ones.

        Args:
            top: name of the input.
            depth: of its class folders.
            read: folders of which something is read, by their paths below it.
            folders: all folders, or all others.
        """
        above = {parts[:depth] for parts in read}
        for parts in folders:
            if len(parts) != depth or parts in above:
                continue
            name = name_text("/".join((top, *parts)).replace("!/", "!"))
            if name not in self.folders and len(self.folders) < _MAX_FOLDERS:
                self.folders.append(name)

    def walk(self, root: Path, top: str, suffixes: Sequence[str]) -> list[Place]:
        """See hwgen.io.walk.walk; what it leaves out is counted.

        Args:
            root: the folder.
            top: its name in reports.
            suffixes: of hidden files to count, in lower case.
        """

        def tell(reason: str, name: str) -> None:
            self.add(reason, f"{top}/{name}", may_be_data=reason != READ_ALREADY)

        def hidden(name: str) -> None:
            self.hidden += name.lower().endswith(tuple(suffixes))

        return walk(root, tell, hidden)


def is_companion(name: str) -> bool:
    """Whether a file is one that usually lies beside data, by its name."""
    file = PurePosixPath(name)
    stem = file.name.lower().partition(".")[0]
    return bool(_COMPANIONS.fullmatch(file.suffix.lower())) or stem in _COMPANION_NAMES


def describe(kinds: Iterable[UnreadKind]) -> str:
    """Such as `12 files: 10 .heic (photos/a.heic, ...), 2 without suffix (photos/b, ...)`."""
    kinds = sorted(kinds, key=lambda kind: -kind.files)
    total = sum(kind.files for kind in kinds)
    parts = [
        f"{kind.files:,} {kind.kind} ({kind.first}{', ...' if kind.files > 1 else ''})"
        for kind in kinds
    ]
    return f"{total:,} {'file' if total == 1 else 'files'}: {', '.join(parts)}"


def remedy(kinds: Iterable[UnreadKind]) -> str:
    """What to do so that they are read; "" if nothing is known."""
    names = [kind.kind for kind in kinds]
    steps = []
    if any(_CONVERT.fullmatch(name) for name in names):
        steps.append("convert the images to PNG")
    if any(is_packed(name) for name in names):
        steps.append(UNPACK)
    text = ", and ".join(steps)
    return text[:1].upper() + text[1:]
