"""In: this machine. Out: what hwgen finds on it, what is broken, and what is missing for what."""

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
from hwgen.inspection.requirements import EXTRAS, MODULES, REQUIRED, Extra

if TYPE_CHECKING:
    import torch

_SIDE = 64
"""Of the matrices that are tried."""

_THREAD_SETTINGS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "TORCHELASTIC_RUN_ID", "WORLD_SIZE")


@dataclass(frozen=True)
class Package:
    """An installed package, or one that is missing.

    Attributes:
        name: as pip knows it.
        version: "" where it is not installed.
        problem: what is wrong with it, "" where nothing is.
    """

    name: str
    version: str
    problem: str


@dataclass(frozen=True)
class Feature:
    """An extra, and what it lacks here.

    Attributes:
        extra: its name.
        needed_by: commands and options.
        packages: its packages.
        remedy: how to get what is missing, "" where nothing is.
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
        cores_usable: those that this process may run on.
        memory_bytes, memory_available_bytes: 0 where the system does not tell.
        memory_limit_bytes: of the container; 0 where there is none.
    """

    model: str
    cores: int
    cores_usable: int
    memory_bytes: int
    memory_available_bytes: int
    memory_limit_bytes: int


@dataclass(frozen=True)
class Device:
    """What torch computes on: the CPU, or one GPU.

    Attributes:
        name: "cpu", or "cuda:0" and so on.
        model: "" for the CPU.
        memory_bytes: of a GPU, in all; 0 for the CPU.
        capability: compute capability of a GPU, such as "9.0"; "" for the CPU.
        fp32, bf16: how a product of matrices went: "" where it is right, or what happened.
        precision: what `--precision auto` takes.
        cuda_graphs: how a captured product went: "" where it is right, or what happened.
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
    """Room at a place.

    Attributes:
        use: what hwgen writes there.
        path: the place.
        free_bytes, total_bytes: of its file system.
        writable: whether this user may write there.
    """

    use: str
    path: str
    free_bytes: int
    total_bytes: int
    writable: bool


@dataclass(frozen=True)
class Checkup:
    """All that `examine` found.

    Attributes:
        hwgen, python, system: versions.
        encoding: of texts on the screen.
        packages: those that hwgen requires.
        features: its extras.
        cpu: the processor.
        devices: what torch can compute on; empty where torch is broken.
        compiler: what torch.compile would use: "triton", or a C++ compiler; hwgen itself does not
            compile. "" for none.
        threads: torch's threads, and the environment's settings.
        disks: where the user stands, and the temporary folder.
        problems: what keeps hwgen from running.
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
    """Look at this machine; takes about as long as importing torch.

    What hwgen requires is really imported, since a package may be there and not load. Of the
    extras it is only looked up whether they are there.
    """
    packages = [_tried(name, oldest) for name, oldest in REQUIRED.items()]
    problems = [
        f"{package.name}: {package.problem}. Install it with: "
        f"pip install '{package.name}>={REQUIRED[package.name]}'"
        for package in packages
        if package.problem
    ]
    working = not any(package.problem for package in packages if package.name == "torch")
    devices = _devices() if working else []
    problems += [
        f"{device.name} cannot be computed on: {reason}"
        for device in devices
        if (reason := device.fp32 or (device.bf16 if device.precision == "bf16" else ""))
    ]
    return Checkup(
        hwgen=hwgen.__version__,
        python=platform.python_version(),
        system=platform.platform(),
        encoding=getattr(sys.stdout, "encoding", None) or "",
        packages=packages,
        features=[_feature(name, extra) for name, extra in EXTRAS.items()],
        cpu=_cpu(),
        devices=devices,
        compiler=_compiler(devices),
        threads=_threads(working),
        disks=[
            _disk("the present folder", Path.cwd()),
            _disk("temporary files", Path(tempfile.gettempdir())),
        ],
        problems=problems,
    )


def _tried(name: str, oldest: str) -> Package:
    """A required package, really imported."""
    version = _version(name)
    try:
        importlib.import_module(MODULES.get(name, name))
    except Exception as error:  # whatever a broken library raises
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        return Package(name, version, f"cannot be imported ({reason})")
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
    return Feature(
        name, extra.needed_by, packages, f"pip install 'hwgen[{name}]'" if missing else ""
    )


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
    """`2.6.0+cu124` as (2, 6): what stands before any letter, without zeros at the end."""
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
    """How a product of ones went: "" where it came out right, or what happened."""
    try:
        found = product().float().cpu()
    except Exception as error:  # torch raises RuntimeError, and others of its backends
        return (str(error).splitlines() or [type(error).__name__])[0]
    return "" if bool((found == _SIDE).all()) else "gives wrong numbers"


def _product(device: torch.device, dtype: torch.dtype) -> torch.Tensor:
    import torch

    from hwgen.compute.devices import autocast

    with autocast(device, dtype):
        ones = torch.ones(_SIDE, _SIDE, device=device)
        return ones @ ones


def _captured(device: torch.device) -> torch.Tensor:
    import torch

    with torch.cuda.device(device):
        ones = torch.ones(_SIDE, _SIDE, device=device)
        _ = ones @ ones  # makes the libraries' workspaces, which a capture may not
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
    cores = os.cpu_count() or 1
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else cores
    memory = _fields(Path("/proc/meminfo"))
    limit = _text(Path("/sys/fs/cgroup/memory.max")).strip()
    return Cpu(
        model=_fields(Path("/proc/cpuinfo")).get("model name") or platform.processor(),
        cores=cores,
        cores_usable=usable,
        memory_bytes=_kilobytes(memory.get("MemTotal", "")),
        memory_available_bytes=_kilobytes(memory.get("MemAvailable", "")),
        memory_limit_bytes=int(limit) if limit.isdecimal() else 0,
    )


def _fields(file: Path) -> dict[str, str]:
    """The first `name: value` of each name in one of Linux's texts; nothing elsewhere."""
    found: dict[str, str] = {}
    for line in _text(file).splitlines():
        name, colon, value = line.partition(":")
        if colon:
            found.setdefault(name.strip(), value.strip())
    return found


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _kilobytes(text: str) -> int:
    """`24598188 kB` as bytes."""
    number = text.removesuffix(" kB")
    return 1024 * int(number) if number.isdecimal() else 0


def _disk(use: str, path: Path) -> Disk:
    usage = shutil.disk_usage(path)
    return Disk(use, str(path), usage.free, usage.total, os.access(path, os.W_OK))
