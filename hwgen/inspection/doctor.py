"""A check of this machine: packages, devices, disk space, and what is missing for which command."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import os
import platform
import re
import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hwgen
from hwgen.errors import InputError
from hwgen.io import machine
from hwgen.requirements import (
    MODULES,
    Extra,
    Requirements,
    install_packages,
    installed_requirements,
)

if TYPE_CHECKING:
    import torch

_SIZE = 64
"""Rows and columns of the matrices of the trial products."""

_THREAD_SETTINGS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "TORCHELASTIC_RUN_ID", "WORLD_SIZE")


@dataclass(frozen=True)
class Package:
    """A package, installed or not.

    Attributes:
        name: as pip spells it.
        version: "" if it is not installed.
        problem: what is wrong with it; "" if it works.
    """

    name: str
    version: str
    problem: str


@dataclass(frozen=True)
class Feature:
    """An extra of hwgen, and what is missing for it.

    Attributes:
        extra: its name.
        needed_by: commands and options.
        packages: of the extra.
        remedy: the command that installs what is missing; "" if nothing is.
    """

    extra: str
    needed_by: str
    packages: list[Package]
    remedy: str


@dataclass(frozen=True)
class Cpu:
    """The processor.

    Attributes:
        model: its name.
        cores: of the machine.
        cores_usable: by this process.
        memory_bytes: of the machine; 0 if not known.
        memory_available_bytes: that this process can still take; 0 if not known.
        memory_limit_bytes: of the container; 0 if there is none.
    """

    model: str
    cores: int
    cores_usable: int
    memory_bytes: int
    memory_available_bytes: int
    memory_limit_bytes: int


@dataclass(frozen=True)
class Device:
    """A device of torch: the CPU, or one GPU.

    Attributes:
        name: "cpu", or "cuda:0" and so on.
        model: "" for the CPU.
        memory_bytes: total memory of a GPU; 0 for the CPU.
        capability: compute capability of a GPU, such as "9.0"; "" for the CPU.
        fp32, bf16: result of a trial matrix product: "" if it is correct, else the error.
        precision: that `--precision auto` selects.
        cuda_graphs: result of a trial product in a CUDA graph: "" if it is correct, else the error.
    """

    name: str
    model: str
    memory_bytes: int
    capability: str
    fp32: str
    bf16: str
    precision: str
    cuda_graphs: str


@dataclass(frozen=True)
class Disk:
    """Disk space of a directory.

    Attributes:
        use: what hwgen writes there.
        path: of the directory.
        free_bytes, total_bytes: of its file system.
        writable: by this user.
    """

    use: str
    path: str
    free_bytes: int
    total_bytes: int
    writable: bool


@dataclass(frozen=True)
class Checkup:
    """Result of `examine`.

    Attributes:
        hwgen, python, system: versions.
        encoding: of standard output; "" if not known.
        packages: that hwgen requires.
        features: extras of hwgen.
        cpu: the processor.
        devices: of torch; empty if torch does not work.
        compiler: that torch.compile would use: "triton" or a C++ compiler; "" for none. hwgen
            itself does not use torch.compile.
        threads: of torch, and settings of the environment.
        disks: the current directory and the one for temporary files.
        problems: what prevents hwgen from running; empty if it can run.
    """

    hwgen: str
    python: str
    system: str
    encoding: str
    packages: list[Package]
    features: list[Feature]
    cpu: Cpu
    devices: list[Device]
    compiler: str
    threads: dict[str, str]
    disks: list[Disk]
    problems: list[str]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return asdict(self)


def examine() -> Checkup:
    """Check this machine; takes about as long as importing torch.

    Required packages are imported, since an installed package may fail to load. Packages of extras
    are only looked up.
    """
    required, problems = _requirements()
    packages = [_imported(name, oldest) for name, oldest in required.packages.items()]
    problems += [
        f"{package.name}: {package.problem}. Install it with: "
        f"{install_packages({package.name: required.packages[package.name]})}"
        for package in packages
        if package.problem
    ]
    working = not any(package.problem for package in packages if package.name == "torch")
    devices = _devices() if working else []
    problems += [
        f"{device.name} does not compute correctly: {reason}"
        for device in devices
        if (reason := device.fp32 or (device.bf16 if device.precision == "bf16" else ""))
    ]
    return Checkup(
        hwgen=hwgen.__version__,
        python=platform.python_version(),
        system=platform.platform(),
        encoding=getattr(sys.stdout, "encoding", None) or "",
        packages=packages,
        features=[_feature(name, extra) for name, extra in required.extras.items()],
        cpu=_cpu(),
        devices=devices,
        compiler=_compiler(devices),
        threads=_threads(working),
        disks=[
            _disk("current directory", Path.cwd()),
            _disk("temporary files", Path(tempfile.gettempdir())),
        ],
        problems=problems,
    )


def _requirements() -> tuple[Requirements, list[str]]:
    """The requirements of hwgen, and the problem if they are not known."""
    try:
        return installed_requirements(), []
    except InputError as error:
        return Requirements(), [str(error)]


def _imported(name: str, oldest: str) -> Package:
    """A required package, after importing it."""
    version = _version(name)
    try:
        importlib.import_module(MODULES.get(name, name))
    except Exception as error:  # a broken library may raise anything
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        return Package(name, version, f"importing it fails ({reason})")
    return Package(name, version, _too_old(version, oldest))


def _looked_up(name: str, oldest: str) -> Package:
    """An optional package, not imported."""
    version = _version(name)
    if not version and importlib.util.find_spec(MODULES.get(name, name)) is None:
        return Package(name, "", "is not installed")
    return Package(name, version, _too_old(version, oldest))


def _feature(name: str, extra: Extra) -> Feature:
    packages = [_looked_up(package, oldest) for package, oldest in extra.packages.items()]
    missing = any(package.problem for package in packages)
    remedy = install_packages(extra.packages) if missing else ""
    return Feature(name, extra.needed_by, packages, remedy)


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _too_old(version: str, oldest: str) -> str:
    if version and _numbers(version) < _numbers(oldest):
        return f"{version} is older than {oldest}"
    return ""


def _numbers(version: str) -> tuple[int, ...]:
    """`2.6.0+cu124` as (2, 6): the numbers before any letter, without trailing zeros."""
    numbers = [int(text) for text in re.findall(r"\d+", re.split(r"[^\d.]", version)[0])]
    while numbers and not numbers[-1]:
        numbers.pop()
    return tuple(numbers)


def _devices() -> list[Device]:
    import torch

    names = [f"cuda:{index}" for index in range(torch.cuda.device_count())]
    return [_device(torch.device(name)) for name in ["cpu", *names]]


def _device(device: torch.device) -> Device:
    import torch

    from hwgen.compute.devices import pick_precision

    model, memory, capability, graphs = "", 0, "", "needs a GPU"
    if device.type == "cuda":
        properties = torch.cuda.get_device_properties(device)
        model, memory = properties.name, properties.total_memory
        capability = f"{properties.major}.{properties.minor}"
        graphs = _outcome(lambda: _captured(device))
    chosen = pick_precision("auto", device)
    return Device(
        name=str(device),
        model=model,
        memory_bytes=memory,
        capability=capability,
        fp32=_outcome(lambda: _product(device, torch.float32)),
        bf16=_outcome(lambda: _product(device, torch.bfloat16)),
        precision="bf16" if chosen == torch.bfloat16 else "fp32",
        cuda_graphs=graphs,
    )


def _outcome(product: Callable[[], torch.Tensor]) -> str:
    """Result of a trial product of ones: "" if it is correct, else the error."""
    try:
        found = product().float().cpu()
    except Exception as error:  # RuntimeError of torch, and others of its backends
        return (str(error).splitlines() or [type(error).__name__])[0]
    return "" if bool((found == _SIZE).all()) else "wrong result"


def _product(device: torch.device, dtype: torch.dtype) -> torch.Tensor:
    import torch

    from hwgen.compute.devices import autocast

    with autocast(device, dtype):
        ones = torch.ones(_SIZE, _SIZE, device=device)
        return ones @ ones


def _captured(device: torch.device) -> torch.Tensor:
    import torch

    with torch.cuda.device(device):
        ones = torch.ones(_SIZE, _SIZE, device=device)
        _ = ones @ ones  # allocates the libraries' workspaces, which is impossible in a capture
        torch.cuda.synchronize()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            product = ones @ ones
        graph.replay()
        return product


def _compiler(devices: list[Device]) -> str:
    if len(devices) > 1 and importlib.util.find_spec("triton"):
        return f"triton {_version('triton')}".rstrip()
    chosen = os.environ.get("CXX", "g++")
    return next((name for name in (chosen, "clang++") if shutil.which(name)), "")


def _threads(working: bool) -> dict[str, str]:
    found = {name: os.environ[name] for name in _THREAD_SETTINGS if name in os.environ}
    if working:
        import torch

        found["torch"] = str(torch.get_num_threads())
    return found


def _cpu() -> Cpu:
    memory = machine.memory()
    return Cpu(
        model=machine.proc_fields(Path("/proc/cpuinfo")).get("model name") or platform.processor(),
        cores=os.cpu_count() or 1,
        cores_usable=machine.usable_cpus(),
        memory_bytes=memory.total,
        memory_available_bytes=memory.available,
        memory_limit_bytes=memory.limit,
    )


def _disk(use: str, path: Path) -> Disk:
    usage = shutil.disk_usage(path)
    return Disk(use, str(path), usage.free, usage.total, os.access(path, os.W_OK))
