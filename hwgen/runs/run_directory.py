"""In: a recipe, a charset and what happens. Out: a run directory, and the same read back.

run.json                   kind, id, recipe, seed, charset, data, versions; written first
log.jsonl                  one JSON object a line, each with "images" seen so far
grids/000032000.png        samples at fixed z and labels; grids/real.png beside them
weights/000032000.safetensors   what is needed to use the model, at every snapshot
checkpoint.safetensors     all that is needed to go on, replaced atomically
last-good.safetensors      that of the last good snapshot, where the checkpoint is of none
"""

from __future__ import annotations

import hashlib
import json
import math
import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import hwgen
from hwgen.charset import Charset
from hwgen.errors import InputError, RecipeChangedError, RunError
from hwgen.io import os_errors
from hwgen.io.files import atomic_write
from hwgen.io.json_files import MAX_JSON_BYTES, parse_json, read_json, write_json
from hwgen.io.locks import file_lock
from hwgen.io.paths import describe_path, suggest_path
from hwgen.schema import differences, from_json

FORMAT = "hwgen-run"
FORMAT_VERSION = 1

_BEYOND_MEASURE = 1e15


@dataclass(frozen=True)
class _Info:
    """The fields of run.json."""

    format: str
    format_version: int
    kind: str
    id: str
    recipe: dict[str, Any]
    seed: int
    data: dict[str, Any]
    versions: dict[str, str]
    charset: tuple[str, ...]
    origin: dict[str, Any] = field(default_factory=dict)


