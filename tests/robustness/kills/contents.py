"""In: a folder that a command wrote to, killed or not. Out: what lies in it, as it is compared.

What is left out of the comparison, since it differs between any two runs: seconds and rates; the
lines of a log that tell of a start; the time of writing in TensorBoard's first event; the order in
which safetensors writes metadata (by chance, so that files of weights are compared by tensors and
texts, and their hash in a text stands as their name); the bytes of an LMDB file beyond its keys and
values.
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

TIMES = {"seconds", "generator_seconds", "images_per_second"}
"""Keys of JSON that tell how long something took."""

GROWING = {"log.jsonl", "checkpoint.safetensors"}
"""Names of files that a run replaces as it goes: they are compared at its end."""

UNFINISHED = (".partial", ".tmp")
ASIDE = ".replaced"
"""How that ends which must make room for another one, until that one has its name."""


@dataclass
class Contents:
    """What lies in a folder.

    Attributes:
        finished: digests of what bears its final name.
        growing: digests of the files that are replaced as a run goes.
        aside: digests of what a new thing is about to replace, by its former name.
        unfinished: names of what is being written.
        locks: names of lock files.
        saved: how much of what is unfinished can be gone on from: steps of a checkpoint, blocks
            of a store, shards of an export.
    """

    finished: dict[str, str] = field(default_factory=dict)
    growing: dict[str, str] = field(default_factory=dict)
    aside: dict[str, str] = field(default_factory=dict)
    unfinished: list[str] = field(default_factory=list)
    locks: list[str] = field(default_factory=list)
    saved: dict[str, int] = field(default_factory=dict)


def contents(folder: Path) -> Contents:
    """All that lies in a folder.

    Raises:
        HwgenError: something bears its final name and cannot be read.
        ValueError: likewise.
        lmdb.Error: likewise.
    """
    found = Contents()
    hashes = {file_hash(path): path.name for path in folder.rglob("*.safetensors")}
    _walk(folder, "", found, hashes)
    return found


def _walk(folder: Path, prefix: str, found: Contents, hashes: Mapping[str, str]) -> None:
    for path in sorted(folder.iterdir()):
        name = prefix + path.name
        if path.name.endswith(".lock") or path.name == "lock":
            found.locks.append(name)
        elif path.name.endswith(UNFINISHED):
            found.unfinished.append(name)
            found.saved.update(_saved(path, name))
        elif path.name.endswith(ASIDE):
            inside, former = Contents(), name.removesuffix(ASIDE)
            try:
                _enter(path, former, inside, hashes)
            except (HwgenError, ValueError, OSError, lmdb.Error):  # it is being removed
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
    """Of everything that must be equal in a store, an LMDB folder or a file."""
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
    elif path.suffix == ".safetensors":
        tensors, texts = load_tensors(path)
        for key, text in sorted(texts.items()):
            if key not in TIMES:
                yield from (key.encode(), _plain(text, hashes))
        for key, tensor in sorted(tensors.items()):
            about = f"{key} {tensor.dtype} {list(tensor.shape)}"
            yield from (about.encode(), tensor.numpy().tobytes())
    elif path.suffix == ".json":
        json.loads(path.read_text("utf-8"))  # raises if it is none
        yield _plain(path.read_text("utf-8"), hashes)
    elif path.name == "log.jsonl":
        for line in path.read_text("utf-8").splitlines():
            # The last line of a killed run may be cut, and is dropped when the run goes on.
            if '"began"' not in line:
                yield _plain(line, hashes)
    elif "tfevents" in path.name:
        # Behind the first event, a version and the time of writing: length, sum, event, sum.
        events = path.read_bytes()
        yield events[16 + int.from_bytes(events[:8], "little") :]
    else:
        yield path.read_bytes()


def _store(path: Path, hashes: Mapping[str, str]) -> Iterator[bytes]:
    """Records and manifest of a store, and further files in its folder."""
    store = Store(path)
    try:
        manifest = asdict(store.manifest)
        text = json.dumps(manifest, ensure_ascii=False)
        if _named(text, hashes) != text:
            # Its hash covers the hash of a file of weights.
            del manifest["content_sha256"]
        yield _plain(json.dumps(manifest), hashes)
        yield store.columns.tobytes()
        for block in store.image_blocks():
            yield block.tobytes()
    finally:
        store.close()
    for file in sorted(path.iterdir()):
        # The last one is only there between a writer's last two steps.
        if file.name not in ("manifest.json", "data.mdb", "recipe.json"):
            yield from (file.name.encode(), *_parts(file, hashes))


def _plain(text: str, hashes: Mapping[str, str]) -> bytes:
    """JSON without times, with sorted keys; any other text as it is."""
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
    """A text in which the hash of a file of weights stands as the file's name."""
    return re.sub(r"\b[0-9a-f]{16}\b", lambda m: hashes.get(m[0], m[0]), text)


def _saved(path: Path, name: str) -> dict[str, int]:
    """How much of an unfinished thing the same command goes on from; nothing if it begins anew."""
    if path.name == "checkpoint.safetensors":
        return {name: int(load_texts(path)["step"])}
    export, recipe = path / ".export.json", path / "recipe.json"
    if export.is_file():
        told = json.loads(export.read_text("utf-8"))
        return {name: sum(map(len, told.get("shards", {}).values()))}
    if (path / "data.mdb").is_file() and recipe.is_file():
        if not json.loads(recipe.read_text("utf-8"))["resumable"]:
            return {}
        with lmdb.open(str(path), readonly=True, lock=False) as env, env.begin() as txn:
            tables = txn.get(b"tables")
        return {name: json.loads(tables)["blocks"] if tables else 0}
    return {}


def refusal(out: Path) -> str:
    """What `Store` says of a place with an unfinished store; "" where it opens it.

    Opened or not, nothing may be at the place itself.
    """
    try:
        Store(out).close()
    except StoreError as error:
        return str(error)
    return ""
