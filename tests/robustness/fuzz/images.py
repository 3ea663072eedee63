"""Targets that read labelled images in foreign formats.

Each input is a file that `hwgen prepare-images` accepts, and is read to its last image.
"""

from __future__ import annotations

import gzip
import io
import json
import random
import struct
import zipfile
from functools import partial
from pathlib import Path

import lmdb
import numpy as np
from PIL import Image as PilImage

from hwgen.errors import InputError
from hwgen.imaging.channels import to_channels
from hwgen.record import BadRecord, Record
from hwgen.sources.images.collection import MAX_LABEL_LENGTH
from hwgen.sources.images.decoding import decode
from hwgen.sources.images.find import find_images
from tests.robustness.fuzz.mutation import Mutate, mutate
from tests.robustness.fuzz.raw import mutate_zip
from tests.robustness.fuzz.stores import mutate_pages
from tests.robustness.fuzz.target import Target

_PAGE = 4096


def files(scratch: Path) -> Target:
    """Image files of every supported kind."""
    rng = np.random.default_rng(0)
    seeds = [_encoded(rng, kind, mode) for kind in KINDS for mode in KINDS[kind]]

    def read(data: bytes) -> str:
        try:
            pixels = decode(data, 1)
        except InputError:
            return "bad records listed"
        assert (pixels.dtype, pixels.ndim) == (np.uint8, 2), "not a grey image"
        return "all read"

    return Target(seeds, read, mib=512)


def archive(scratch: Path) -> Target:
    """Zips with one folder per class."""
    rng = np.random.default_rng(0)
    seeds = []
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", method) as made:
            for n, label in enumerate("一丁一"):
                made.writestr(f"set/{label}/{n}.png", _encoded(rng))
            made.writestr("set/about.txt", b"about")
        seeds.append(file.getvalue())
    tokens = (b"PK\x01\x02", b"PK\x03\x04", b"PK\x05\x06", b"PK\x06\x06", b"../", b".png")
    return _of_file(scratch / "a.zip", seeds, partial(mutate_zip, tokens=tokens))


def idx(scratch: Path) -> Target:
    """MNIST's pair of files; the first byte of an input selects the file and its compression."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (5, 4, 6), np.uint8)
    valid = {
        "images": struct.pack(">4sIII", b"\0\0\x08\x03", *pixels.shape) + pixels.tobytes(),
        "labels": struct.pack(">4sI", b"\0\0\x08\x01", 5) + bytes([0, 1, 2, 9, 255]),
    }
    names = {"images": "x-images-idx3-ubyte", "labels": "x-labels-idx1-ubyte"}
    whole = [data for part in valid.values() for data in (part, gzip.compress(part, mtime=0))]
    folder = scratch / "idx"
    folder.mkdir()

    def read(data: bytes) -> str:
        damaged = "images" if data[:1] < b"\2" else "labels"
        for part, name in names.items():
            (folder / name).write_bytes(data[1:] if part == damaged else valid[part])
        return _drain(folder / names["images"])

    seeds = [bytes([n]) + data for n, data in enumerate(whole)]
    return Target(seeds, read, _mutate_after_first)


def cifar(scratch: Path) -> Target:
    """A batch of CIFAR-10's binary version."""
    rng = np.random.default_rng(0)
    seed = b"".join(bytes([n]) + rng.bytes(3072) for n in (0, 9, 5))
    return _of_file(scratch / "data_batch_1.bin", [seed], mutate)


