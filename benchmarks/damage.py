"""Damaged GNT files: with 1 % of the records damaged, at least 99 % of the intact ones are read.

    python -m benchmarks.damage HWDB1.0tst_gnt.zip --out benchmarks/results/damage-DATE-HARDWARE

Records are damaged in each of six ways and in all of them mixed. No record is read wrong, and every
byte that gave no record is reported as lost.
"""

from __future__ import annotations

import io
import struct
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.options import make_parser
from benchmarks.provenance import provenance
from hwgen.io.json_files import write_json
from hwgen.record import BadRecord, Record
from hwgen.sources.casia_files import GNT, find_files
from hwgen.sources.gnt import HEADER_BYTES, read_gnt

KINDS = ("size field", "tag", "width", "height", "truncated tail", "garbage inserted")
MIXED = "all six mixed"


@dataclass(frozen=True)
class Damaged:
    """A damaged GNT file and where it is damaged.

    Attributes:
        data: its bytes.
        intact: offset in `data` -> number of the record in the original file, for intact records.
        damaged: [begin, end) in `data` of each damaged record or piece of garbage.
    """

    data: bytes
    intact: dict[int, int]
    damaged: list[tuple[int, int]]


def damage(records: list[bytes], kind: str, fraction: float, rng: np.random.Generator) -> Damaged:
    """Damage `fraction` of the records, chosen at random, in one of KINDS or MIXED."""
    count = max(1, round(fraction * len(records)))
    chosen = set(rng.choice(len(records), count, replace=False).tolist())
    parts: list[bytes] = []
    intact: dict[int, int] = {}
    damaged: list[tuple[int, int]] = []
    at = 0
    for number, record in enumerate(records):
        way = ""
        if number in chosen:
            way = KINDS[int(rng.integers(len(KINDS)))] if kind == MIXED else kind
            part = _damage(record, way, rng)
            damaged.append((at, at + len(part)))
            parts.append(part)
            at += len(part)
        if way in ("", "garbage inserted"):
            intact[at] = number
            parts.append(record)
            at += len(record)
    return Damaged(b"".join(parts), intact, damaged)


def _damage(record: bytes, way: str, rng: np.random.Generator) -> bytes:
    """The bytes in place of a record; for garbage, those in front of it."""
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
    """Read a damaged file and compare with the original records."""
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
        number = damaged.intact.get(item.position)
        if number is not None and _equals(item, records[number]):
            right += 1
        else:
            wrong += 1
    reported = sum(
        any(b.offset < end and begin < b.offset + b.length for b in bad)
        for begin, end in damaged.damaged
    )
    return {
        "records": len(records),
        "damaged places": len(damaged.damaged),
        "damaged places named": reported,
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


def _equals(item: Record, record: bytes) -> bool:
    height, width = item.image.shape
    label = item.label.encode("gb18030").ljust(2, b"\0")
    header = struct.pack("<I2sHH", HEADER_BYTES + item.image.size, label, width, height)
    return header + item.image.tobytes() == record


def load(path: Path) -> list[bytes]:
    """The bytes of every record of an undamaged GNT file, or of the first in a zip or folder.

    Raises:
        SystemExit: a record is damaged.
    """
    file = find_files([path], GNT)[0]
    parts = []
    with file.open() as stream:
        data = stream.read(-1)
    for item in read_gnt(io.BytesIO(data), source=file.name, writer=file.writer):
        if isinstance(item, BadRecord):
            raise SystemExit(f"expected an undamaged file: {path}: {item}")
        parts.append(data[item.position : item.position + HEADER_BYTES + item.image.size])
    return parts


def run(records: list[bytes], fraction: float, seeds: int) -> dict[str, Any]:
    """All kinds of damage, each with several random choices of records."""
    return {
        kind: [
            measure(records, damage(records, kind, fraction, np.random.default_rng([seed, row])))
            for seed in range(seeds)
        ]
        for row, kind in enumerate((*KINDS, MIXED))
    }


def main(arguments: Sequence[str] | None = None) -> None:
    parser = make_parser(__doc__)
    parser.add_argument("gnt", type=Path, help="a GNT file or a zip with one")
    parser.add_argument("--out", type=Path, required=True, help="folder for result.json")
    parser.add_argument("--fraction", type=float, default=0.01, help="of the records to damage")
    parser.add_argument("--seeds", type=int, default=3, help="random choices of records")
    options = parser.parse_args(arguments)
    results = run(load(options.gnt), options.fraction, options.seeds)
    for kind, rows in results.items():
        for row in rows:
            print(
                f"{kind:18} intact read {row['intact read']} of {row['intact']} "
                f"({row['intact read, share']:.4%}), wrong {row['wrong read']}, places reported "
                f"{row['damaged places named']} of {row['damaged places']}, "
                f"bytes unaccounted {row['bytes unaccounted']}"
            )
    options.out.mkdir(parents=True, exist_ok=True)
    write_json(
        options.out / "result.json",
        {
            **provenance(__file__, arguments),
            "fraction": options.fraction,
            "seeds": options.seeds,
            "results": results,
        },
    )


if __name__ == "__main__":
    main()
