"""What becomes of hostile and damaged zips? Each is made and handed to `hwgen prepare-gnt`.

In: nothing. Out: OUT/archives.json and OUT/archives.md, a row an archive: what it is, whether it
was read, what was said, and which files appeared outside the store (there must be none). About a
second an archive.

    python -m benchmarks.archives --out OUT
"""

from __future__ import annotations

import argparse
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

from hwgen.io.json_files import write_json
from hwgen.sources.gnt import encode_record

SOUND = b"".join(encode_record("啊", np.full((5, 4), n, np.uint8)) for n in range(3))
"""Three records."""

GROWING = 64 << 20
"""Bytes of zeros in a bomb."""

LOCAL, CENTRAL = b"PK\x03\x04", b"PK\x01\x02"

Members = Mapping[str | zipfile.ZipInfo, bytes]


def zipped(members: Members, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip of these members."""
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return held.getvalue()


def patched(data: bytes, local: int, central: int, value: bytes) -> bytes:
    """Other bytes at a place in the first member's header and in the directory's."""
    changed = bytearray(data)
    for header, place in ((LOCAL, local), (CENTRAL, central)):
        at = data.index(header) + place
        changed[at : at + len(value)] = value
    return bytes(changed)


def link(target: str) -> bytes:
    """A member that is a symbolic link, beside a sound one."""
    info = zipfile.ZipInfo("link.gnt")
    info.create_system, info.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    return zipped({info: target.encode(), "a.gnt": SOUND})


def doubled() -> bytes:
    """Two members of one name."""
    data = zipped({"a.gnt": SOUND, "b.gnt": SOUND})
    return data.replace(b"b.gnt", b"a.gnt")


def named(name: bytes) -> bytes:
    """A member whose name is these ten bytes, which do not say that they are UTF-8."""
    return zipped({"0123456789": SOUND}).replace(b"0123456789", name)


SOUND_ZIP = zipped({"a.gnt": SOUND})

ARCHIVES: Mapping[str, tuple[str, Callable[[], bytes]]] = {
    "sound": ("sound.zip", lambda: SOUND_ZIP),
    "name climbs out: ../../../up.gnt": ("up.zip", lambda: zipped({"../../../up.gnt": SOUND})),
    "absolute name: /tmp/absolute.gnt": ("abs.zip", lambda: zipped({"/tmp/absolute.gnt": SOUND})),
    "drive name: C:\\windows.gnt": ("drive.zip", lambda: zipped({"C:\\windows.gnt": SOUND})),
    "Windows separators: ..\\..\\up.gnt": ("back.zip", lambda: zipped({"..\\..\\up.gnt": SOUND})),
    "hidden folder: .hidden/a.gnt beside b.gnt": (
        "hidden.zip",
        lambda: zipped({".hidden/a.gnt": SOUND, "b.gnt": SOUND}),
    ),
    "symbolic link to /etc/passwd beside a sound member": ("link.zip", lambda: link("/etc/passwd")),
    "bomb: 64 MiB of zeros in one member": (
        "bomb.zip",
        lambda: zipped({"a.gnt": bytes(GROWING)}),
    ),
    "bomb: the same declared, and not there": (
        "declared.zip",
        lambda: patched(SOUND_ZIP, 22, 24, (1 << 31).to_bytes(4, "little")),
    ),
    "a zip in a zip": ("nested.zip", lambda: zipped({"inner.zip": SOUND_ZIP})),
    "two members of one name": ("twice.zip", doubled),
    "encrypted": ("encrypted.zip", lambda: patched(SOUND_ZIP, 6, 8, b"\x01")),
    "packed by bzip2": ("bzip2.zip", lambda: zipped({"a.gnt": SOUND}, zipfile.ZIP_BZIP2)),
    "packed by LZMA": ("lzma.zip", lambda: zipped({"a.gnt": SOUND}, zipfile.ZIP_LZMA)),
    "cut in the middle": ("cut.zip", lambda: SOUND_ZIP[: len(SOUND_ZIP) // 2]),
    "cut before its end": ("end.zip", lambda: SOUND_ZIP[:-5]),
    "a byte of the packed data changed": (
        "byte.zip",
        lambda: SOUND_ZIP[:40] + bytes([SOUND_ZIP[40] ^ 0xFF]) + SOUND_ZIP[41:],
    ),
    "name in GB18030": ("gb.zip", lambda: named("啊阿埃.gnt".encode("gb18030"))),
    "name in no encoding": ("none.zip", lambda: named(b"\xff\xfe\x80\x81aa.gnt")),
    "empty": ("empty.zip", lambda: zipped({})),
    "GNT with the name of a zip": ("gnt.zip", lambda: SOUND),
    "zip with the name of GNT": ("zip.gnt", lambda: SOUND_ZIP),
}
"""By what it is: file name and what makes it."""


@dataclass(frozen=True)
class Outcome:
    """What became of an archive.

    Attributes:
        archive: what it is.
        read: records in the store; None where it was refused.
        said: the refusal, or what the report tells of bad records and hidden files; paths are
            only names.
        outside: files that appeared elsewhere than in the store.
    """

    archive: str
    read: int | None
    said: str
    outside: tuple[str, ...]


def try_archive(what: str, folder: Path) -> Outcome:
    """Make an archive in an empty folder and prepare it."""
    from hwgen.store import Store, is_store

    name, make = ARCHIVES[what]
    work = folder / "a" / "b"
    work.mkdir(parents=True)
    (work / name).write_bytes(make())
    out = work / "store"
    command = ["-m", "hwgen_cli", "prepare-gnt", str(work / name), "--out", str(out)]
    ended = subprocess.run(
        [sys.executable, *command, "--size", "8"], capture_output=True, text=True, check=False
    )
    if "Traceback" in ended.stderr:
        raise AssertionError(f"{what}: {ended.stderr}")
    found = {path for path in folder.rglob("*") if path.is_file() and out not in path.parents}
    outside = sorted(path.name for path in found - {work / name})
    read = len(Store(out)) if ended.returncode == 0 and is_store(out) else None
    lines = ended.stderr if read is None else "; ".join(_telling(ended.stdout))
    said = " ".join(lines.split())
    return Outcome(what, read, said.replace(f"{work}/", ""), tuple(outside))


def _telling(printed: str) -> list[str]:
    """The lines of a report that tell of this archive: bad records, and what was passed over."""
    lines = [line.strip() for line in printed.splitlines()]
    return [line for line in lines if line.startswith("bad:") or "bad records" in line] + [
        line for line in lines if "hidden, passed over" in line
    ]


def table(outcomes: Sequence[Outcome]) -> str:
    """As Markdown."""
    lines = ["| archive | records read | what was said | files outside |", "|---|---:|---|---|"]
    for one in outcomes:
        read = "refused" if one.read is None else str(one.read)
        said = one.said.replace("|", "\\|").replace("\\", "\\\\")
        what = one.archive.replace("\\", "\\\\")
        lines.append(f"| {what} | {read} | {said} | {', '.join(one.outside) or 'none'} |")
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--only", nargs="+", choices=tuple(ARCHIVES), default=tuple(ARCHIVES))
    options = parser.parse_args(arguments)
    outcomes = []
    for what in options.only:
        with tempfile.TemporaryDirectory() as folder:
            outcomes.append(try_archive(what, Path(folder)))
        print(table(outcomes[-1:]).splitlines()[-1], flush=True)
    options.out.mkdir(parents=True, exist_ok=True)
    write_json(options.out / "archives.json", [asdict(one) for one in outcomes])
    (options.out / "archives.md").write_text(table(outcomes), encoding="utf-8")


if __name__ == "__main__":
    main()
