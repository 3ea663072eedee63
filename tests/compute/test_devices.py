import ctypes
import os
import subprocess
import sys

import pytest
import torch

from hwgen.compute.devices import autocast, describe, keep_freed_memory, pick_device, pick_precision
from hwgen.errors import InputError

CPU = torch.device("cpu")


@pytest.mark.parametrize(("present", "kind"), [(True, "cuda"), (False, "cpu")])
def test_auto_takes_a_gpu_where_there_is_one(
    monkeypatch: pytest.MonkeyPatch, present: bool, kind: str
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: present)
    assert pick_device("auto").type == kind
    assert pick_device("cpu") == CPU


@pytest.mark.parametrize("name", ["abacus", "cuda:99", "cpu:cpu"])
def test_unknown_and_absent_devices_are_named(name: str) -> None:
    with pytest.raises(InputError, match=f"device '{name}' cannot be used.*Give auto, cpu"):
        pick_device(name)


@pytest.mark.parametrize(("fast", "dtype"), [(True, torch.bfloat16), (False, torch.float32)])
def test_auto_precision_asks_the_hardware(
    monkeypatch: pytest.MonkeyPatch, fast: bool, dtype: torch.dtype
) -> None:
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: fast)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: fast)
    assert pick_precision("auto", CPU) == dtype
    assert pick_precision("auto", torch.device("cuda")) == dtype
    assert pick_precision("auto", torch.device("mps")) == torch.float32


def test_named_precisions() -> None:
    assert pick_precision("bf16", CPU) == torch.bfloat16
    assert pick_precision("fp32", CPU) == torch.float32
    with pytest.raises(InputError, match="'fp16' is not one of auto, bf16, fp32"):
        pick_precision("fp16", CPU)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_autocast_computes_in_the_precision(dtype: torch.dtype) -> None:
    x = torch.ones(2, 2)
    with autocast(CPU, dtype):
        assert (x @ x).dtype == dtype
    assert (x @ x).dtype == torch.float32


def test_a_description_names_hardware_and_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    found = describe(CPU, torch.bfloat16)
    assert (found["device"], found["precision"]) == ("cpu", "bf16")
    assert found["torch"] == torch.__version__
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "Some GPU")
    found = describe(torch.device("cuda"), torch.float32)
    assert (found["device"], found["precision"]) == ("Some GPU", "fp32")


HEAP = """
import ctypes, sys, torch
from hwgen.compute.devices import keep_freed_memory

class Mallinfo2(ctypes.Structure):  # glibc's malloc.h
    _fields_ = [(name, ctypes.c_size_t) for name in (
        "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost").split()]

libc = ctypes.CDLL(None)
libc.mallinfo2.restype = Mallinfo2
if sys.argv[1] == "keep":
    keep_freed_memory()
before = libc.mallinfo2()
block = torch.zeros(16 << 20)  # 64 MiB
during = libc.mallinfo2()
del block
print(during.hblkhd - before.hblkhd, libc.mallinfo2().arena - before.arena)
"""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallinfo2"), reason="not glibc >= 2.33")
def test_freed_memory_stays_with_the_process() -> None:
    # Asked of the allocator: page faults also depend on the kernel's large pages.
    def heap(how: str) -> list[int]:
        command = [sys.executable, "-c", HEAP, how]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        return [int(size) for size in done.stdout.split()]

    kept, plain = heap("keep"), heap("plain")
    most = 32 << 20  # of the block: a part may have been free before
    assert plain[0] > most > plain[1]  # mapped for this block alone, and gone with it
    assert kept[1] > most > kept[0]


def test_other_systems_keep_memory_as_they_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hwgen.compute.devices.os.name", "nt")
    monkeypatch.setenv("THP_MEM_ALLOC_ENABLE", "0")
    keep_freed_memory()
    assert os.environ["THP_MEM_ALLOC_ENABLE"] == "0"  # the user's choice stays
