"""Device and precision from the names that a user gives, such as "auto", "cuda" or "bf16"."""

from __future__ import annotations

import ctypes
import os
import re
from contextlib import AbstractContextManager

import torch

from hwgen.errors import InputError

# From glibc's malloc.h.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3


def pick_device(name: str = "auto") -> torch.device:
    """The named device; "auto" is the first GPU where there is one, else the CPU.

    Raises:
        InputError: the device is unknown or absent.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        # torch lists many kinds of devices that hwgen does not use.
        reason = re.split(r"Expected one of|\n", str(error))[0] or "unknown kind of device"
        raise InputError(
            f"device {name!r} cannot be used ({reason})", remedy="Give auto, cpu, cuda or cuda:0"
        ) from None
    return device


def pick_precision(name: str, device: torch.device) -> torch.dtype:
    """The type for "bf16" or "fp32"; "auto" is bf16 where the hardware computes in it.

    Raises:
        InputError: another name.
    """
    if name == "auto":
        if device.type == "cuda":
            fast = torch.cuda.is_bf16_supported(including_emulation=False)
        else:
            # oneDNN emulates bf16 on older CPUs, slower than fp32.
            fast = device.type == "cpu" and torch.cpu._is_avx512_bf16_supported()
        name = "bf16" if fast else "fp32"
    if name not in ("bf16", "fp32"):
        raise InputError(f"precision {name!r} is not one of auto, bf16, fp32")
    return torch.bfloat16 if name == "bf16" else torch.float32


def autocast(device: torch.device, precision: torch.dtype) -> AbstractContextManager[None]:
    """Autocast to bf16, or nothing for fp32."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == torch.bfloat16)


def keep_freed_memory() -> None:
    """Let this process keep the memory that it frees, in huge pages (glibc on Linux only).

    Each step on a CPU allocates and frees the same large blocks. By default glibc returns each to
    the system, and the next step waits for tens of thousands of new, zeroed pages. Programs should
    call this before they create a tensor; a library should not decide it for its caller.
    """
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")  # read by torch's CPU allocator
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if os.name == "posix" else None
    if mallopt is not None:
        # glibc before 2.35 refuses more than 32 MiB.
        mallopt(_M_MMAP_THRESHOLD, 1 << 30) or mallopt(_M_MMAP_THRESHOLD, 32 << 20)
        mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)


def describe(device: torch.device, precision: torch.dtype) -> dict[str, str | int]:
    """Hardware and software for the provenance of a result: device, precision, threads, torch."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    return {
        "device": name,
        "precision": "bf16" if precision == torch.bfloat16 else "fp32",
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
    }
