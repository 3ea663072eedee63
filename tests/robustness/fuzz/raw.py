"""Targets that read raw data: GNT, POT, zips of GNT, and strokes."""

from __future__ import annotations

import io
import json
import random
import stat
import tarfile
import zipfile
from functools import partial
from pathlib import Path

import numpy as np

from hwgen.record import BadRecord, Record
from hwgen.sources.casia_files import GNT, find_files
from hwgen.sources.gnt import encode_record, looks_like_gnt, read_gnt
from hwgen.sources.pot import encode_trajectory, looks_like_pot, read_pot
from hwgen.sources.strokes.hanzi_writer import HanziWriter
from tests.robustness.fuzz.mutation import mutate
from tests.robustness.fuzz.target import Target


def gnt(scratch: Path) -> Target:
    """GNT files of one to twelve records with 1 to 529 pixels each."""
    rng = np.random.default_rng(0)
    seeds = []
    for count in (1, 2, 5, 12):
        sizes = rng.integers(1, 24, (count, 2))
        labels = rng.choice(list("啊一丁七A！"), count)
        seeds.append(
            b"".join(
                encode_record(label, rng.choice([0, 90, 255], size=tuple(size)).astype(np.uint8))
                for label, size in zip(labels, sizes, strict=True)
            )
        )
    return Target(seeds, _read_gnt, partial(mutate, tokens=(*(seed[:10] for seed in seeds),)))


def pot(scratch: Path) -> Target:
    """POT files of one to eight characters."""
    rng = random.Random(0)
    seeds = []
    for count in (1, 2, 4, 8):
        parts = []
        for _ in range(count):
            strokes = [
                [(rng.randrange(9000), rng.randrange(9000)) for _ in range(rng.randint(1, 9))]
                for _ in range(rng.randint(1, 5))
            ]
            parts.append(encode_trajectory(rng.choice("啊一丁七A！"), strokes))
        seeds.append(b"".join(parts))
    tokens = (b"\xff\xff\x00\x00", b"\xff" * 4, *(seed[:8] for seed in seeds))
    return Target(seeds, _read_pot, partial(mutate, tokens=tokens))


def zips(scratch: Path) -> Target:
    """Zips of GNT: stored and deflated, in folders, with unusual names."""
    one = gnt(scratch).seeds
    plain, deep, odd = io.BytesIO(), io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(plain, "w") as archive:
        archive.writestr("001-f.gnt", one[1])
    with zipfile.ZipFile(deep, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("part/", b"")
        archive.writestr("part/001-f.gnt", one[2])
        archive.writestr("part/readme.txt", b"about")
        archive.writestr("merged-gb1", one[3])
    with zipfile.ZipFile(odd, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("手写 字/二.gnt", one[2])
        archive.writestr("../../up.gnt", one[1])
        link = zipfile.ZipInfo("link.gnt")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, b"/etc/passwd")
        archive.writestr("big.gnt", encode_record("一", np.full((200, 300), 255, np.uint8)) * 3)
    file = scratch / "a.zip"

    def read(data: bytes) -> str:
        file.write_bytes(data)
        lost = 0
        for found in find_files([file], GNT):
            with found.open() as stream:
                for item in read_gnt(stream, source=found.name, writer=found.writer):
                    lost += isinstance(item, BadRecord)
        return "bad records listed" if lost else "all read"

    tokens = (b"PK\x01\x02", b"PK\x03\x04", b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x07", b"../")
    seeds = [plain.getvalue(), deep.getvalue(), odd.getvalue()]
    return Target(seeds, read, partial(mutate_zip, tokens=tokens))


def strokes(scratch: Path) -> Target:
    """Stroke data of Make Me a Hanzi: tar, compressed tar, and lines of JSON."""
    characters = {
        "一": [[[121, 393], [417, 402], [920, 401]]],
        "十": [[[90, 400], [950, 440]], [[510, 820], [500, -100]]],
    }
    seeds = []
    for mode in ("w", "w:gz"):
        file = io.BytesIO()
        with tarfile.open(fileobj=file, mode=mode) as archive:
            for character, medians in characters.items():
                value = json.dumps({"strokes": [], "medians": medians}).encode()
                member = tarfile.TarInfo(f"package/{character}.json")
                member.size = len(value)
                archive.addfile(member, io.BytesIO(value))
        seeds.append(file.getvalue())
    lines = [json.dumps({"character": c, "medians": m}) for c, m in characters.items()]
    seeds += ["\n".join(lines).encode()] * 2
    path = scratch / "strokes"

    def read(data: bytes) -> str:
        path.write_bytes(data)
        found = HanziWriter(path)
        for character, lines in found.load(found.characters()).items():
            assert len(character) == 1, "not one character"
            assert all(np.isfinite(line).all() for line in lines), "not finite"
        return "all read"

    tokens = (b"]]", b"[[", b"1e400", b"null", b"NaN", b"ustar", b"medians", b"package/")
    return Target(seeds, read, partial(mutate, tokens=tokens))


def mutate_zip(data: bytes, other: bytes, rng: random.Random, tokens: tuple[bytes, ...]) -> bytes:
    """In half of the cases mutate a header of a member or of the directory."""
    places = [at for at in range(len(data) - 3) if data[at : at + 2] == b"PK"]
    if rng.randrange(2) and places:
        begin = rng.choice(places)
        end = min(len(data), begin + 60)
        return data[:begin] + mutate(data[begin:end], other, rng, tokens) + data[end:]
    return mutate(data, other, rng, tokens)


def _read_gnt(data: bytes) -> str:
    looks_like_gnt(data)
    at, lost = 0, 0
    for item in read_gnt(io.BytesIO(data), source="f", writer="w"):
        if isinstance(item, Record):
            begin, length = item.position, 10 + item.image.size
            assert data[begin + 10 : begin + length] == item.image.tobytes(), "wrong pixels"
        else:
            begin, length, lost = item.offset, item.length, lost + 1
        assert begin == at, f"bytes {at} to {begin} are not accounted for"
        at = begin + length
    assert at == len(data), f"bytes {at} to {len(data)} are not accounted for"
    return "bad records listed" if lost else "all read"


def _read_pot(data: bytes) -> str:
    looks_like_pot(data)
    at, lost = 0, 0
    for item in read_pot(io.BytesIO(data), source="f", writer="w"):
        if isinstance(item, BadRecord):
            begin, length, lost = item.offset, item.length, lost + 1
        else:
            begin, length = item.position, 12 + 4 * len(item.points)
            assert data[begin + 8 : begin + length - 4] == item.points.tobytes(), "wrong points"
        assert begin == at, f"bytes {at} to {begin} are not accounted for"
        at = begin + length
    assert at == len(data), f"bytes {at} to {len(data)} are not accounted for"
    return "bad records listed" if lost else "all read"
