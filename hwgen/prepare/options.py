"""Options that all formats share when their files become a store."""

from __future__ import annotations

from dataclasses import dataclass

from hwgen.charset import Charset
from hwgen.errors import InputError
from hwgen.io.encodings import check_codec
from hwgen.schema import check_numbers


@dataclass(frozen=True, kw_only=True)
class PrepareOptions:
    """What goes into a store, and how it is made.

    Attributes:
        charset: the classes and their order; records of other classes are left out and counted.
            None takes the labels found, in code point order.
        drop_empty: drop classes of the charset that have no record. By default a given charset is
            kept whole, so that all stores made with it have the same class ids.
        limit: maximum number of records per class, the first ones; None for no limit. An image
            that turns out to be damaged when it is decoded counts.
        strict: raise at the first damaged record instead of reporting it and going on.
        overwrite: replace a finished store at the output path.
        workers: processes (GNT, POT) or threads (images) that render; the store does not depend
            on their number. None uses all cores where that pays.
        encoding: codec of names and labels whose encoding is not declared; None recognises it.

    Raises:
        InputError: `limit` or `workers` is below 1 or too large, or there is no such encoding.
    """

    charset: Charset | None = None
    drop_empty: bool = False
    limit: int | None = None
    strict: bool = False
    overwrite: bool = False
    workers: int | None = None
    encoding: str | None = None

    def __post_init__(self) -> None:
        for name, value in (("limit", self.limit), ("workers", self.workers)):
            if value is not None and value < 1:
                raise InputError(f"{name} must be at least 1, found {value}")
            check_numbers(value, name)
        if self.encoding is not None:
            check_codec(self.encoding)


DEFAULT_OPTIONS = PrepareOptions()
"""All records, classes as found."""
