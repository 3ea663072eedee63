"""In: a GNT file. Out: how many intact records are read after 1 % of its records were damaged.

Claim: with one record in a hundred damaged, in each of six ways and in all of them mixed, at
least 99 % of the intact records are read, none of what is read is wrong, and every byte that gave
no record is named. Run:

    python benchmarks/damage.py HWDB1.0tst_gnt.zip --out benchmarks/results/damage-DATE-HARDWARE
"""

from __future__ import annotations

import argparse
import io
import platform
import struct
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import hwgen
from hwgen.io.json_files import write_json
from hwgen.record import BadRecord, Record
from hwgen.sources.casia_files import GNT, find_files
from hwgen.sources.gnt import HEADER_BYTES, read_gnt

KINDS = ("size field", "tag", "width", "height", "truncated tail", "garbage inserted")
MIXED = "all six mixed"


@dataclass(frozen=True)
class Damaged:
    """A damaged GNT file, and the truth about it.

    Attributes:
        data: its bytes.
        intact: offset in `data` -> place in the undamaged file, of every record still whole.
        hurt: [begin, end) in `data` of each damaged record or stretch of garbage.
    """

    data: bytes
    intact: dict[int, int]
    hurt: list[tuple[int, int]]


def damage(records: list[bytes], kind: str, fraction: float, rng: np.random.Generator) -> Damaged:
    """Damage `fraction` of the records, chosen at random, in one of KINDS or MIXED."""
    count = max(1, round(fraction * len(records)))
    chosen = set(rng.choice(len(records), count, replace=False).tolist())
    parts: list[bytes] = []
    intact: dict[int, int] = {}
    hurt: list[tuple[int, int]] = []
    at = 0
    for place, record in enumerate(records):
        way = ""
        if place in chosen:
            way = KINDS[int(rng.integers(len(KINDS)))] if kind == MIXED else kind
            part = _hurt(record, way, rng)
            hurt.append((at, at + len(part)))
            parts.append(part)
            at += len(part)
        if way in ("", "garbage inserted"):
            intact[at] = place
            parts.append(record)
            at += len(record)
    return Damaged(b"".join(parts), intact, hurt)


def _hurt(record: bytes, way: str, rng: np.random.Generator) -> bytes:
    """What stands where the sound record stood; for garbage, what stands in front of it."""
    if way == "garbage inserted":
        return rng.bytes(int(rng.integers(1, 4000)))
    if way == "truncated tail":
        return record[: int(rng.integers(1, len(record)))]
    if way == "tag":
        return record[:4] + b"\xff\xff" + record[6:]
    offset, form = {"size field": (0, "<I"), "width": (6, "<H"), "height": (8, "<H")}[way]
    (old,) = struct.unpack_from(form, record, offset)
    bits = 8 * struct.calcsize(form)
    new = (old + int(rng.integers(1, 1 << bits))) % (1 << bits)
    return record[:offset] + struct.pack(form, new) + record[offset + struct.calcsize(form) :]


def measure(records: list[bytes], damaged: Damaged) -> dict[str, Any]:
    """Read a damaged file and compare with the truth."""
    began = time.perf_counter()
    items = list(read_gnt(io.BytesIO(damaged.data), source="damaged", writer=""))
    seconds = time.perf_counter() - began
    right, wrong, read_bytes = 0, 0, 0
    bad: list[BadRecord] = []
    for item in items:
        if isinstance(item, BadRecord):
            bad.append(item)
            continue
        read_bytes += HEADER_BYTES + item.image.size
        place = damaged.intact.get(item.position)
        if place is not None and _is(item, records[place]):
            right += 1
        else:
            wrong += 1
    named = sum(
        any(b.offset < end and begin < b.offset + b.length for b in bad)
        for begin, end in damaged.hurt
    )
    return {
        "records": len(records),
        "damaged places": len(damaged.hurt),
        "damaged places named": named,
        "intact": len(damaged.intact),
        "intact read": right,
        "intact read, share": right / len(damaged.intact),
        "wrong read": wrong,
        "bad records reported": dict(Counter(item.kind for item in bad)),
        "bytes": len(damaged.data),
        "bytes reported lost": sum(item.length for item in bad),
        "bytes unaccounted": len(damaged.data) - read_bytes - sum(item.length for item in bad),
        "seconds": round(seconds, 3),
    }


def _is(item: Record, record: bytes) -> bool:
    height, width = item.image.shape
    label = item.label.encode("gb18030").ljust(2, b"\0")
    header = struct.pack("<I2sHH", HEADER_BYTES + item.image.size, label, width, height)
    return header + item.image.tobytes() == record


def load(path: Path) -> list[bytes]:
    """The bytes of every record of a sound GNT file, or of the first one in a zip or folder."""
    file = find_files([path], GNT)[0]
    parts = []
    with file.open() as stream:
        data = stream.read(-1)
    for item in read_gnt(io.BytesIO(data), source=file.name, writer=file.writer):
        if isinstance(item, BadRecord):
            raise SystemExit(f"{path} is damaged already: {item}")
        parts.append(data[item.position : item.position + HEADER_BYTES + item.image.size])
    return parts


def run(records: list[bytes], fraction: float, seeds: int) -> dict[str, Any]:
    """All kinds, each with several choices of the damaged records."""
    return {
        kind: [
            measure(records, damage(records, kind, fraction, np.random.default_rng([seed, row])))
            for seed in range(seeds)
        ]
        for row, kind in enumerate((*KINDS, MIXED))
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("gnt", type=Path, help="a GNT file, or a zip that holds one")
    parser.add_argument("--out", type=Path, required=True, help="folder for result.json")
    parser.add_argument("--fraction", type=float, default=0.01)
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    results = run(load(options.gnt), options.fraction, options.seeds)
    for kind, rows in results.items():
        for row in rows:
            print(
                f"{kind:18} intact read {row['intact read']} of {row['intact']} "
                f"({row['intact read, share']:.4%}), wrong {row['wrong read']}, places named "
                f"{row['damaged places named']} of {row['damaged places']}, "
                f"bytes unaccounted {row['bytes unaccounted']}"
            )
    options.out.mkdir(parents=True, exist_ok=True)
    write_json(
        options.out / "result.json",
        {
            "question": (__doc__ or "").splitlines()[0],
            "command": f"python benchmarks/damage.py {options.gnt.name} --fraction "
            f"{options.fraction} --seeds {options.seeds}",
            "fraction": options.fraction,
            "python": platform.python_version(),
            "hwgen": hwgen.__version__,
            "results": results,
        },
    )


if __name__ == "__main__":
    main()
