"""In: a thing, its place and a remedy. Out: an exception whose text a user can act on.

The tree:

    HwgenError
    ├── InputError            a file or argument that the user gave cannot be used
    │   ├── CharsetError      a character set is malformed, unknown or does not match
    │   └── BadRecordError    a damaged record met while reading strictly
    ├── StoreError            a store is missing, incomplete, foreign or held by another process
    └── RunError              a run directory is missing, incomplete or foreign
        ├── RecipeChangedError  the same directory was asked to continue with another recipe
        ├── DivergedError       training left the finite numbers
        └── CollapsedError      a generator in training draws one image, or nothing legible

The library raises these and never prints; the command line prints them without a traceback.
"""

from __future__ import annotations


class HwgenError(Exception):
    """Base of all errors that hwgen raises on purpose.

    Args:
        what: what is wrong, naming the thing.
        where: the place: a path, `file@offset`, or a key.
        remedy: what the user can do.
    """

    def __init__(self, what: str, *, where: str = "", remedy: str = "") -> None:
        self.what, self.where, self.remedy = what, where, remedy
        head = f"{where}: {what}" if where else what
        super().__init__(f"{head}. {remedy}" if remedy else head)


class InputError(HwgenError):
    """A file or argument that the user gave cannot be used."""


class CharsetError(InputError):
    """A character set is malformed, unknown, or does not match another one."""


class BadRecordError(InputError):
    """A damaged record was met while reading strictly."""


class StoreError(HwgenError):
    """A store is missing, incomplete, foreign, or held by another process."""


class RunError(HwgenError):
    """A run directory is missing, incomplete, or foreign."""


class RecipeChangedError(RunError):
    """A run or store was asked to continue with a recipe other than the one that began it."""


class DivergedError(RunError):
    """Training left the finite numbers, or came to huge ones; the last good state is named."""


class CollapsedError(RunError):
    """A generator in training lost its variety or its legibility; the last good one is named."""
