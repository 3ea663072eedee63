"""In: images as their files hold them. Out: the same in order, decoded and framed by threads.

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
from hwgen.sources.images.collection import EncodedImage
from hwgen.sources.images.decoding import bad_image, decode, to_channels

Item = EncodedImage | Record

# What may be on its way, whatever the number of threads, so that losses are met in one order.
_CHUNK_IMAGES = 32
_MOST_CHUNKS = 32
_MOST_BYTES = 64 << 20  # of files; and one file more


@dataclass(frozen=True)
class Renderer:
    """How any image becomes one of a store.

    Attributes:
        framing: how it becomes square.
        channels: 1 grey, 3 colour.
        invert: whether ink is light on dark and must become dark on light.
    """

    framing: Framing
    channels: int
    invert: bool

    def render(self, image: Image | bytes) -> Image:
        """An image uint8 [h, w(, 3)], or the bytes of its file, as uint8 [size, size(, 3)].

        Raises:
            InputError: see `decode`.
        """
        if isinstance(image, bytes):
            pixels = decode(image, self.channels)
        else:
            pixels = to_channels(image, self.channels)
        return self.framing.apply(255 - pixels if self.invert else pixels)


Rendered = tuple[Item, "Image | BadRecord"]


def render_images(
    items: Iterable[Item], renderer: Renderer, *, workers: int
) -> Generator[list[Rendered], None, None]:
    """Decode and frame images, in order, some at once; the same for any number of threads.

    Close the generator if it is not run to its end: that ends the threads.

    Args:
        items: read in this thread, as few ahead as keep the others at work.
        renderer: how they are rendered.
        workers: threads.
    """
    under_way: deque[tuple[Future[list[Rendered]], int]] = deque()
    held = 0
    pool = ThreadPoolExecutor(workers)
    try:
        for chunk, size in _chunks(items):
            while under_way and (len(under_way) == _MOST_CHUNKS or held + size > _MOST_BYTES):
                future, freed = under_way.popleft()
                held -= freed
                yield future.result()
            under_way.append((pool.submit(_render_all, chunk, renderer), size))
            held += size
        for future, _ in under_way:
            yield future.result()
    finally:
        pool.shutdown(cancel_futures=True)


_Read = tuple[Item, "Image | bytes | BadRecord"]


def _chunks(items: Iterable[Item]) -> Iterator[tuple[Sequence[_Read], int]]:
    """Pictures as they were read, many at once, and how many bytes they take."""
    chunk: list[_Read] = []
    size = 0
    for item in items:
        raw = _read(item)
        chunk.append((item, raw))
        size += _bytes(raw)
        if len(chunk) == _CHUNK_IMAGES or size > _MOST_BYTES // _MOST_CHUNKS:
            yield chunk, size
            chunk, size = [], 0
    if chunk:
        yield chunk, size


def _read(item: Item) -> Image | bytes | BadRecord:
    if isinstance(item, Record):
        return item.image
    try:
        return item.read()
    except InputError as error:
        return bad_image(item.name, 0, error.what)


def _bytes(raw: Image | bytes | BadRecord) -> int:
    if isinstance(raw, BadRecord):
        return 0
    return len(raw) if isinstance(raw, bytes) else raw.nbytes


def _render_all(chunk: Sequence[_Read], renderer: Renderer) -> list[Rendered]:
    return [(item, _render(item, raw, renderer)) for item, raw in chunk]


def _render(item: Item, raw: Image | bytes | BadRecord, renderer: Renderer) -> Image | BadRecord:
    if isinstance(raw, BadRecord):
        return raw
    try:
        return renderer.render(raw)
    except InputError as error:
        name = item.name if isinstance(item, EncodedImage) else item.source
        return bad_image(name, _bytes(raw), error.what)
