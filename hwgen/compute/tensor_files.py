"""Modules and optimisers in safetensors files.

No code from a file is executed: safetensors files contain tensors and texts only.
"""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from hwgen.errors import RunError
from hwgen.io import os_errors
from hwgen.io.files import atomic_write
from hwgen.io.neighbours import remove_scratch, scratch_path
from hwgen.io.paths import describe_path, suggest_path

Network = TypeVar("Network", bound=nn.Module)


def save_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Write tensors and texts atomically; the file's folder is created if necessary.

    The same tensors and texts give the same bytes, and so the same `file_hash`. The file has the
    permissions that the umask gives.

    Raises:
        RunError: the file cannot be written, such as on a full disk; an existing file stays.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    plain = {name: t.detach().cpu().contiguous().clone() for name, t in tensors.items()}
    # safetensors first writes to a file with a random name, which a kill leaves behind. It is in a
    # folder of its own, which the next writer of this file removes.
    folder = scratch_path(path)
    remove_scratch(folder, path.name)
    folder.mkdir()
    try:
        with atomic_write(path) as temporary:
            save_file(plain, folder / path.name, metadata=dict(metadata))
            _sort_header(folder / path.name)
            # safetensors makes it readable only by its owner; use the folder's mode.
            with suppress(PermissionError):  # on a file system without permissions
                (folder / path.name).chmod(folder.stat().st_mode & 0o666)
            (folder / path.name).replace(temporary)
            folder.rmdir()  # first: a finished file is not written again
    except SafetensorError as error:
        raise RunError(
            f"cannot be written ({error})",
            where=str(path),
            remedy=os_errors.DISK_FULL,
        ) from None
    finally:
        with suppress(OSError):
            remove_scratch(folder, path.name)


def load_tensors(path: Path, prefix: str = "") -> tuple[dict[str, Tensor], dict[str, str]]:
    """Read what `save_tensors` wrote, on the CPU.

    Args:
        path: the file.
        prefix: of the names of the tensors to read.

    Raises:
        RunError: the file is missing, cut short, or not a safetensors file.
    """
    with _opened(path) as file:
        names = [name for name in file.keys() if name.startswith(prefix)]  # noqa: SIM118
        tensors = {name: file.get_tensor(name) for name in names}
        return tensors, dict(file.metadata() or {})


def load_texts(path: Path) -> dict[str, str]:
    """Only the texts of what `save_tensors` wrote; no tensor is read.

    Raises:
        RunError: the file is missing, cut short, or not a safetensors file.
    """
    with _opened(path) as file:
        return dict(file.metadata() or {})


def load_network(path: Path, prefix: str, build: Callable[[], Network]) -> Network:
    """A network from an untrusted file.

    Before memory is allocated, the network is built on torch's meta device and its shapes are
    compared with those that the file declares, which safetensors guarantees to be present. So a
    recipe cannot request more memory than the file has bytes.

    Args:
        path: what `save_tensors` wrote.
        prefix: of the network's tensors in it, see `module_tensors`.
        build: makes the network; its recipe's numbers are bounded.

    Raises:
        RunError: the file is missing or damaged, or its tensors are not the network's.
    """
    with torch.device("meta"):
        expected = {name: tuple(t.shape) for name, t in module_tensors(prefix, build()).items()}
    with _opened(path) as file:
        names = [name for name in file.keys() if name.startswith(prefix + ".")]  # noqa: SIM118
        found = {name: tuple(file.get_slice(name).get_shape()) for name in names}
        if found != expected:
            name = min(n for n in {*found, *expected} if found.get(n) != expected.get(n))
            raise RunError(
                f"does not fit its recipe: {name:.80} is {_shape(found.get(name))} in the file, "
                f"{_shape(expected.get(name))} in the recipe",
                where=str(path),
            )
        tensors = {name: file.get_tensor(name) for name in names}
    network = build()
    load_module(prefix, network, tensors, path)
    return network