def label_list(scratch: Path) -> Target:
    """PaddleOCR's label lists beside valid images."""
    rng = np.random.default_rng(0)
    folder = scratch / "list"
    for name in ("a.png", "images/b.png", "字.png"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(_encoded(rng))
    seeds = [
        "a.png\t一\nimages/b.png\t丁\n字.png\t七\n".encode(),
        "\ufeffa.png\t一\textra\r\n\r\n./images/b.png\t一\r\n".encode(),
    ]
    tokens = (b"\t", b"\n", b"../", b"/etc/passwd", b"\0", b"a.png\t", "字.png".encode())
    return _of_file(folder / "label.txt", seeds, partial(mutate, tokens=tokens))


def ocr_lmdb(scratch: Path) -> Target:
    """OCR LMDBs."""
    rng = np.random.default_rng(0)
    meta = json.dumps({"writer": "001"}).encode()
    entries = {b"num-samples": b"9"}
    for n in range(1, 10):
        entries[b"image-%09d" % n] = _encoded(rng)
        entries[b"label-%09d" % n] = "一丁七"[n % 3].encode()
        entries[b"meta-%09d" % n] = meta
    return _of_lmdb(scratch / "ocr", entries)


def lsun(scratch: Path) -> Target:
    """LMDBs in the format of LSUN's categories."""
    rng = np.random.default_rng(0)
    entries = {rng.bytes(20).hex().encode(): _encoded(rng, "WEBP", "RGB") for _ in range(12)}
    return _of_lmdb(scratch / "kitchen_train_lmdb", entries)


def parquet(scratch: Path) -> Target:
    """Parquet files of images by Hugging Face datasets, with class ids and with texts."""
    import pyarrow
    import pyarrow.parquet

    rng = np.random.default_rng(0)
    images = [{"bytes": _encoded(rng), "path": f"{n}.png"} for n in range(4)]
    types = {"label": {"_type": "ClassLabel", "names": ["一", "丁"]}, "image": {"_type": "Image"}}
    features = json.dumps({"info": {"features": types}}).encode()
    tables = [
        pyarrow.table({"image": images, "label": [0, 1, 1, 0], "writer": ["a", "b", None, "a"]}),
        pyarrow.table({"image": images, "label": ["一", "丁", None, "七"]}),
    ]
    tables[0] = tables[0].replace_schema_metadata({"huggingface": features})
    seeds = []
    for table, compression in zip(tables, ("none", "snappy"), strict=True):
        file = io.BytesIO()
        pyarrow.parquet.write_table(table, file, compression=compression)
        seeds.append(file.getvalue())
    # pyarrow reserves address space that it does not use.
    return _of_file(scratch / "a.parquet", seeds, _mutate_parquet, mib=2048)


KINDS = {
    "BMP": ("L", "RGB"),
    "GIF": ("P",),
    "JPEG": ("L", "RGB", "CMYK"),
    "PNG": ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"),
    "PPM": ("L", "RGB"),
    "TIFF": ("L", "RGB", "I;16", "F"),
    "WEBP": ("RGB", "RGBA"),
}
"""Kind of file -> pixel modes."""


def _encoded(rng: np.random.Generator, kind: str = "PNG", mode: str = "L") -> bytes:
    """A small image file."""
    made = PilImage.fromarray(rng.integers(0, 256, (9, 12), np.uint8))
    if mode == "I;16":
        made = PilImage.fromarray(rng.integers(0, 1 << 16, (9, 12), np.uint16))
    elif mode != "L":
        made = made.convert(mode)
    file = io.BytesIO()
    made.save(file, kind)
    return file.getvalue()


def _mutate_after_first(data: bytes, other: bytes, rng: random.Random) -> bytes:
    """Mutate all but the first byte, which selects the kind."""
    return data[:1] + mutate(data[1:], other[1:], rng)


def _mutate_parquet(data: bytes, other: bytes, rng: random.Random) -> bytes:
    """In half of the cases mutate the metadata at the end of the file."""
    length = int.from_bytes(data[-8:-4], "little") + 8
    if rng.randrange(2):
        changed = mutate(data[-length:-8], other[-length:-8], rng)
        return data[:-length] + changed + len(changed).to_bytes(4, "little") + data[-4:]
    return mutate(data, other, rng)


def _of_file(file: Path, seeds: list[bytes], how: Mutate, *, mib: int = 256) -> Target:
    def read(data: bytes) -> str:
        file.write_bytes(data)
        return _drain(file)

    return Target(seeds, read, how, mib=mib)


def _of_lmdb(folder: Path, entries: dict[bytes, bytes]) -> Target:
    with lmdb.open(str(folder), map_size=1 << 20) as env, env.begin(write=True) as txn:
        for key, value in entries.items():
            txn.put(key, value)
    file = folder / "data.mdb"
    seed = file.read_bytes()

    def read(data: bytes) -> str:
        file.unlink()
        file.write_bytes(data[1:])
        return _drain(folder)

    pages = list(range(len(seed) // _PAGE))
    return Target([b"\0" + seed], read, partial(mutate_pages, pages=pages))


def _drain(path: Path) -> str:
    """Read all images at a path."""
    lost = 0
    for found in find_images([path]):
        for item in found.items():
            if isinstance(item, BadRecord):
                lost += 1
            elif isinstance(item, Record):
                assert to_channels(item.image, 1).ndim == 2, "not a grey image"
            else:
                assert 0 < len(item.label) <= MAX_LABEL_LENGTH, "label too long"
                assert len(item.writer) <= MAX_LABEL_LENGTH, "writer too long"
                try:
                    decode(item.read(), 1)
                except InputError:  # becomes a bad record
                    lost += 1
    return "bad records listed" if lost else "all read"
