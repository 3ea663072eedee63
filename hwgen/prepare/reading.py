"""In: sources of labelled things. Out: their items in order, and an account of what was lost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from hwgen.errors import BadRecordError, StoreError
from hwgen.prepare.report import FileReport, Progress
from hwgen.record import BadRecord

_PROGRESS_RECORDS = 256


class Item(Protocol):
    """What becomes one record of a store: a Record, a Trajectory, an image not yet decoded."""

    @property
    def label(self) -> str:
        """See Record; so are the others."""

    @property
    def writer(self) -> str: ...  # noqa: D102

    @property
    def source(self) -> str: ...  # noqa: D102

    @property
    def position(self) -> int: ...  # noqa: D102


ItemT = TypeVar("ItemT", bound=Item)
ItemT_co = TypeVar("ItemT_co", bound=Item, covariant=True)


class Source(Protocol[ItemT_co]):
    """What holds items: one file, or one folder of a class."""

    @property
    def name(self) -> str:
        """As in `Record.source`; no two sources have the same."""

    @property
    def writer(self) -> str:
        """Who wrote all of it, "" where that is not known."""

    @property
    def size(self) -> int:
        """Bytes of it, for progress and report."""

    @property
    def path(self) -> Path:
        """The file or folder that the user gave, or that lies in it."""

    def items(self) -> Iterator[ItemT_co | BadRecord]:
        """All items in order, with a BadRecord in the place of each loss."""

    def bytes_before(self, position: int) -> int:
        """How many of its bytes lie before the item of this position."""


@dataclass
class Reading(Generic[ItemT]):
    """One pass over sources: gives the sound items and keeps account of the others.

    Attributes:
        sources: read in order.
        strict: raise at the first bad record.
        progress: see Progress.
        stop: asked now and then whether to stop.
        hidden: files passed over, see `hidden_files`.
        bad: what was lost so far.
    """

    sources: Sequence[Source[ItemT]]
    strict: bool
    progress: Progress | None
    stop: Callable[[], bool] | None
    hidden: int = 0
    bad: list[BadRecord] = field(default_factory=list)
    _sound: Counter[str] = field(default_factory=Counter)
    _lost: Counter[str] = field(default_factory=Counter)

    @property
    def bytes_in_all(self) -> int:
        """Of all sources."""
        return sum(source.size for source in self.sources)

    def items(self) -> Iterator[ItemT]:
        """The sound items.

        Raises:
            BadRecordError: a bad record, with `strict`.
            StoreError: `stop` said so.
        """
        total = self.bytes_in_all
        before, seen = 0, 0
        for source in self.sources:
            for item in source.items():
                if isinstance(item, BadRecord):
                    self.lose(item, source.name)
                    continue
                seen += 1
                self._sound[source.name] += 1
                if seen % _PROGRESS_RECORDS == 0:
                    self._report(before + source.bytes_before(item.position), seen, total)
                yield item
            before += source.size
        self._report(total, seen, total)

    def lose(self, bad: BadRecord, source: str, *, was_sound: bool = False) -> None:
        """Note a loss of the source with this name.

        Args:
            bad: the loss.
            source: the source's name.
            was_sound: whether `items` gave it, and only rendering it showed that it is bad.

        Raises:
            BadRecordError: with `strict`.
        """
        if self.strict:
            raise BadRecordError(
                f"expected {bad.expected}, found {bad.found}",
                where=f"{bad.source}@{bad.offset}",
                remedy="Without --strict, bad records are passed over and reported",
            )
        self.bad.append(bad)
        self._lost[source] += 1
        self._sound[source] -= was_sound

    def files(self) -> list[FileReport]:
        """What each source gave."""
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

    def _report(self, done: int, seen: int, total: int) -> None:
        if self.progress is not None:
            self.progress(done, seen, total)
        if self.stop is not None and self.stop():
            raise StoreError("stopped before the end, so there is no store")