def file_hash(path: Path) -> str:
    """16 hex digits of a file's SHA-256, by which provenance names a snapshot."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while part := file.read(1 << 20):
            digest.update(part)
    return digest.hexdigest()[:16]


def module_tensors(prefix: str, module: nn.Module) -> dict[str, Tensor]:
    """Parameters and buffers, named `prefix.name`."""
    return {f"{prefix}.{name}": tensor for name, tensor in module.state_dict().items()}


def load_module(prefix: str, module: nn.Module, tensors: Mapping[str, Tensor], where: Path) -> None:
    """Fill a module from tensors named `prefix.name`.

    Raises:
        RunError: names or shapes are not the module's.
    """
    own = {n[len(prefix) + 1 :]: t for n, t in tensors.items() if n.startswith(prefix + ".")}
    try:
        module.load_state_dict(own)
    except RuntimeError as error:
        raise RunError(f"does not fit its recipe ({error})", where=str(where)) from None


def optimizer_tensors(prefix: str, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """An optimiser's state, named `prefix.parameter.field`; its settings are in the recipe."""
    state = optimizer.state_dict()["state"]
    return {
        f"{prefix}.{parameter}.{name}": torch.as_tensor(value)
        for parameter, fields in state.items()
        for name, value in fields.items()
    }


def load_optimizer(
    prefix: str,
    optimizer: torch.optim.Optimizer,
    tensors: Mapping[str, Tensor],
    where: Path,
    *,
    steps: int,
) -> None:
    """Fill an optimiser's state from tensors named `prefix.parameter.field`.

    Args:
        prefix: as given to `optimizer_tensors`.
        optimizer: of parameters with the same shapes in the same order, all of them trained.
        tensors: what `optimizer_tensors` returned, in any memory format.
        where: the file, for errors.
        steps: steps done; before the first one there is no state.

    Raises:
        RunError: the state does not belong to these parameters, or is incomplete.
    """
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    expected = {
        f"{prefix}.{place}.{name}": parameter.shape if is_moment else torch.Size()
        for place, parameter in enumerate(parameters if steps else [])
        for name, is_moment in _state_fields(optimizer).items()
    }
    found = {name: t.shape for name, t in tensors.items() if name.startswith(prefix + ".")}
    if found != expected:
        name = min(n for n in {*found, *expected} if found.get(n) != expected.get(n))
        raise RunError(
            f"does not fit its recipe: {name:.80} is {_shape(found.get(name))} in the file, "
            f"{_shape(expected.get(name))} after {steps:,} steps of the recipe's optimiser",
            where=str(where),
        )
    state: dict[int, dict[str, Any]] = {}
    for full_name in found:
        place, name = full_name[len(prefix) + 1 :].split(".")
        tensor, parameter = tensors[full_name], parameters[int(place)]
        if tensor.shape == parameter.shape:
            # Fused Adam needs moments with the memory format of their parameter.
            tensor = torch.empty_like(parameter).copy_(tensor)
        state.setdefault(int(place), {})[name] = tensor
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})


def _state_fields(optimizer: torch.optim.Optimizer) -> dict[str, bool]:
    """Fields of an optimiser's state, and whether each has the shape of its parameter."""
    device = optimizer.param_groups[0]["params"][0].device
    parameter = nn.Parameter(torch.zeros(2, device=device))
    parameter.grad = torch.zeros_like(parameter)
    again: Any = type(optimizer)
    # AdamW's defaults have a setting of its base class Adam, which AdamW does not take.
    taken = inspect.signature(again).parameters
    settings = {name: value for name, value in optimizer.defaults.items() if name in taken}
    probe = again([parameter], **settings)
    probe.step()
    kept = probe.state[parameter].items()
    return {name: torch.as_tensor(value).shape == parameter.shape for name, value in kept}


def _sort_header(path: Path) -> None:
    """Sort the header of a safetensors file by name, in place.

    safetensors writes the texts in random order (its issue 584).
    """
    with open(path, "rb+") as file:
        length = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(length))
        # As compact as safetensors' own header, so of the same length; it pads with spaces too.
        text = json.dumps(header, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
        content = text.encode().ljust(length)
        if len(content) == length:
            file.seek(8)
            file.write(content)


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """Open a safetensors file; errors name it."""
    if not path.is_file():
        raise RunError(
            f"no such weights file: {describe_path(path) or 'it is a folder'}",
            where=str(path),
            remedy=suggest_path(path, ""),
        )
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            yield file
    except (SafetensorError, OSError) as error:
        raise RunError(
            f"is not a readable safetensors file ({error})",
            where=str(path),
            remedy="Give a file written by hwgen, or copy it again",
        ) from None


def _shape(shape: Sequence[int] | None) -> str:
    return "absent" if shape is None else str(list(shape))
