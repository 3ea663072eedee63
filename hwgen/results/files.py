"""What all result files have in common: a format, the commit that made them, load and save."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from hwgen.io.json_files import read_object, reading, write_json
from hwgen.io.locks import file_lock
from hwgen.results import version
from hwgen.schema import from_json, key, to_json

R = TypeVar("R", bound="ResultFile")


@dataclass(frozen=True, kw_only=True)
class ResultFile:
    """Base of the results. The fields of a subclass are the keys of its JSON file.

    Attributes:
        commit: of the source checkout that made it, see hwgen.results.version; "" if not known.
        folder: where it was loaded from.
    """

    NAME: ClassVar[str]
    """Of the file, such as "lift.json"."""

    FORMAT: ClassVar[str]
    FORMAT_VERSION: ClassVar[int] = 1

    WHAT: ClassVar[str]
    """What an error calls it, such as "a lift"."""

    COMMAND: ClassVar[str]
    """What makes it, such as "hwgen lift"."""

    commit: str = ""
    folder: Path = field(default=Path(), compare=False, metadata=key(""))

    def check(self) -> None:
        """What types cannot say.

        Raises:
            ValueError: a value that is out of range, or more than a page can show.
            InputError: likewise.
        """

    def to_json(self) -> dict[str, Any]:
        """The content of the file, plain JSON."""
        head = {"format": self.FORMAT, "format_version": self.FORMAT_VERSION}
        return {**head, **to_json(self)}

    def save(self: R, folder: Path) -> R:
        """Write it to `folder`, atomically, with the commit of this code.

        Returns:
            What `load` gives.
        """
        saved = replace(self, commit=version.commit(), folder=folder)
        folder.mkdir(parents=True, exist_ok=True)
        with file_lock(folder / f"{self.NAME}.lock", wait=True, remove=True):
            write_json(folder / self.NAME, saved.to_json())
        return saved

    @classmethod
    def load(cls: type[R], path: Path) -> R:
        """Read what `save` wrote, field by field.

        Args:
            path: the file, or the folder that has it.

        Raises:
            InputError: not JSON, of another format, or a field is missing or has a wrong value.
        """
        file = path / cls.NAME if path.is_dir() else path
        with reading(file, cls.WHAT, f"Run {cls.COMMAND} again"):
            plain = read_object(file, cls.FORMAT, cls.FORMAT_VERSION)
            found: R = from_json(cls, plain, cls.NAME.removesuffix(".json"), ignore_unknown=True)
            found.check()
        return replace(found, folder=file.parent)
