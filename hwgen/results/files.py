"""What all result files have in common: a format, the commit that made them, load and save."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from hwgen.errors import RunError
from hwgen.io.json_files import read_object, reading, write_json
from hwgen.io.locks import file_lock
from hwgen.io.neighbours import lock_path
from hwgen.io.outputs import check_output_file, is_marked
from hwgen.io.paths import describe_path
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
        with file_lock(lock_path(folder / self.NAME), wait=True, remove=True):
            write_json(folder / self.NAME, saved.to_json())
        return saved

    @classmethod
    def check_folder(cls, folder: Path, images: Sequence[str] = ()) -> None:
        """Refuse an output directory where the result cannot be saved; called before the work.

        Args:
            folder: the directory.
            images: names of contact sheets that are saved beside the result.

        Raises:
            RunError: it is a file, or a store, a run or an export.
            InputError: the result, or a sheet, would replace a file that hwgen did not write.
        """
        if os.path.lexists(folder) and not folder.is_dir():
            raise RunError("is not a directory", where=str(folder), remedy="Give another --out")
        for mark in ("data.mdb", "run.json", "model.safetensors", ".export.json"):
            if (folder / mark).is_file():
                raise RunError(
                    describe_path(folder) or f"contains {mark}",
                    where=str(folder),
                    remedy="Give another --out",
                )
        check_output_file(folder / cls.NAME, is_own=cls._is_own)
        shown = cls._images(folder)
        for name in images:
            check_output_file(
                folder / name, is_own=lambda file: is_marked(file) or file.name in shown
            )

    @classmethod
    def _is_own(cls, file: Path) -> bool:
        try:
            return read_object(file).get("format") == cls.FORMAT
        except ValueError:
            return False

    @classmethod
    def _images(cls, folder: Path) -> list[str]:
        """Images that a result of an older version, which did not mark them, names as its own."""
        try:
            found = read_object(folder / cls.NAME).get("images")
        except (OSError, ValueError):
            return []
        return found if isinstance(found, list) else []

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
