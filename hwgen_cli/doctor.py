"""In: this machine. Out: what hwgen finds on it, on the screen or as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hwgen.inspection.doctor import Checkup, Cpu, Device, Disk, Feature


def doctor(
    json: Annotated[
        bool, typer.Option("--json", help="Print what was found as JSON on standard output.")
    ] = False,
) -> None:
    """Show versions, devices, room on disk, and what is missing for which feature.

    Each device is tried with a small product in fp32 and bf16, a GPU also with a CUDA graph.
    The exit code is 1 where something that hwgen requires is broken.

    Example: hwgen doctor
    """
    import json as json_module

    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from hwgen.inspection.doctor import examine

    found = examine()
    if json:
        print(json_module.dumps(found.to_json(), ensure_ascii=False, indent=1))
    else:
        table = Table.grid(padding=(0, 2))
        for name, value in _rows(found):
            table.add_row(name, escape(value))
        Console().print(table, highlight=False)
        for problem in found.problems:
            said = f"[bold red]broken:[/] {escape(problem)}"
            Console().print(said, highlight=False, soft_wrap=True)
    if found.problems:
        raise typer.Exit(1)


def _rows(found: Checkup) -> Iterator[tuple[str, str]]:
    yield "hwgen", f"{found.hwgen}, Python {found.python}, {found.system}"
    yield "packages", ", ".join(f"{one.name} {one.version or '?'}" for one in found.packages)
    yield "text", found.encoding or "not known"
    yield "cpu", _cpu(found.cpu)
    for device in found.devices:
        yield device.name, _device(device)
    if len(found.devices) < 2:
        yield "gpu", "none that torch can use"
    compiler = found.compiler or "none found"
    yield "torch.compile", f"{compiler}; hwgen does without it"
    yield "threads", ", ".join(f"{name} {value}" for name, value in found.threads.items())
    for disk in found.disks:
        yield "disk", _disk(disk)
    for feature in found.features:
        yield f"extra {feature.extra}", _feature(feature)


def _cpu(cpu: Cpu) -> str:
    memory = f"{_gib(cpu.memory_bytes)}, {_gib(cpu.memory_available_bytes)} of it available"
    limit = f", limited to {_gib(cpu.memory_limit_bytes)}" if cpu.memory_limit_bytes else ""
    return f"{cpu.model}, {cpu.cores_usable} of {cpu.cores} cores usable, memory {memory}{limit}"


def _device(device: Device) -> str:
    parts = [device.model] if device.model else []
    if device.capability:
        parts.append(f"{_gib(device.memory_bytes)}, compute capability {device.capability}")
    parts += [f"fp32 {device.fp32 or 'works'}", f"bf16 {device.bf16 or 'works'}"]
    parts += [f"auto takes {device.precision}", f"CUDA graphs: {device.cuda_graphs or 'work'}"]
    return ", ".join(parts)


def _disk(disk: Disk) -> str:
    locked = "" if disk.writable else ", NOT writable"
    free = f"{_gib(disk.free_bytes)} free of {_gib(disk.total_bytes)}"
    return f"{disk.use}: {free}{locked} ({disk.path})"


def _feature(feature: Feature) -> str:
    if not feature.remedy:
        versions = ", ".join(f"{one.name} {one.version}" for one in feature.packages)
        return f"there ({versions})"
    lacking = ", ".join(f"{one.name} {one.problem}" for one in feature.packages if one.problem)
    return f"{lacking}: for {feature.needed_by}: {feature.remedy}"


def _gib(size: int) -> str:
    return f"{size / 2**30:,.1f} GiB"
