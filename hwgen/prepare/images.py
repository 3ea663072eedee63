"""In: labelled images of any kind. Out: a store, and a report that names every loss."""

from __future__ import annotations

import warnings
from collections.abc import Generator, Iterator
from contextlib import closing
from pathlib import Path

import numpy as np

from hwgen.errors import InputError
from hwgen.imaging.framing import Framing
from hwgen.imaging.framing_pool import available_workers
from hwgen.prepare.grey_files import are_grey
from hwgen.prepare.image_rendering import Item, Renderer, render_images
from hwgen.prepare.options import DEFAULT_OPTIONS, PrepareOptions
from hwgen.prepare.places import Inputs, paths_of
from hwgen.prepare.reading import Reading
from hwgen.prepare.report import PrepareReport
from hwgen.prepare.writing import write_store
from hwgen.progress import NO_CONTROL, Control
from hwgen.record import BadRecord, Image
from hwgen.sources.images.find import find_images
from hwgen.sources.images.layout import CLEAR, Layout
from hwgen.sources.unread import Unread
from hwgen.store import check_place


def prepare_images(
    inputs: Inputs,
    out: Path | str,
    *,
    framing: Framing | int,
    channels: int | None = None,
    invert: bool | None = None,
    layout: Layout = CLEAR,
    options: PrepareOptions = DEFAULT_OPTIONS,
    control: Control = NO_CONTROL,
) -> PrepareReport:
    """Read labelled images into a new store; a failure leaves no store behind.

    The store's origin is of the kind "images" and names the format, and whether images were
    inverted. An image that cannot be decoded is reported as damaged. If the `.export.json` of an
    export declares any of the inputs synthetic, so is the store.

    Args:
        inputs: image folders, zips of them, PaddleOCR's label lists, idx files, CIFAR-10's
            batches, LMDB folders of LSUN or for OCR, parquet files; see `find_images`.
        out: the store's directory.
        framing: how images are scaled to squares; only a size in pixels stands for padding grey
            files, whose sizes may differ, and stretching all others.
        channels: 1 converts all images to grey, 3 to colour; None makes grey what is grey: see
            `are_grey`.
        invert: swap light and dark, so that ink is dark on light; None does so for formats with
            light ink, such as MNIST's.
        layout: where the classes are, if the inputs can be read in several ways.
        options: classes, limits and workers.
        control: progress in bytes, with the images read as its note; and stop requests.

    Raises:
        InputError: an input cannot be used, an `.export.json` is damaged, no image is left, or
            `channels` is not 1 or 3.
        BadRecordError: an image is damaged, and `options.strict` is set.
        StoreError: `out` cannot be written, or a stop was requested.
    """
    if channels not in (None, 1, 3):
        raise InputError(f"channels must be 1 or 3, found {channels}")
    inputs, out = paths_of(inputs), Path(out)
    check_place(out, overwrite=options.overwrite, inputs=inputs)
    threads = options.workers or available_workers()
    unread = Unread()
    sources = find_images(inputs, options.encoding, unread, layout)
    first = sources[0]  # all are of one format
    if channels is None:
        channels = 1 if first.grey or are_grey(sources) else 3
    if isinstance(framing, int):
        stretch = channels == 3 or first.one_size
        # No margin: an image that has one, and the exports of a store, stay as they are.
        framing = Framing(framing, stretch=stretch, margin=0)
    renderer = Renderer(framing, channels, first.light_ink if invert is None else invert)
    reading: Reading[Item] = Reading(sources, strict=options.strict, control=control, unread=unread)

    def render(items: Iterator[Item]) -> Generator[tuple[list[Item], Image], None, None]:
        with closing(render_images(items, renderer, workers=threads)) as chunks:
            for chunk in chunks:
                sound: list[Item] = []
                images: list[Image] = []
                for item, result, further in chunk:
                    if further:
                        reading.leave("further page or frame", item, further)
                    if isinstance(result, BadRecord):
                        reading.lose(result, item.source, was_sound=True)
                    else:
                        sound.append(item)
                        images.append(result)
                if sound:
                    yield sound, np.stack(images)

    with warnings.catch_warnings():
        # Pillow warns of damage and of large images, which the report lists anyway. The filter is
        # set here, since it holds for all threads.
        warnings.filterwarnings("ignore", module=r"PIL\.")
        return write_store(
            reading,
            out,
            render=render,
            framing=framing,
            channels=renderer.channels,
            recipe={
                "kind": "images",
                "format": first.format,
                "inverted": renderer.invert,
                **({"transposed": True} if first.is_transposed else {}),
            },
            options=options,
        )
