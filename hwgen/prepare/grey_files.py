"""Whether image files are grey, judged by some of them."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from itertools import islice

import numpy as np

from hwgen.errors import HwgenError
from hwgen.imaging.contact_sheets import evenly_spaced
from hwgen.prepare.image_rendering import Item
from hwgen.prepare.reading import Source
from hwgen.sources.images.collection import EncodedImage
from hwgen.sources.images.decoding import decode

LOOKED_AT = 64
"""Largest number of files that are looked at."""

_SPREAD = 24
_COLOURED = 0.001
"""Difference between a pixel's channels, and the fraction of pixels with a larger one in a file
that is not grey: JPEG and scanners colour grey images a little."""


def are_grey(sources: Sequence[Source[Item]]) -> bool:
    """Whether all files that are looked at are grey; False if none of them can be read.

    Args:
        sources: of image files; images that are no files do not count.
    """
    found = []
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\.")  # as in prepare_images
        for item in _some(sources):
            try:
                found.append(_is_grey(item.read()))
            except HwgenError:  # a loss, which reading them all reports
                continue
            if not found[-1]:
                return False
    return bool(found)


def _some(sources: Sequence[Source[Item]]) -> Iterator[EncodedImage]:
    """The first files of sources that are evenly spaced among all."""
    chosen = evenly_spaced(len(sources), LOOKED_AT)
    for number in chosen:
        try:
            items = sources[number].items()
            files = (item for item in items if isinstance(item, EncodedImage))
            yield from islice(files, LOOKED_AT // len(chosen))
        except HwgenError:
            continue


def _is_grey(data: bytes) -> bool:
    image = decode(data, 3)
    spread = image.max(axis=2) - image.min(axis=2)
    return float(np.mean(spread > _SPREAD)) < _COLOURED
