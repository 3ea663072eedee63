"""Contents of a folder that a command wrote to, in a form that can be compared.

Left out, because it differs between any two runs: seconds and rates; log lines about a start; the
time in TensorBoard's first event; seconds in the texts of checkpoints and recognisers (so a hash of
such a file in a text is replaced by its name); bytes of an LMDB file other than keys and values.
Snapshots of weights are compared byte by byte.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import lmdb

from hwgen.compute.tensor_files import file_hash, load_tensors, load_texts
from hwgen.errors import HwgenError, StoreError
from hwgen.store import Store
from hwgen_cli.config import FILE as CONFIG

TIMES = {"seconds", "generator_seconds", "recogniser_seconds", "images_per_second"}
"""JSON keys with durations and rates."""

GROWING = {"log.jsonl", "checkpoint.safetensors"}
"""Names of files that change during a run: they are compared at its end."""

UNFINISHED = (".partial", ".hwgen-tmp", ".hwgen-folder", ".hwgen-checkpoint")
MARK = ".hwgen-replaced"
"""In a finished output that is about to be replaced."""

ASIDE = ".replaced"
"""Suffix of a finished output that is being replaced by another."""


@dataclass
class Contents:
    """Contents of a folder.

    Attributes:
        finished: name -> digest, of everything with its final name.
        growing: name -> digest, of files that change during a run.
        aside: former name -> digest, of outputs that are being replaced.
        unfinished: names of what is being written.
        locks: names of lock files.
        saved: name -> how much of an unfinished output a rerun resumes from: steps of a checkpoint,
            blocks of a store, shards of an export.
    """

    finished: dict[str, str] = field(default_factory=dict)
    growing: dict[str, str] = field(default_factory=dict)
    aside: dict[str, str] = field(default_factory=dict)
    unfinished: list[str] = field(default_factory=list)
    locks: list[str] = field(default_factory=list)
    saved: dict[str, int] = field(default_factory=dict)


def contents(folder: Path) -> Contents:
    """Everything in a folder.

    Raises:
        HwgenError: something with its final name cannot be read.
        ValueError: likewise.
        lmdb.Error: likewise.
    """
    found = Contents()
    files = folder.rglob("*.safetensors")
    hashes = {file_hash(path): path.name for path in files if not _is_snapshot(path)}
    _walk(folder, "", found, hashes)
    return found


def _walk(folder: Path, prefix: str, found: Contents, hashes: Mapping[str, str]) -> None:
    for path in sorted(folder.iterdir()):
        name = prefix + path.name
        if path.name == CONFIG:  # has paths of the command
            continue
        if path.name.endswith("lock"):
            found.locks.append(name)
        elif path.name.endswith(UNFINISHED) or path.name == MARK:
            found.unfinished.append(name)
            found.saved.update(_saved(path, name))
        elif path.name.endswith(ASIDE):
            inside, former = Contents(), name.removesuffix(ASIDE)
            try:
                _enter(path, former, inside, hashes)
            except (HwgenError, ValueError, OSError, lmdb.Error):  # partly removed
                found.unfinished.append(name)
            found.aside |= inside.finished
        elif path.name in GROWING:
            found.growing[name] = _digest(path, hashes)
            found.saved.update(_saved(path, name))
        else:
            _enter(path, name, found, hashes)


def _enter(path: Path, name: str, found: Contents, hashes: Mapping[str, str]) -> None:
    if path.is_dir() and not (path / "data.mdb").exists():
        _walk(path, f"{name}/", found, hashes)
    else:
        found.finished[name] = _digest(path, hashes)


def _digest(path: Path, hashes: Mapping[str, str]) -> str:
    """Digest of everything that must be equal in a store, an LMDB folder or a file."""
    digest = hashlib.sha256()
    for part in _parts(path, hashes):
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return digest.hexdigest()


def _parts(path: Path, hashes: Mapping[str, str]) -> Iterator[bytes]:
    if (path / "manifest.json").exists():
        yield from _store(path, hashes)
    elif (path / "data.mdb").exists():
        with lmdb.open(str(path), readonly=True, lock=False) as env, env.begin() as txn:
            for entry in txn.cursor():
                yield from map(bytes, entry)
    elif path.suffix == ".safetensors" and not _is_snapshot(path):
        tensors, texts = load_tensors(path)
        for key, text in sorted(texts.items()):
            if key not in TIMES:
                yield from (key.encode(), _plain(text, hashes))
        for key, tensor in sorted(tensors.items()):
            header = f"{key} {tensor.dtype} {list(tensor.shape)}"
            yield from (header.encode(), tensor.numpy().tobytes())
    elif path.suffix == ".json":
        json.loads(path.read_text("utf-8"))  # raises if it is not JSON
        yield _plain(path.read_text("utf-8"), hashes)
    elif path.name == "log.jsonl":
        for line in path.read_text("utf-8").splitlines():
            # The last line of a killed run may be incomplete; the next run drops it.
            if '"began"' not in line:
                yield _plain(line, hashes)
    elif "tfevents" in path.name:
        # Skip the first event, which has the time: length, checksum, event, checksum.
        events = path.read_bytes()
        yield events[16 + int.from_bytes(events[:8], "little") :]
    else:
        yield path.read_bytes()


def _is_snapshot(path: Path) -> bool:
    return path.stem.isdecimal()  # its name is the number of images


def _store(path: Path, hashes: Mapping[str, str]) -> Iterator[bytes]:
    """Manifest and records of a store, and other files in its folder."""
    store = Store(path)
    try:
        manifest = asdict(store.manifest)
        text = json.dumps(manifest, ensure_ascii=False)
        if _named(text, hashes) != text:
            # The content hash covers the hash of a file of weights.
            del manifest["content_sha256"]
        yield _plain(json.dumps(manifest), hashes)
        yield store.columns.tobytes()
        for block in store.image_blocks():
            yield block.tobytes()
    finally:
        store.close()
    for file in sorted(path.iterdir()):
        # recipe.json exists only until a writer's last step, the mark only until it is replaced.
        if file.name not in ("manifest.json", "data.mdb", "recipe.json", MARK):
            yield from (file.name.encode(), *_parts(file, hashes))


def _plain(text: str, hashes: Mapping[str, str]) -> bytes:
    """JSON without times and with sorted keys; other text unchanged."""
    try:
        value = json.loads(text)
    except ValueError:
        return _named(text, hashes).encode()
    return _named(json.dumps(_timeless(value), sort_keys=True), hashes).encode()


def _timeless(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _timeless(item) for key, item in value.items() if key not in TIMES}
    return [_timeless(item) for item in value] if isinstance(value, list) else value


def _named(text: str, hashes: Mapping[str, str]) -> str:
    """The text with the hash of a file of weights replaced by the file's name."""
    return re.sub(r"\b[0-9a-f]{16}\b", lambda m: hashes.get(m[0], m[0]), text)


def _saved(path: Path, name: str) -> dict[str, int]:
    """How much of an unfinished output a rerun resumes from; empty if it starts again."""
    if path.name.endswith(("checkpoint.safetensors", ".hwgen-checkpoint")):
        return {name: int(load_texts(path)["step"])}
    export, recipe = path / ".export.json", path / "recipe.json"
    if export.is_file():
        description = json.loads(export.read_text("utf-8"))
        return {name: sum(map(len, description.get("shards", {}).values()))}
    if (path / "data.mdb").is_file() and recipe.is_file():
        if not json.loads(recipe.read_text("utf-8"))["resumable"]:
            return {}
        with lmdb.open(str(path), readonly=True, lock=False) as env, env.begin() as txn:
            tables = txn.get(b"tables")
        return {name: json.loads(tables)["blocks"] if tables else 0}
    return {}


def refusal(out: Path) -> str:
    """The error of opening a store at `out`, where an unfinished one may exist; "" if it opens."""
    try:
        Store(out).close()
    except StoreError as error:
        return str(error)
    return ""
