"""Provenance of a result: commit, date, command line, hardware and precision."""

from __future__ import annotations

import os
import platform
import shlex
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

import hwgen
from hwgen.compute.devices import describe, pick_precision
from hwgen.results import version

ROOT = Path(__file__).resolve().parents[1]
CPU = torch.device("cpu")


def provenance(
    file: str,
    arguments: Sequence[str] | None,
    *,
    device: torch.device = CPU,
    precision: str = "fp32",
) -> dict[str, Any]:
    """What every result states about its origin, as plain JSON.

    Args:
        file: `__file__` of the script that writes the result.
        arguments: the script's arguments; None takes those of the process.
        device: where the computation ran.
        precision: of the computation: "fp32", "bf16" or "fp64".

    Returns:
        {"commit", "date", "command", "hardware"}; the commit ends in "-dirty" if tracked files
        differ from it, and is "unknown" outside a git checkout.
    """
    return {
        "commit": version.commit() or "unknown",
        "date": time.strftime("%Y-%m-%d"),
        "command": command_line(file, arguments),
        "hardware": hardware(device, precision),
    }


def command_line(file: str, arguments: Sequence[str] | None) -> str:
    """`python -m MODULE ARGUMENTS` of a script; an absolute path is cut to its last part."""
    module = Path(file).resolve().relative_to(ROOT).with_suffix("")
    name = ".".join(part for part in module.parts if part != "__main__")
    given = sys.argv[1:] if arguments is None else arguments
    words = [Path(word).name if os.path.isabs(word) else word for word in given]
    return shlex.join(["python", "-m", name, *words])


def hardware(device: torch.device = CPU, precision: str = "fp32") -> dict[str, Any]:
    """The machine: device, precision, processor, cores, memory, and versions of libraries."""
    return {
        **describe(device, torch.float32),
        "precision": precision,
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "numpy": np.__version__,
        "hwgen": hwgen.__version__,
    }


def precision_name(name: str, device: torch.device) -> str:
    """The precision that an option such as "auto" means on a device: "bf16" or "fp32"."""
    return "bf16" if pick_precision(name, device) == torch.bfloat16 else "fp32"


def _processor() -> str:
    """Name of the processor and those of its vector extensions that torch uses."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.processor()
    fields: dict[str, str] = {}
    for line in text.splitlines():
        key, _, value = line.partition(":")
        fields[key.strip()] = value.strip()
    flags = set(fields.get("flags", "").split())
    extensions = [f for f in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if f in flags]
    return f"{fields.get('model name', platform.processor())} ({', '.join(extensions)})"
