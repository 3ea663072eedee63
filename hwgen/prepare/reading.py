"""In: sources of labelled items. Out: their items in order, and a list of what was lost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from hwgen.errors import BadRecordError, StoreError
from hwgen.prepare.report import FileReport
from hwgen.progress import NO_CONTROL, Control
from hwgen.record import BadRecord
from hwgen.sources.images.layout import Columns
from hwgen.sources.unread import Unread, describe, remedy

_PROGRESS_RECORDS = 256


class Item(Protocol):
    """What becomes one record of a store: a Record, a Trajectory, an image not yet decoded.

    Its attributes are those of a Record.
    """

    @property
    def label(self) -> str: ...  # noqa: D102

    @property
    def writer(self) -> str: ...  # noqa: D102

    @property
    def source(self) -> str: ...  # noqa: D102

    @property
    def position(self) -> int: ...  # noqa: D102


ItemT = TypeVar("ItemT", bound=Item)
ItemT_co = TypeVar("ItemT_co", bound=Item, covariant=True)


class Source(Protocol[ItemT_co]):
    """One file of items, or the folder of one class."""

    @property
    def name(self) -> str:
        """As in `Record.source`; unique among the sources of a store."""

    @property
    def writer(self) -> str:
        """Who wrote all of it, "" if unknown."""

    @property
    def size(self) -> int:
        """Size in bytes."""

    @property
    def path(self) -> Path:
        """The file or folder on the disk."""

    @property
    def linked(self) -> Sequence[Path]:
        """Other folders with files of it, which symbolic links lead to."""

    @property
    def encoding(self) -> str:
        """How its name or its labels were decoded, as Python's name of a codec."""

    @property
    def guessed(self) -> bool:
        """Whether that is the most plausible of several that fit."""

    def items(self) -> Iterator[ItemT_co | BadRecord]:
        """All items in order, with a BadRecord in the place of each loss."""

    def bytes_before(self, position: int) -> int:
        """How many of its bytes lie before the item at this position."""


@dataclass
class Reading(Generic[ItemT]):
    """One pass over sources that yields the sound items and records the losses.

    Attributes:
        sources: read in order.
        strict: raise at the first damaged record.
        control: progress in bytes, and stop requests.
        unread: what the inputs hold beside the sources.
        bad: the losses so far.
    """

    sources: Sequence[Source[ItemT]]
    strict: bool = False
    control: Control = NO_CONTROL
    unread: Unread = field(default_factory=Unread)
    bad: list[BadRecord] = field(default_factory=list)
    _sound: Counter[str] = field(default_factory=Counter)
    _lost: Counter[str] = field(default_factory=Counter)

    @property
    def total_bytes(self) -> int:
        """Size of all sources."""
        return sum(source.size for source in self.sources)

    @property
    def columns(self) -> dict[str, Columns]:
        """The columns that are read of tables, by input."""
        found = {one.name: getattr(one, "columns", None) for one in self.sources}
        return {name: columns for name, columns in found.items() if columns}

    def items(self) -> Iterator[ItemT]:
        """The sound items.

        Raises:
            BadRecordError: a record is damaged or a file that may be data is not read, and
                `strict` is set.
            StoreError: a stop was requested.
        """
        self._refuse_unread()
        total = self.total_bytes
        before, seen = 0, 0
        for source in self.sources:
            for item in source.items():
                if isinstance(item, BadRecord):
                    self.lose(item, source.name)
                    continue
                seen += 1
                self._sound[source.name] += 1
                if seen % _PROGRESS_RECORDS == 0:
                    self._report(before + source.bytes_before(item.position), total, seen)
                yield item
            before += source.size
        self._report(total, total, seen)

    def lose(self, bad: BadRecord, source: str, *, was_sound: bool = False) -> None:
        """Record a loss in the source with this name.

        Args:
            bad: the loss.
            source: the source's name.
            was_sound: whether `items` yielded it, and only rendering showed the damage.

        Raises:
            BadRecordError: `strict` is set.
        """
        if self.strict:
            raise BadRecordError(
                f"expected {bad.expected}, found {bad.found}",
                where=f"{bad.source}@{bad.offset}",
                remedy="Leave out --strict to skip and report damaged records",
            )
        self.bad.append(bad)
        self._lost[source] += 1
        self._sound[source] -= was_sound

    def leave(self, kind: str, item: Item, count: int) -> None:
        """Count what a file holds beside an item, and is not read.

        Raises:
            BadRecordError: `strict` is set.
        """
        name = getattr(item, "name", item.source)
        self.unread.add(kind, name, count=count)
        self._refuse_unread()

    def files(self) -> list[FileReport]:
        """How many records each source gave."""
        return [
            FileReport(
                source.name,
                source.writer,
                source.size,
                self._sound[source.name],
                self._lost[source.name],
            )
            for source in self.sources
        ]

    def lost_whole(self) -> list[str]:
        """Names of the sources all of whose items are damaged."""
        lost = [source.name for source in self.sources if self._lost[source.name]]
        return [name for name in lost if not self._sound[name]]

    def _refuse_unread(self) -> None:
        kinds = self.unread.may_be_data
        if self.strict and kinds:
            advice = remedy(kinds)
            raise BadRecordError(
                f"the input holds {describe(kinds)} that hwgen does not read",
                remedy=f"{advice}; or leave out --strict" if advice else "Leave out --strict",
            )

    def _report(self, done: int, total: int, seen: int) -> None:
        self.control.progress(done, total, f"{seen:,} records")
        if self.control.stop():
            raise StoreError("stopped before the end; no store was written")
