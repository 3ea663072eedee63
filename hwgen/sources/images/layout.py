"""Where classes are in inputs that can be read in several ways: which folders, which columns."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from hwgen.errors import InputError
from hwgen.io.encodings import name_text
from hwgen.schema import check_numbers
from hwgen.sources.splits import split_of

_CHARACTER = re.compile(r"\S|U\+[0-9A-F]{4,6}")
_ASCII = set(map(chr, range(128)))  # groups by letter are usual
_SHOWN = 3
_SHOWN_COLUMNS = 200  # characters

Parts = tuple[str, ...]
"""The path of a folder below the input."""


@dataclass(frozen=True, kw_only=True)
class Layout:
    """What a user says of the layout of an input; by default it must be clear by itself.

    Attributes:
        class_depth: folders at this depth below the input name the classes; those below belong to
            them. 0 is the input itself.
        image_column: the column of images, or of their paths, in parquet, CSV and JSON lines.
        label_column: the column of labels.

    Raises:
        InputError: `class_depth` is negative.
    """

    class_depth: int | None = None
    image_column: str = ""
    label_column: str = ""

    def __post_init__(self) -> None:
        if self.class_depth is not None and self.class_depth < 0:
            raise InputError(f"class_depth must be at least 0, found {self.class_depth}")
        check_numbers(self.class_depth, "class_depth")


CLEAR = Layout()
"""Nothing is said."""


@dataclass(frozen=True)
class Columns:
    """Columns of a table: those that are read, "" if there is none, and the others."""

    image: str
    label: str
    writer: str = ""
    not_read: tuple[str, ...] = ()


class ColumnsUnclearError(InputError):
    """A table has no column of labels or images, or several."""


class NoColumnError(ColumnsUnclearError):
    """A table has none."""


def class_depth(folders: Mapping[Parts, int], layout: Layout, where: str) -> int:
    """The depth of the folders that name classes; images above them are in no class.

    Args:
        folders: those that contain images, with the number of images directly in them; at least
            one.
        layout: may give the depth.
        where: the input.

    Raises:
        InputError: it is not clear, and the layout does not give it; or no folder is so deep.
    """
    if layout.class_depth is not None:
        return _chosen(folders, layout.class_depth, where)
    above = {parts[:depth] for parts in folders for depth in range(len(parts))}
    inner = folders.keys() & above
    classes = sorted(folders.keys() - inner)
    depths = Counter(map(len, classes))
    mixed = next((parts for parts in inner if not _is_stray(parts, classes, folders)), None)
    if len(depths) > 1 or mixed is not None:
        raise _unclear("folders of images lie at several depths", folders, where)
    (depth,) = depths
    _refuse_levels(classes, depth, where)
    return depth


def _chosen(folders: Iterable[Parts], depth: int, where: str) -> int:
    if not any(len(parts) >= depth for parts in folders):
        raise InputError(
            f"no folder with images is {depth} folders deep",
            where=where,
            remedy=f"Give a --class-depth of at most {max(map(len, folders))}",
        )
    return depth


def _is_stray(parts: Parts, classes: Sequence[Parts], folders: Mapping[Parts, int]) -> bool:
    """Whether images of a folder lie beside class folders, as a preview does."""
    below = sum(folders[other] for other in classes)
    above_all = all(other[: len(parts)] == parts for other in classes)
    return above_all and len(classes) > 1 and folders[parts] < below


def _refuse_levels(classes: Sequence[Parts], depth: int, where: str) -> None:
    """Refuse classes that may be named by the folders above them, as in 永/writer1/1.png."""
    if depth < 2:
        return
    outer = {parts[-2] for parts in classes}
    characters, outer_characters = (
        all(map(_CHARACTER.fullmatch, names)) for names in ({p[-1] for p in classes}, outer)
    )
    if characters and not outer_characters:
        return  # writer1/永/1.png
    parents: dict[str, set[Parts]] = defaultdict(set)
    for parts in classes:
        parents[parts[-1]].add(parts[:-1])
    several = next((name for name, above in sorted(parents.items()) if len(above) > 1), "")
    splits = all(split_of("/".join(parts[:-1])) for parts in classes)
    if several and not splits:
        one, two = sorted(map("/".join, parents[several]))[:2]
        what = f"the folder {several} occurs in {one} and in {two}"
    elif outer_characters and not characters and not outer & _ASCII:
        what = f"the folders above {classes[0][-1]} are named after characters"
    else:
        return
    raise _unclear(name_text(what), classes, where)


def _unclear(what: str, folders: Iterable[Parts], where: str) -> InputError:
    """The readings, each with the option for it."""
    named: dict[int, list[str]] = defaultdict(list)
    for parts in sorted(folders, key=lambda parts: (len(parts), parts)):
        for depth in range(max(1, len(parts) - 1), len(parts) + 1):
            if len(parts) >= depth and parts[depth - 1] not in named[depth]:
                named[depth].append(parts[depth - 1])
        if not parts:
            named[0].append("the input itself")
    readings = [
        f"--class-depth {depth} for {name_text(', '.join(names[:_SHOWN]))}"
        + (", ..." if len(names) > _SHOWN else "")
        for depth, names in sorted(named.items())
    ]
    return InputError(
        f"{what}, so it is not clear which folders are the classes",
        where=where,
        remedy=f"Give {', or '.join(readings)}. Folders below a class belong to it, and images "
        "above it are not read; to read classes of several depths, give their folders as inputs",
    )


def choose_column(
    candidates: Sequence[str],
    what: str,
    *,
    chosen: str,
    usual: str,
    columns: Sequence[str],
    where: str,
) -> str:
    """The chosen column, or the usual one, or the only one.

    Args:
        candidates: columns that can be meant.
        what: `image` or `label`.
        chosen: the name that the user gave, or "".
        usual: the name that is preferred.
        columns: all columns.
        where: the file.

    Raises:
        ColumnsUnclearError: several are possible.
        NoColumnError: none is.
    """
    option = f"--{what}-column"
    listed = name_text(", ".join(columns))[:_SHOWN_COLUMNS]
    if chosen:
        if candidates.count(chosen) == 1:
            return chosen
        raise ColumnsUnclearError(
            f"has no column of {what}s with the name {chosen!r}; its columns are {listed}",
            where=where,
            remedy=f"Give {option} another name"
            + (f", such as {name_text(candidates[0])}" if candidates else ""),
        )
    if candidates.count(usual) == 1:
        return usual
    if len(candidates) == 1:
        return candidates[0]
    remedy = f"Give the one to use with {option}"
    if not candidates:
        raise NoColumnError(
            f"has no column of {what}s; its columns are {listed}", where=where, remedy=remedy
        )
    several = name_text(", ".join(candidates))[:_SHOWN_COLUMNS]
    raise ColumnsUnclearError(
        f"has several columns of {what}s: {several}", where=where, remedy=remedy
    )
