"""Decoding and framing images with several threads, in order.

Threads, since Pillow releases the interpreter's lock while it decodes and scales, and data need not
be copied to another process.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

from hwgen.errors import InputError
from hwgen.imaging.channels import to_channels
from hwgen.imaging.framing import Framing
from hwgen.record import PAPER, BadRecord, Image, Record
from hwgen.sources.images.collection import EncodedImage
from hwgen.sources.images.decoding import Decoded, bad_image, decode_first

Item = EncodedImage | Record

# Read ahead, independent of the number of threads, so that losses are found in the same order.
_CHUNK_IMAGES = 32
_MAX_CHUNKS = 32
_MAX_BYTES = 64 << 20  # of files, plus one file


@dataclass(frozen=True)
class Renderer:
    """How an image is made one of a store.

    Attributes:
        framing: how it is made square.
        channels: 1 grey, 3 colour.
        invert: swap light and dark.
    """

    framing: Framing
    channels: int
    invert: bool

    def render(self, image: Image | bytes) -> Decoded:
        """An image uint8 [h, w(, 3)], or the bytes of its file, as uint8 [size, size(, 3)].

        Raises:
            InputError: see `decode_first`.
        """
        further = 0
        if isinstance(image, bytes):
            # What is transparent is paper: black where ink is light.
            ground = 0 if self.invert else PAPER
            image, further = decode_first(image, self.channels, ground=ground)
        pixels = to_channels(image, self.channels)
        return Decoded(self.framing.apply(255 - pixels if self.invert else pixels), further)


class Rendered(NamedTuple):
    """What became of an item.

    Attributes:
        item: the item.
        result: its image, or why there is none.
        further: pages or frames of its file that are not read.
    """

    item: Item
    result: Image | BadRecord
    further: int = 0


def render_images(
    items: Iterable[Item], renderer: Renderer, *, workers: int
) -> Generator[list[Rendered], None, None]:
    """Decode and frame images, in order; the result does not depend on the number of threads.

    Close the generator if it is not exhausted, to end the threads.

    Args:
        items: read in this thread.
        renderer: renders each of them.
        workers: number of threads.
    """
    pending: deque[tuple[Future[list[Rendered]], int]] = deque()
    held = 0
    pool = ThreadPoolExecutor(workers)
    try:
        for chunk, size in _chunks(items):
            while pending and (len(pending) == _MAX_CHUNKS or held + size > _MAX_BYTES):
                future, freed = pending.popleft()
                held -= freed
                yield future.result()
            pending.append((pool.submit(_render_all, chunk, renderer), size))
            held += size
        for future, _ in pending:
            yield future.result()
    finally:
        pool.shutdown(cancel_futures=True)


_Read = tuple[Item, "Image | bytes | BadRecord"]


def _chunks(items: Iterable[Item]) -> Iterator[tuple[Sequence[_Read], int]]:
    """Images as read, in chunks, each with its size in bytes."""
    chunk: list[_Read] = []
    size = 0
    for item in items:
        raw = _read(item)
        chunk.append((item, raw))
        size += _bytes(raw)
        if len(chunk) == _CHUNK_IMAGES or size > _MAX_BYTES // _MAX_CHUNKS:
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
    return [_render(item, raw, renderer) for item, raw in chunk]


def _render(item: Item, raw: Image | bytes | BadRecord, renderer: Renderer) -> Rendered:
    if isinstance(raw, BadRecord):
        return Rendered(item, raw)
    try:
        return Rendered(item, *renderer.render(raw))
    except InputError as error:
        name = item.name if isinstance(item, EncodedImage) else item.source
        return Rendered(item, bad_image(name, _bytes(raw), error.what))
