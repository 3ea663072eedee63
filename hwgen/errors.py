"""Exceptions of hwgen: each says what is wrong, where, and what to do.

    HwgenError
    ├── InputError              a file or argument given by the user cannot be used
    │   ├── CharsetError        a character set is malformed, unknown or does not match
    │   └── BadRecordError      a damaged record was found in strict mode
    ├── StoreError              a store is missing, incomplete, damaged or in use
    └── RunError                a run directory is missing, incomplete, damaged or in use
        ├── RecipeChangedError  a run or store was to be continued with another recipe
        ├── DivergedError       training gave NaN, infinite or huge values
        └── CollapsedError      a generator lost its variety or its legibility in training

The library raises them and never prints; the command line prints them without a traceback.
"""

from __future__ import annotations

from collections.abc import Sequence


class HwgenError(Exception):
    """Base class of all errors that hwgen raises deliberately.

    Args:
        what: what is wrong.
        where: a path, `file@offset`, or a key.
        remedy: what the user can do.
        details: a line for each of several differences, between both.
    """

    def __init__(
        self, what: str, *, where: str = "", remedy: str = "", details: Sequence[str] = ()
    ) -> None:
        self.what, self.where, self.remedy, self.details = what, where, remedy, tuple(details)
        super().__init__("\n".join(self.lines()))

    def lines(self) -> list[str]:
        """The text; labels and names in a line may contain line breaks of their own."""
        head = f"{self.where}: {self.what}" if self.where else self.what
        if self.details:
            return [f"{head}:", *(f"  {line}" for line in self.details), self.remedy]
        return [f"{head}. {self.remedy}" if self.remedy else head]


class InputError(HwgenError):
    """A file or argument given by the user cannot be used."""


class CharsetError(InputError):
    """A character set is malformed, unknown, or does not match another one."""


class BadRecordError(InputError):
    """A damaged record was found in strict mode."""


class StoreError(HwgenError):
    """A store is missing, incomplete, damaged, or in use by another process."""


class RunError(HwgenError):
    """A run directory is missing, incomplete, damaged, or in use by another process."""


class RecipeChangedError(RunError):
    """A run or store was to be continued with a recipe other than its own."""


class DivergedError(RunError):
    """Training gave NaN, infinite or huge values; the text names the last good checkpoint."""


class CollapsedError(RunError):
    """A generator in training collapsed; the text names its last good snapshot."""
