"""Lines as an exporter reads them: composed when they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from hwgen.exports.records import LabelledImages, RecordInfo, Shards
from hwgen.lines.corpus import Texts
from hwgen.lines.glyphs import Characters
from hwgen.lines.images import Style, line_image
from hwgen.record import Image

_TOGETHER = 32
"""Lines whose characters are read or sampled together."""


class Lines(LabelledImages):
    """Lines number 0, 1 and so on; each is a function of (seed, number) and of the other arguments.

    Args:
        texts: of the lines.
        characters: where their characters come from; of the others, punctuation is simulated.
        style: how they look.
        count: number of lines.
        seed: of everything.
        source: of all records, see RecordInfo.
        shards: how much an exporter writes at a time.
        tick: called now and then with the position reached; an exception it raises ends the export.
    """

    is_text = True

    def __init__(
        self,
        texts: Texts,
        characters: Characters,
        style: Style,
        *,
        count: int,
        seed: int,
        source: str = "",
        shards: Shards | None = None,
        tick: Callable[[int], None] | None = None,
    ) -> None:
        super().__init__(texts.charset, shards=shards)
        self._texts, self._characters, self._style = texts, characters, style
        self._count, self._seed, self._source = count, seed, source
        self._tick = tick or (lambda position: None)

    def __len__(self) -> int:
        return self._count

    def infos(self, start: int = 0, stop: int | None = None) -> Iterator[RecordInfo]:
        """See LabelledImages."""
        for first, texts in self._some(start, stop):
            yield from self._infos(first, texts, self._characters.writers(texts, first, self._seed))

    def images(self, start: int = 0, stop: int | None = None) -> Iterator[tuple[RecordInfo, Image]]:
        """See LabelledImages."""
        for first, texts in self._some(start, stop):
            self._tick(first)
            yield from self._composed(first, texts)
        self._tick(self._count if stop is None else min(stop, self._count))

    def first_images(self, count: int) -> list[Image]:
        """The first lines, for a contact sheet; not counted as progress."""
        return [
            image
            for first, texts in self._some(0, count)
            for _, image in self._composed(first, texts)
        ]

    def _some(self, start: int, stop: int | None) -> Iterator[tuple[int, Sequence[str]]]:
        """Texts that are written together, each time with the number of the first."""
        stop = self._count if stop is None else min(stop, self._count)
        for first in range(start, stop, _TOGETHER):
            last = min(first + _TOGETHER, stop)
            yield first, [self._texts[number] for number in range(first, last)]

    def _composed(self, first: int, texts: Sequence[str]) -> Iterator[tuple[RecordInfo, Image]]:
        lines = self._characters.write(texts, first, self._seed)
        infos = self._infos(first, texts, [line.writer for line in lines])
        for info, line in zip(infos, lines, strict=True):
            yield info, line_image(info.label, line, self._style, self._seed, info.record)

    def _infos(
        self, first: int, texts: Sequence[str], writers: Sequence[str]
    ) -> Iterator[RecordInfo]:
        for row, (text, writer) in enumerate(zip(texts, writers, strict=True)):
            number = first + row
            yield RecordInfo(number, text, None, writer, self._source, number)
