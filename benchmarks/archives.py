"""Hostile and damaged zips: `hwgen prepare-gnt` reads or refuses each and writes no file elsewhere.

    python -m benchmarks.archives --out DIR

Writes DIR/archives.json and DIR/archives.md with one row per archive: number of records read, the
command's message, and files that appeared outside the store. About a second per archive.
"""

from __future__ import annotations

import io
import stat
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from benchmarks.options import make_parser
from benchmarks.provenance import provenance
from hwgen.io.json_files import write_json
from hwgen.sources.gnt import encode_record

GNT = b"".join(encode_record("啊", np.full((5, 4), n, np.uint8)) for n in range(3))
"""An undamaged GNT file of three records."""

BOMB_BYTES = 64 << 20
"""Zeros in a member that compresses well."""

LOCAL, CENTRAL = b"PK\x03\x04", b"PK\x01\x02"

Members = Mapping[str | zipfile.ZipInfo, bytes]


def zipped(members: Members, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip of these members."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def patched(data: bytes, local: int, central: int, value: bytes) -> bytes:
    """A zip with `value` at an offset in the first local header and directory entry."""
    changed = bytearray(data)
    for header, offset in ((LOCAL, local), (CENTRAL, central)):
        at = data.index(header) + offset
        changed[at : at + len(value)] = value
    return bytes(changed)


def link(target: str) -> bytes:
    """A member that is a symbolic link, beside a GNT file."""
    info = zipfile.ZipInfo("link.gnt")
    info.create_system, info.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    return zipped({info: target.encode(), "a.gnt": GNT})


def doubled() -> bytes:
    """Two members with the same name."""
    data = zipped({"a.gnt": GNT, "b.gnt": GNT})
    return data.replace(b"b.gnt", b"a.gnt")


def named(name: bytes) -> bytes:
    """A member with this name of ten bytes, not flagged as UTF-8."""
    return zipped({"0123456789": GNT}).replace(b"0123456789", name)


GNT_ZIP = zipped({"a.gnt": GNT})

ARCHIVES: Mapping[str, tuple[str, Callable[[], bytes]]] = {
    "undamaged": ("undamaged.zip", lambda: GNT_ZIP),
    "name climbs out: ../../../up.gnt": ("up.zip", lambda: zipped({"../../../up.gnt": GNT})),
    "absolute name: /tmp/absolute.gnt": ("abs.zip", lambda: zipped({"/tmp/absolute.gnt": GNT})),
    "drive name: C:\\windows.gnt": ("drive.zip", lambda: zipped({"C:\\windows.gnt": GNT})),
    "Windows separators: ..\\..\\up.gnt": ("back.zip", lambda: zipped({"..\\..\\up.gnt": GNT})),
    "hidden folder: .hidden/a.gnt beside b.gnt": (
        "hidden.zip",
        lambda: zipped({".hidden/a.gnt": GNT, "b.gnt": GNT}),
    ),
    "symbolic link to /etc/passwd beside a GNT file": ("link.zip", lambda: link("/etc/passwd")),
    "bomb: 64 MiB of zeros in one member": (
        "bomb.zip",
        lambda: zipped({"a.gnt": bytes(BOMB_BYTES)}),
    ),
    "bomb: 2 GiB declared, three records there": (
        "declared.zip",
        lambda: patched(GNT_ZIP, 22, 24, (1 << 31).to_bytes(4, "little")),
    ),
    "a zip in a zip": ("nested.zip", lambda: zipped({"inner.zip": GNT_ZIP})),
    "two members with the same name": ("twice.zip", doubled),
    "encrypted": ("encrypted.zip", lambda: patched(GNT_ZIP, 6, 8, b"\x01")),
    "compressed by bzip2": ("bzip2.zip", lambda: zipped({"a.gnt": GNT}, zipfile.ZIP_BZIP2)),
    "compressed by LZMA": ("lzma.zip", lambda: zipped({"a.gnt": GNT}, zipfile.ZIP_LZMA)),
    "truncated in the middle": ("cut.zip", lambda: GNT_ZIP[: len(GNT_ZIP) // 2]),
    "truncated before its end": ("end.zip", lambda: GNT_ZIP[:-5]),
    "one byte of the compressed data changed": (
        "byte.zip",
        lambda: GNT_ZIP[:40] + bytes([GNT_ZIP[40] ^ 0xFF]) + GNT_ZIP[41:],
    ),
    "name in GB18030": ("gb.zip", lambda: named("啊阿埃.gnt".encode("gb18030"))),
    "name in no encoding": ("none.zip", lambda: named(b"\xff\xfe\x80\x81aa.gnt")),
    "empty": ("empty.zip", lambda: zipped({})),
    "GNT with the name of a zip": ("gnt.zip", lambda: GNT),
    "zip with the name of GNT": ("zip.gnt", lambda: GNT_ZIP),
}
"""Description -> file name, and the function that makes it."""


@dataclass(frozen=True)
class Outcome:
    """Result of preparing an archive.

    Attributes:
        archive: description.
        read: records in the store; None if the archive was refused.
        said: the error message, or the report's lines on bad records and hidden files, without
            folders in paths.
        outside: files that appeared outside the store.
    """

    archive: str
    read: int | None
    said: str
    outside: tuple[str, ...]


def prepare_archive(archive: str, folder: Path) -> Outcome:
    """Make an archive in an empty folder and prepare it."""
    from hwgen.store import Store, is_store

    name, make = ARCHIVES[archive]
    work = folder / "a" / "b"
    work.mkdir(parents=True)
    (work / name).write_bytes(make())
    out = work / "store"
    command = ["-m", "hwgen_cli", "prepare-gnt", str(work / name), "--out", str(out)]
    ended = subprocess.run(
        [sys.executable, *command, "--size", "8"], capture_output=True, text=True, check=False
    )
    if "Traceback" in ended.stderr:
        raise AssertionError(f"{archive}: {ended.stderr}")
    found = {path for path in folder.rglob("*") if path.is_file() and out not in path.parents}
    outside = sorted(path.name for path in found - {work / name})
    read = len(Store(out)) if ended.returncode == 0 and is_store(out) else None
    lines = ended.stderr if read is None else "; ".join(_losses(ended.stdout))
    message = " ".join(lines.split())
    return Outcome(archive, read, message.replace(f"{work}/", ""), tuple(outside))


def _losses(printed: str) -> list[str]:
    """Lines of the report on bad records and on members that were skipped."""
    lines = [line.strip() for line in printed.splitlines()]
    return [line for line in lines if line.startswith("bad:") or "bad records" in line] + [
        line for line in lines if "hidden, passed over" in line
    ]


def table(outcomes: Sequence[Outcome]) -> str:
    """Markdown, one line per archive."""
    lines = ["| archive | records read | message | files outside |", "|---|---:|---|---|"]
    for one in outcomes:
        read = "refused" if one.read is None else str(one.read)
        message = one.said.replace("|", "\\|").replace("\\", "\\\\")
        archive = one.archive.replace("\\", "\\\\")
        lines.append(f"| {archive} | {read} | {message} | {', '.join(one.outside) or 'none'} |")
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--only", nargs="+", choices=tuple(ARCHIVES), default=tuple(ARCHIVES))
    options = parser.parse_args(arguments)
    outcomes = []
    for archive in options.only:
        with tempfile.TemporaryDirectory() as folder:
            outcomes.append(prepare_archive(archive, Path(folder)))
        print(table(outcomes[-1:]).splitlines()[-1], flush=True)
    options.out.mkdir(parents=True, exist_ok=True)
    rows = [asdict(one) for one in outcomes]
    write_json(options.out / "archives.json", {**provenance(__file__, arguments), "rows": rows})
    (options.out / "archives.md").write_text(table(outcomes), encoding="utf-8")


if __name__ == "__main__":
    main()
