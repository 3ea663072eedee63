"""A run directory: settings, log, snapshots and checkpoint of one training.

run.json                        kind, id, recipe, seed, charset, data, versions; written first
config.toml                     options of the command that trained it, written by hwgen_cli
log.jsonl                       one JSON object per line, each with "images" trained on so far
grids/000032000.png             samples at fixed z and labels; real.png for comparison
weights/000032000.safetensors   a snapshot: the weights for inference; not all of many are kept
checkpoint.safetensors          all that is needed to resume, replaced atomically
recogniser.safetensors          the recogniser through which D sees, where it does; while it is
                                trained, its checkpoint is beside it, see hwgen.io.neighbours
last-good.safetensors           checkpoint of the last good snapshot, if the above is a later one
"""

from __future__ import annotations

import errno
import hashlib
import json
import math
import os
import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import hwgen
from hwgen.charset import Charset
from hwgen.errors import InputError, RecipeChangedError, RunError
from hwgen.io import os_errors
from hwgen.io.files import atomic_write
from hwgen.io.json_files import MAX_JSON_BYTES, parse_json, read_json, write_json
from hwgen.io.locks import file_lock
from hwgen.io.neighbours import entries, real_place, refuse_foreign_lock, temporary_path
from hwgen.io.paths import describe_path, suggest_path
from hwgen.schema import differences, from_json

FORMAT = "hwgen-run"
FORMAT_VERSION = 1

LOCK = "lock"
"""Lock file of a run, held while it begins and while it is trained."""

LENGTHS = ("images", "steps")
"""Fields of a recipe that say how long to train; a run may be continued with larger ones."""

UNTRAINED = ("held_out", "without_strokes", "without_records")
"""Fields of a log with labels that the run is not trained on."""

_LARGEST = 1e15


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
        RunError: no run there, or one of another format.
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
        """The file with all that is needed to resume."""
        return self.path / "checkpoint.safetensors"

    @property
    def last_good(self) -> Path:
        """The last good snapshot's checkpoint, kept when a later one replaces it."""
        return self.path / "last-good.safetensors"

    @property
    def grids(self) -> Path:
        """The folder of grids of samples."""
        return self.path / "grids"

    def weights(self, images: int) -> Path:
        """The file of the snapshot after so many images."""
        return self.path / "weights" / f"{images:09d}.safetensors"

    def snapshots(self) -> list[Path]:
        """All snapshot files, oldest first."""
        files = (self.path / "weights").glob("*.safetensors")
        return sorted(file for file in files if file.stem.isdecimal())

    def grid_files(self) -> list[Path]:
        """All grids of samples, oldest first; each is named by a number of images."""
        return sorted(file for file in self.grids.glob("*.png") if file.stem.isdecimal())

    def log(self, entry: Mapping[str, Any]) -> None:
        """Append one line to the log."""
        with open(self.path / "log.jsonl", "a", encoding="utf-8") as file:
            file.write(json.dumps(entry, ensure_ascii=False) + "\n")

    def lengthen(self, recipe: Mapping[str, Any]) -> None:
        """Take over the LENGTHS of a recipe, if they are larger; the run must be locked."""
        longer = {name: recipe[name] for name in _longer(self.recipe, recipe)}
        if longer:
            self.recipe = {**self.recipe, **longer}
            file = self.path / "run.json"
            write_json(file, {**read_json(file), "recipe": self.recipe})

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Lock the run against other processes; a killed process loses its lock.

        Raises:
            RunError: another process has locked it.
        """
        with _locked(self.path):
            yield

    def read_log(self) -> list[dict[str, Any]]:
        """All entries of the log, each with "images"; lines cut short by a crash are skipped.

        Raises:
            RunError: the log is too large.
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

    @property
    def untrained(self) -> tuple[str, ...]:
        """Labels of the charset that it is not trained on, as its log names them.

        Raises:
            RunError: the log is too large.
        """
        named = (entry.get(field, []) for entry in self.read_log() for field in UNTRAINED)
        labels = (str(label) for found in named if isinstance(found, list) for label in found)
        return tuple(dict.fromkeys(labels))

    def rewind_log(self, images: int) -> None:
        """Drop the entries after `images`, which a resumed run logs again."""
        kept = [e for e in self.read_log() if e.get("images", 0) <= images]
        with atomic_write(self.path / "log.jsonl") as temporary:
            text = "".join(json.dumps(entry, ensure_ascii=False) + "\n" for entry in kept)
            temporary.write_text(text, encoding="utf-8")


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with file_lock(path / LOCK) as ours:
        if not ours:
            raise RunError(
                "another process is training this run",
                where=str(path),
                remedy="Wait until it has finished",
            )
        yield


def _check_free(path: Path) -> None:
    """Refuse a path where something else is than an empty folder.

    Raises:
        RunError: something other than an empty folder is there, or it cannot be written.
    """
    begun = {temporary_path(Path("run.json")).name, "run.json.tmp", LOCK}
    try:
        place = real_place(path)
        _check_writable(place)
        free = entries(place) <= begun if place.is_dir() else not os.path.lexists(place)
        if free:
            refuse_foreign_lock(place / LOCK)
    except OSError as error:
        raise RunError(
            f"cannot be written ({os_errors.reason(error)})",
            where=str(path),
            remedy=os_errors.remedy(error, "Give another --out"),
        ) from None
    if not free:
        raise RunError(
            "already exists and is not a run",
            where=str(path),
            remedy="Give another --out",
        )


