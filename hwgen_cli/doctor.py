"""`hwgen doctor`: versions, devices, disk space and missing packages of this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from hwgen_cli.options import Json
from hwgen_cli.output import print_json

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hwgen.inspection.doctor import Checkup, Cpu, Device, Disk, Feature


def doctor(json: Json = False) -> None:
    """Show versions, devices, free disk space, and packages that optional features need.

    Each device is tested with a small matrix product in fp32 and bf16, a GPU also with a CUDA
    graph. The exit code is 1 if something that hwgen requires does not work.

    Example: hwgen doctor
    """
    from rich.table import Table

    from hwgen.inspection.doctor import examine
    from hwgen_cli.terminal import Console, escape

    checkup = examine()
    if json:
        print_json(checkup.to_json())
    else:
        table = Table.grid(padding=(0, 2))
        for name, value in _rows(checkup):
            table.add_row(name, escape(value))
        Console().print(table, highlight=False)
        for problem in checkup.problems:
            line = f"[bold red]broken:[/] {escape(problem)}"
            Console().print(line, highlight=False, soft_wrap=True)
    if checkup.problems:
        raise typer.Exit(1)


def _rows(checkup: Checkup) -> Iterator[tuple[str, str]]:
    yield "hwgen", f"{checkup.hwgen}, Python {checkup.python}, {checkup.system}"
    yield "packages", ", ".join(f"{one.name} {one.version or '?'}" for one in checkup.packages)
    yield "text", checkup.encoding or "not known"
    yield "cpu", _cpu(checkup.cpu)
    for device in checkup.devices:
        yield device.name, _device(device)
    if len(checkup.devices) < 2:
        yield "gpu", "no GPU that torch can use"
    compiler = checkup.compiler or "no compiler found"
    yield "torch.compile", f"{compiler}; hwgen does not need it"
    yield "threads", ", ".join(f"{name} {value}" for name, value in checkup.threads.items())
    for disk in checkup.disks:
        yield "disk", _disk(disk)
    for feature in checkup.features:
        yield f"extra {feature.extra}", _feature(feature)


def _cpu(cpu: Cpu) -> str:
    memory = f"{_gib(cpu.memory_bytes)}, {_gib(cpu.memory_available_bytes)} available"
    limit = f", limited to {_gib(cpu.memory_limit_bytes)}" if cpu.memory_limit_bytes else ""
    return f"{cpu.model}, {cpu.cores_usable} of {cpu.cores} cores usable, memory {memory}{limit}"


def _device(device: Device) -> str:
    parts = [device.model] if device.model else []
    if device.capability:
        parts.append(f"{_gib(device.memory_bytes)}, compute capability {device.capability}")
    parts += [f"fp32 {device.fp32 or 'works'}", f"bf16 {device.bf16 or 'works'}"]
    parts += [f"auto precision: {device.precision}", f"CUDA graphs: {device.cuda_graphs or 'work'}"]
    return ", ".join(parts)


def _disk(disk: Disk) -> str:
    locked = "" if disk.writable else ", NOT writable"
    free = f"{_gib(disk.free_bytes)} free of {_gib(disk.total_bytes)}"
    return f"{disk.use}: {free}{locked} ({disk.path})"


def _feature(feature: Feature) -> str:
    if not feature.remedy:
        versions = ", ".join(f"{one.name} {one.version}" for one in feature.packages)
        return f"installed ({versions})"
    lacking = ", ".join(f"{one.name} {one.problem}" for one in feature.packages if one.problem)
    return f"{lacking}: for {feature.needed_by}: {feature.remedy}"


def _gib(size: int) -> str:
    return f"{size / 2**30:,.1f} GiB"
