"""In: labelled images of any kind. Out: a store, and a report that names every loss."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np

from hwgen.charset import Charset
from hwgen.errors import InputError
from hwgen.imaging.framing import Framing
from hwgen.imaging.framing_pool import available_workers
from hwgen.prepare.reading import Reading
from hwgen.prepare.rendering import Item, Renderer, render_images
from hwgen.prepare.report import PrepareReport, Progress
from hwgen.prepare.writing import write_store
from hwgen.record import BadRecord, Image
from hwgen.sources.images.find import find_images


def prepare_images(
    inputs: Sequence[Path],
    out: Path,
    *,
    framing: Framing,
    channels: int | None = None,
    invert: bool | None = None,
    limit: int | None = None,
    charset: Charset | None = None,
    drop_empty: bool = False,
    strict: bool = False,
    overwrite: bool = False,
    workers: int | None = None,
    progress: Progress | None = None,
    stop: Callable[[], bool] | None = None,
) -> PrepareReport:
    """Read labelled images into a new store; after any failure there is none.

    The store's origin is of the kind "images" and names the format, and whether images were
    inverted. An image that cannot be decoded is a bad record. Where an export's `.export.json`
    says that a generator made any of the inputs, the store counts as synthetic.

    Args:
        inputs: image folders, zips of them, PaddleOCR's label lists, idx files, CIFAR-10's
            batches, LMDB folders of LSUN or for OCR, parquet files; see `find_images`.
        out: where the store shall be.
        framing: how images become square.
        channels: 1 makes all images grey, 3 colour; None is what the format has.
        invert: exchange light and dark, so that ink is dark on light; None does so for formats
            whose ink is light.
        limit: take no more images of a class, the first ones; a bad one counts. None takes all.
        charset: the classes and their order; images of others are left out and counted. None
            takes the labels as found, in code point order.
        drop_empty: see `prepare_gnt`.
        strict: see `prepare_gnt`.
        overwrite: see `prepare_gnt`.
        workers: threads that decode and frame; the store is the same. None takes all cores.
        progress: see Progress.
        stop: see `prepare_gnt`.

    Raises:
        InputError: an input cannot be used, an `.export.json` is damaged, no image would be
            kept, or a number is out of range.
        BadRecordError: see `prepare_gnt`.
        StoreError: see `prepare_gnt`.
    """
    threads = available_workers() if workers is None else workers
    if threads < 1 or channels not in (None, 1, 3):
        raise InputError(
            f"{threads} workers and {channels} channels cannot be",
            remedy="Workers are 1 or more, channels 1 or 3",
        )
    sources = find_images(inputs)
    first = sources[0]  # all are of one format
    renderer = Renderer(
        framing,
        channels or (1 if first.grey else 3),
        first.light_ink if invert is None else invert,
    )
    reading: Reading[Item] = Reading(sources, strict, progress, stop)

    def render(kept: Iterator[Item]) -> Generator[tuple[list[Item], Image], None, None]:
        with closing(render_images(kept, renderer, workers=threads)) as chunks:
            for chunk in chunks:
                sound: list[Item] = []
                images: list[Image] = []
                for image, result in chunk:
                    if isinstance(result, BadRecord):
                        reading.lose(result, image.source, was_sound=True)
                    else:
                        sound.append(image)
                        images.append(result)
                if sound:
                    yield sound, np.stack(images)

    with warnings.catch_warnings():
        # Of damage and of size, which the report tells; set for all threads at once.
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
            },
            charset=charset,
            drop_empty=drop_empty,
            limit=limit,
            overwrite=overwrite,
        )
