"""In: the error that ended a command. Out: whether memory ran out, and which settings to lower."""

from __future__ import annotations

import errno
from collections.abc import Mapping

LOWER: Mapping[str, str] = {
    "benchmark": "Lower --size, or give --recogniser-preset light or --precision bf16",
    "evaluate": "Lower --samples or --size, or give --precision bf16",
    "export": "Lower --shard-bytes and --shard-records, or choose some of the --classes",
    "inspect": "Leave --sheet out, or inspect some of the files at a time",
    "prepare-gnt": "Lower --workers or --size",
    "prepare-images": "Lower --workers or --size, or set a --limit",
    "prepare-pot": "Lower --workers or --size",
    "report": "Give fewer things at a time",
    "simulate": "Lower --classes or --writers",
    "study": "Lower --pairs",
    "synthesize": "Lower --batch, which does not change the set",
    "train": "Give --precision bf16, or, with another --out, a smaller --batch or --preset; "
    "--dry-run shows what is needed",
}
"""What takes less memory, by command."""

_KINDS = {"MapFullError", "MemoryError", "OutOfMemoryError"}
"""Of Python and numpy, of torch's GPUs, of LMDB: by name, so that none has to be imported."""

_SIGNS = ("out of memory", "DefaultCPUAllocator", "can't allocate memory", "ALLOC_FAILED")
"""In the texts of RuntimeError, which is all that torch raises for some devices and libraries."""


def ran_out(error: BaseException) -> bool:
    """Whether an error means that there is no memory left, of the CPU or of a GPU."""
    if _KINDS & {kind.__name__ for kind in type(error).__mro__}:
        return True
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    return isinstance(error, RuntimeError) and any(sign in str(error) for sign in _SIGNS)


def told(error: BaseException, command: str) -> str:
    """What a user should read of such an error, met in a command."""
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
    remedy = LOWER.get(command, "End other programs")
    return f"memory ran out ({reason.rstrip('.')}). {remedy}"
