"""In: pictures as their files hold them. Out: the same in order, decoded and framed by threads.

Threads, since Pillow lets go of the interpreter's lock while it decodes and scales, and what goes
in and out need not be copied to another process.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from hwgen.errors import InputError
from hwgen.imaging.framing import Framing
from hwgen.record import BadRecord, Image, Record
from hwgen.sources.images.collection import Encoded
from hwgen.sources.images.decoding import bad_picture, decode, to_channels

Picture = Encoded | Record

# What may be on its way, whatever the number of threads, so that losses are met in one order.
_CHUNK_PICTURES = 32
_MOST_CHUNKS = 32
_MOST_BYTES = 64 << 20  # of files; and one file more


@dataclass(frozen=True)
class Painter:
    """How any picture becomes one of a store.

    Attributes:
        framing: how it becomes square.
        channels: 1 grey, 3 colour.
        invert: whether ink is light on dark and must become dark on light.
    """

    framing: Framing
    channels: int
    invert: bool

    def paint(self, picture: Image | bytes) -> Image:
        """A picture uint8 [h, w(, 3)], or the bytes of its file, as uint8 [size, size(, 3)].

        Raises:
            InputError: see `decode`.
        """
        if isinstance(picture, bytes):
            image = decode(picture, self.channels)
        else:
            image = to_channels(picture, self.channels)
        return self.framing.apply(255 - image if self.invert else image)


Painted = tuple[Picture, "Image | BadRecord"]


def painted(
    pictures: Iterable[Picture], painter: Painter, *, workers: int
) -> Generator[list[Painted], None, None]:
    """Decode and frame pictures, in order, some at once; the same for any number of threads.

    Close the generator if it is not run to its end: that ends the threads.

    Args:
        pictures: read in this thread, as few ahead as keep the others at work.
        painter: how they are painted.
        workers: threads.
    """
    under_way: deque[tuple[Future[list[Painted]], int]] = deque()
    held = 0
    pool = ThreadPoolExecutor(workers)
    try:
        for chunk, size in _chunks(pictures):
            while under_way and (len(under_way) == _MOST_CHUNKS or held + size > _MOST_BYTES):
                future, freed = under_way.popleft()
                held -= freed
                yield future.result()
            under_way.append((pool.submit(_paint_all, chunk, painter), size))
            held += size
        for future, _ in under_way:
            yield future.result()
    finally:
        pool.shutdown(cancel_futures=True)


_Read = tuple[Picture, "Image | bytes | BadRecord"]


def _chunks(pictures: Iterable[Picture]) -> Iterator[tuple[Sequence[_Read], int]]:
    """Pictures as they were read, many at once, and how many bytes they take."""
    chunk: list[_Read] = []
    size = 0
    for picture in pictures:
        raw = _read(picture)
        chunk.append((picture, raw))
        size += _bytes(raw)
        if len(chunk) == _CHUNK_PICTURES or size > _MOST_BYTES // _MOST_CHUNKS:
            yield chunk, size
            chunk, size = [], 0
    if chunk:
        yield chunk, size


def _read(picture: Picture) -> Image | bytes | BadRecord:
    if isinstance(picture, Record):
        return picture.image
    try:
        return picture.read()
    except InputError as error:
        return bad_picture(picture.name, 0, error.what)


def _bytes(raw: Image | bytes | BadRecord) -> int:
    if isinstance(raw, BadRecord):
        return 0
    return len(raw) if isinstance(raw, bytes) else raw.nbytes


def _paint_all(chunk: Sequence[_Read], painter: Painter) -> list[Painted]:
    return [(picture, _paint(picture, raw, painter)) for picture, raw in chunk]


def _paint(picture: Picture, raw: Image | bytes | BadRecord, painter: Painter) -> Image | BadRecord:
    if isinstance(raw, BadRecord):
        return raw
    try:
        return painter.paint(raw)
    except InputError as error:
        name = picture.name if isinstance(picture, Encoded) else picture.source
        return bad_picture(name, _bytes(raw), error.what)