class Run:
    """A run directory; see the module's first lines.

    Args:
        path: an existing run directory.

    Raises:
        RunError: no run there, or one of a foreign format.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        file = self.path / "run.json"
        if not file.is_file():
            raise RunError(
                f"no run here: {describe_path(self.path) or 'run.json is missing'}",
                where=str(self.path),
                remedy=suggest_path(
                    self.path, "Make one with: hwgen train", ["run.json", "model.safetensors"]
                ),
            )
        try:
            plain = read_json(file)
            if (plain["format"], plain["format_version"]) != (FORMAT, FORMAT_VERSION):
                raise ValueError(f"format {plain['format']!r} version {plain['format_version']!r}")
            info: _Info = from_json(_Info, plain, "run")
            self.charset = Charset(info.charset)
        except (ValueError, KeyError, TypeError, InputError) as error:
            raise RunError(
                f"is not a run this version of hwgen can read ({error})", where=str(file)
            ) from None
        self.kind, self.id, self.recipe, self.seed = info.kind, info.id, info.recipe, info.seed
        self.data, self.versions, self.origin = info.data, info.versions, info.origin

    @property
    def checkpoint(self) -> Path:
        """The file with all that is needed to go on."""
        return self.path / "checkpoint.safetensors"

    @property
    def last_good(self) -> Path:
        """The last good snapshot's checkpoint, put aside where another took its place."""
        return self.path / "last-good.safetensors"

    @property
    def grids(self) -> Path:
        """The folder of sample grids."""
        return self.path / "grids"

    def weights(self, images: int) -> Path:
        """The snapshot's file after so many real pictures."""
        return self.path / "weights" / f"{images:09d}.safetensors"

    def snapshots(self) -> list[Path]:
        """All snapshot files, oldest first."""
        files = (self.path / "weights").glob("*.safetensors")
        return sorted(file for file in files if file.stem.isdecimal())

    def grid_files(self) -> list[Path]:
        """All grids of samples, oldest first; the name of each is a number of images."""
        return sorted(file for file in self.grids.glob("*.png") if file.stem.isdecimal())

    def log(self, entry: Mapping[str, Any]) -> None:
        """Append one line to the log."""
        with open(self.path / "log.jsonl", "a", encoding="utf-8") as file:
            file.write(json.dumps(entry, ensure_ascii=False) + "\n")

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes from writing to this run; the system frees a killed one's lock.

        Raises:
            RunError: another process writes to it.
        """
        with file_lock(self.path / "lock") as ours:
            if not ours:
                raise RunError(
                    "another process is training this run",
                    where=str(self.path),
                    remedy="Wait for it",
                )
            yield

    def read_log(self) -> list[dict[str, Any]]:
        """All entries of the log, each with "images"; a line that a crash cut short is left out.

        Raises:
            RunError: the log is larger than any file that is read.
        """
        file = self.path / "log.jsonl"
        entries: list[dict[str, Any]] = []
        if not file.is_file():
            return entries
        size = file.stat().st_size
        if size > MAX_JSON_BYTES:
            raise RunError(
                f"{size:,} bytes are more than the {MAX_JSON_BYTES:,} that are read",
                where=str(file),
                remedy="Remove lines from its beginning",
            )
        for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
            with suppress(ValueError):
                entry = parse_json(line)
                if isinstance(entry, dict) and type(entry.get("images")) is int:
                    entries.append(entry)
        return entries

    def rewind_log(self, images: int) -> None:
        """Drop what was logged after `images`, since a resumed run will log it again."""
        kept = [e for e in self.read_log() if e.get("images", 0) <= images]
        with atomic_write(self.path / "log.jsonl") as temporary:
            text = "".join(json.dumps(entry, ensure_ascii=False) + "\n" for entry in kept)
            temporary.write_text(text, encoding="utf-8")


def logged(entry: Mapping[str, Any], name: str) -> float | None:
    """A number in an entry of a log, maybe a stranger's; None where there is none.

    NaN is one, since it tells of a divergence, and all that is beyond measure is NaN.
    """
    value = entry.get(name)
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    return float(value) if abs(value) < _BEYOND_MEASURE else math.nan


def last_logged(log: Sequence[Mapping[str, Any]], name: str) -> float | None:
    """The last number of this name in a log; None where there is none. See `logged`."""
    values = (logged(entry, name) for entry in reversed(log))
    return next((value for value in values if value is not None), None)


def begin_or_continue(
    path: Path,
    *,
    kind: str,
    recipe: Mapping[str, Any],
    seed: int,
    charset: Charset,
    data: Mapping[str, Any],
    origin: Mapping[str, Any] | None = None,
    complete: Callable[[Mapping[str, Any]], Mapping[str, Any]] = lambda recipe: recipe,
) -> Run:
    """Make a run directory, or open the one that the same command began.

    Args:
        path: the directory.
        kind: what is trained: "gan".
        recipe: plain JSON that decides the run.
        seed: of everything random.
        charset: class order.
        data: what it is trained on: {"store content hash": ..., ...}, plain JSON.
        origin: where these data came from, plain JSON; told, and decides nothing: a run that is
            continued keeps what it has.
        complete: gives the recipe of a run that an earlier hwgen began the fields added since.

    Raises:
        RecipeChangedError: a run with another recipe, seed, charset or data is there; the
            differences are listed.
        RunError: something that is not a run is there.
    """
    # Through JSON, so that tuples and lists compare equal.
    recipe, data = json.loads(json.dumps([recipe, data]))
    decides = {
        "kind": kind,
        "recipe": recipe,
        "seed": seed,
        "charset": charset.fingerprint,
        "data": data,
    }
    if (path / "run.json").exists():
        run = Run(path)
        began = {
            "kind": run.kind,
            "recipe": complete(run.recipe),
            "seed": run.seed,
            "charset": run.charset.fingerprint,
            "data": run.data,
        }
        lines = differences(began, decides)
        if lines:
            raise RecipeChangedError(
                "this run began otherwise (began -> now):\n  " + "\n  ".join(lines) + "\n",
                where=str(path),
                remedy="Give another --out, or the options it began with",
            )
        return run
    # A run that was killed while run.json was being written has left a temporary file at most.
    if path.exists() and (not path.is_dir() or any(p.suffix != ".tmp" for p in path.iterdir())):
        raise RunError(
            "something that is not a run is already there",
            where=str(path),
            remedy="Choose another place",
        )
    digest = hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()
    info = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "kind": kind,
        "id": digest[:12],
        "recipe": recipe,
        "seed": seed,
        "data": data,
        "versions": {"hwgen": hwgen.__version__, "python": platform.python_version()},
        "charset": list(charset.labels),
        "origin": dict(origin or {}),
    }
    try:
        path.mkdir(parents=True, exist_ok=True)
        write_json(path / "run.json", info)
    except OSError as error:
        raise RunError(
            f"cannot be written ({os_errors.reason(error)})",
            where=str(path),
            remedy=os_errors.remedy(error),
        ) from None
    return Run(path)