def _check_writable(path: Path) -> None:
    """Refuse a path if the nearest folder that exists is none, or nothing can be written to it.

    Raises:
        OSError: as for an attempt.
    """
    nearest = next(place for place in (path, *path.absolute().parents) if os.path.lexists(place))
    if nearest != path and not nearest.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(nearest))
    if nearest.is_dir() and not os.access(nearest, os.W_OK):
        read_only = hasattr(os, "statvfs") and os.statvfs(nearest).f_flag & os.ST_RDONLY
        number = errno.EROFS if read_only else errno.EACCES
        raise OSError(number, os.strerror(number), str(nearest))


def logged(entry: Mapping[str, Any], name: str) -> float | None:
    """A number in an entry of an untrusted log; None if there is none.

    NaN is returned as such, since it shows a divergence; so are numbers too large to be plotted.
    """
    value = entry.get(name)
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    return float(value) if abs(value) < _LARGEST else math.nan


def last_logged(log: Sequence[Mapping[str, Any]], name: str) -> float | None:
    """The last number of this name in a log; None if there is none. See `logged`."""
    values = (logged(entry, name) for entry in reversed(log))
    return next((value for value in values if value is not None), None)


def _decides(
    kind: str, recipe: Mapping[str, Any], seed: int, charset: Charset, data: Mapping[str, Any]
) -> dict[str, Any]:
    """What a run may be continued with, through JSON, so that tuples and lists compare equal."""
    facts = [kind, recipe, seed, charset.fingerprint, data]
    names = ("kind", "recipe", "seed", "charset", "data")
    return dict(zip(names, json.loads(json.dumps(facts)), strict=True))


def _longer(began: Mapping[str, Any], recipe: Mapping[str, Any]) -> list[str]:
    """The LENGTHS that are larger in a recipe than in that of a run."""
    numbers = [name for name in LENGTHS if type(began.get(name)) is type(recipe.get(name)) is int]
    return [name for name in numbers if recipe[name] > began[name]]


def find_run(
    path: Path,
    *,
    kind: str,
    recipe: Mapping[str, Any],
    seed: int,
    charset: Charset,
    data: Mapping[str, Any],
    complete: Callable[[Mapping[str, Any]], Mapping[str, Any]] = lambda recipe: recipe,
) -> Run | None:
    """The run that `begin_or_continue` would continue; None if it would create one.

    A longer training continues a shorter one, see LENGTHS.

    Raises:
        RecipeChangedError: see `begin_or_continue`, as for the arguments.
        RunError: see `begin_or_continue`.
    """
    if not (path / "run.json").exists():
        # A run killed while run.json was written has left at most a temporary file.
        _check_free(path)
        return None
    run = Run(path)
    known = complete(run.recipe)
    began = {
        "kind": run.kind,
        "recipe": {**known, **{name: recipe[name] for name in _longer(known, recipe)}},
        "seed": run.seed,
        "charset": run.charset.fingerprint,
        "data": run.data,
    }
    decides = _decides(kind, recipe, seed, charset, data)
    if lines := differences(began, decides):
        raise RecipeChangedError(
            "this run was started with other settings (then -> now)",
            where=str(path),
            details=lines,
            remedy="Give another --out, or the original options; only the length may grow",
        )
    return run


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
    """Create a run directory, or open the one that the same or a shorter call created.

    Args:
        path: the directory.
        kind: name of the kind of generator, such as "gan".
        recipe: plain JSON.
        seed: of everything random.
        charset: class order.
        data: what it is trained on, plain JSON, such as {"content_sha256": ..., "count": ...}.
        origin: where the data came from, plain JSON; only for information: a resumed run keeps the
            one that it has.
        complete: adds the fields that a recipe of an older version lacks.

    Raises:
        RecipeChangedError: `path` holds a run with another recipe, seed, charset or data; the
            differences are listed.
        RunError: `path` holds something else.
    """
    find = partial(
        find_run,
        path,
        kind=kind,
        recipe=recipe,
        seed=seed,
        charset=charset,
        data=data,
        complete=complete,
    )
    if (begun := find()) is not None:
        return begun
    decides = _decides(kind, recipe, seed, charset, data)
    digest = hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()
    info = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "kind": kind,
        "id": digest[:12],
        "recipe": decides["recipe"],
        "seed": seed,
        "data": decides["data"],
        "versions": {"hwgen": hwgen.__version__, "python": platform.python_version()},
        "charset": list(charset.labels),
        "origin": dict(origin or {}),
    }
    try:
        with _locked(path):  # creates the folder
            if (begun := find()) is not None:  # by another process meanwhile
                return begun
            write_json(path / "run.json", info)
    except OSError as error:
        raise RunError(
            f"cannot be written ({os_errors.reason(error)})",
            where=str(path),
            remedy=os_errors.remedy(error),
        ) from None
    return Run(path)
