"""Collections that hold the same images, such as a zip and the folder that it was unpacked to."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Hashable, Sequence
from itertools import islice

from hwgen.errors import InputError
from hwgen.io.walk import READ_ALREADY
from hwgen.record import BadRecord, Record
from hwgen.sources.images.collection import Collection, EncodedImage
from hwgen.sources.unread import Unread

_LOOK_ITEMS = 8
"""First images that are compared."""


def without_copies(collections: Sequence[Collection], unread: Unread) -> list[Collection]:
    """Each collection once, the first one of equal content.

    Contents are equal if the format, the number of images, their total size, the label and the
    bytes of the first images are.

    Args:
        collections: in order.
        unread: counts the images of copies.
    """
    alike: dict[Hashable, list[Collection]] = defaultdict(list)
    for each in collections:
        size = 0 if each.format == "idx" else each.size  # the same file may be packed
        alike[each.format, each.count, size, getattr(each, "label", "")].append(each)
    copies: set[str] = set()
    for group in alike.values():
        seen: set[Hashable] = set()
        for each in group if len(group) > 1 else ():
            beginning = _beginning(each)
            if beginning in seen:
                copies.add(each.name)
                unread.add(READ_ALREADY, each.name, may_be_data=False, count=each.count)
            seen.add(beginning)
    return [each for each in collections if each.name not in copies]


def _beginning(collection: Collection) -> tuple[Hashable, ...]:
    """Labels and hashes of the first images; what cannot be read has no equal."""
    try:
        return tuple(_identity(item) for item in islice(collection.items(), _LOOK_ITEMS))
    except InputError:
        return (collection.name,)


def _identity(item: EncodedImage | Record | BadRecord) -> Hashable:
    if isinstance(item, BadRecord):
        return item.expected, item.found, item.length
    data = item.image.tobytes() if isinstance(item, Record) else item.read()
    return item.label, hashlib.blake2b(data, digest_size=16).digest()
