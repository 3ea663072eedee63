"""What to lower when memory ran out, by command."""

from __future__ import annotations

import errno
from collections.abc import Mapping, Sequence

LOWER: Mapping[str, str] = {
    "benchmark": "Lower --size, or give --recogniser-preset light or --precision bf16",
    "demo": "Give --small",
    "evaluate": "Lower --samples or --size, or give --precision bf16",
    "export": "Lower --shard-bytes and --shard-records, or choose fewer --classes",
    "export-curves": "Close other programs",
    "export-model": "Close other programs, or leave out --onnx",
    "inspect": "Leave out --sheet, or inspect fewer files at a time",
    "lift": "Lower --size, or give --recogniser-preset light or --precision bf16",
    "lines": "Lower --height or --max-length, or give a shorter --corpus",
    "prepare-gnt": "Lower --workers or --size",
    "prepare-images": "Lower --workers or --size, or set --max-per-class",
    "prepare-pot": "Lower --workers or --size",
    "prepare-strokes": "Lower --workers, --classes or --num-writers",
    "report": "Give fewer inputs at a time",
    "simulate": "Lower --classes or --num-writers",
    "study make": "Lower --pairs",
    "synthesize": "Lower --batch; this does not change the samples",
    "train": "Give --precision bf16, or a smaller --batch or --preset with another --out; "
    "--dry-run shows the memory needed",
}
"""Advice by command; the others need little memory."""

_KINDS = {"MapFullError", "MemoryError", "OutOfMemoryError"}
"""Exceptions of Python and numpy, of torch on GPUs, of LMDB; by name, to import none of them."""

_SIGNS = ("out of memory", "DefaultCPUAllocator", "can't allocate memory", "ALLOC_FAILED")
"""Parts of the messages of RuntimeErrors, which torch raises on some devices."""


def ran_out(error: BaseException) -> bool:
    """Whether an error means that no memory is left on the CPU or a GPU."""
    if _KINDS & {kind.__name__ for kind in type(error).__mro__}:
        return True
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    return isinstance(error, RuntimeError) and any(sign in str(error) for sign in _SIGNS)


def message(error: BaseException, arguments: Sequence[str]) -> str:
    """The text for the user.

    Args:
        error: one for which `ran_out` is true.
        arguments: those of hwgen, such as ["train", "store", "--out", "run"].
    """
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
    words = [word for word in arguments if not word.startswith("-")]
    names = (" ".join(words[:2]), *words[:1])
    remedy = next((LOWER[name] for name in names if name in LOWER), "Close other programs")
    return f"memory ran out ({reason.rstrip('.')}). {remedy}"
