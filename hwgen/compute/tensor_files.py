"""In: modules, optimisers and numbers. Out: one safetensors file, and the same read back.

Nothing here executes code from a file: safetensors holds tensors and texts only.
"""

from __future__ import annotations

import hashlib
import shutil
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
from hwgen.io.paths import describe_path, suggest_path

Network = TypeVar("Network", bound=nn.Module)


def save_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Write tensors and texts atomically; makes the file's folder where that is missing.

    Who may read the file is the umask's to say, as of every other file.

    Raises:
        RunError: the disk is full, for example; what was there before still is.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    plain = {name: t.detach().cpu().contiguous().clone() for name, t in tensors.items()}
    # safetensors writes to a file of a name by chance first, which a kill leaves where it is: in a
    # folder of its own, that the next one to write this file removes.
    folder = path.with_name(path.name + ".partial")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    try:
        with atomic_write(path) as temporary:
            save_file(plain, folder / path.name, metadata=dict(metadata))
            # safetensors makes it for its owner alone; the umask decides here, as of the folder.
            with suppress(PermissionError):  # of a file system without modes
                (folder / path.name).chmod(folder.stat().st_mode & 0o666)
            (folder / path.name).replace(temporary)
            folder.rmdir()  # before the file has its name: nobody writes a finished one again
    except SafetensorError as error:
        raise RunError(
            f"cannot be written ({error})",
            where=str(path),
            remedy=os_errors.DISK_FULL,
        ) from None
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def load_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Read what `save_tensors` wrote, on the CPU.

    Raises:
        RunError: the file is missing, cut short, or not a safetensors file.
    """
    with _opened(path) as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        return tensors, dict(file.metadata() or {})


def load_texts(path: Path) -> dict[str, str]:
    """The texts alone of what `save_tensors` wrote; no tensor is read.

    Raises:
        RunError: the file is missing, cut short, or not a safetensors file.
    """
    with _opened(path) as file:
        return dict(file.metadata() or {})


def load_network(path: Path, prefix: str, build: Callable[[], Network]) -> Network:
    """A network from a file that may be a stranger's.

    Before memory is taken for it, the network is built without (on torch's meta device) and its
    shapes are compared with those that the file declares; what a file declares, it holds
    (safetensors sees to that). So no recipe can ask for more memory than the file has bytes.

    Args:
        path: what `save_tensors` wrote.
        prefix: of the network's tensors in it, see `module_tensors`.
        build: makes the network; its recipe's numbers are bounded.

    Raises:
        RunError: the file is missing or damaged, or its tensors are not the network's.
    """
    with torch.device("meta"):
        wanted = {name: tuple(t.shape) for name, t in module_tensors(prefix, build()).items()}
    with _opened(path) as file:
        names = [name for name in file.keys() if name.startswith(prefix + ".")]  # noqa: SIM118
        found = {name: tuple(file.get_slice(name).get_shape()) for name in names}
        if found != wanted:
            name = min(n for n in {*found, *wanted} if found.get(n) != wanted.get(n))
            raise RunError(
                f"does not fit its recipe: {name:.80} is {_shape(found.get(name))} in the file, "
                f"{_shape(wanted.get(name))} in the recipe",
                where=str(path),
            )
        tensors = {name: file.get_tensor(name) for name in names}
    network = build()
    load_module(prefix, network, tensors, path)
    return network


def file_hash(path: Path) -> str:
    """16 hex digits of a file's SHA-256: the name of a checkpoint in every provenance."""
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
        optimizer: of parameters of the same shapes in the same order, all of which it moves.
        tensors: what `optimizer_tensors` gave, in any memory format.
        where: the file, for errors.
        steps: that it had done; before the first one there is no state.

    Raises:
        RunError: the state is not one of these parameters, or not whole.
    """
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    wanted = {
        f"{prefix}.{place}.{name}": parameter.shape if is_moment else torch.Size()
        for place, parameter in enumerate(parameters if steps else [])
        for name, is_moment in _state_fields(optimizer).items()
    }
    found = {name: t.shape for name, t in tensors.items() if name.startswith(prefix + ".")}
    if found != wanted:
        name = min(n for n in {*found, *wanted} if found.get(n) != wanted.get(n))
        raise RunError(
            f"does not fit its recipe: {name:.80} is {_shape(found.get(name))} in the file, "
            f"{_shape(wanted.get(name))} after {steps:,} steps of the recipe's optimiser",
            where=str(where),
        )
    state: dict[int, dict[str, Any]] = {}
    for full_name in found:
        place, name = full_name[len(prefix) + 1 :].split(".")
        tensor, parameter = tensors[full_name], parameters[int(place)]
        if tensor.shape == parameter.shape:
            # Fused Adam walks through memory: moments must lie as their parameter lies.
            tensor = torch.empty_like(parameter).copy_(tensor)
        state.setdefault(int(place), {})[name] = tensor
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})


def _state_fields(optimizer: torch.optim.Optimizer) -> dict[str, bool]:
    """What such an optimiser keeps of a parameter, and whether it is of the parameter's shape."""
    device = optimizer.param_groups[0]["params"][0].device
    parameter = nn.Parameter(torch.zeros(2, device=device))
    parameter.grad = torch.zeros_like(parameter)
    again: Any = type(optimizer)
    probe = again([parameter], **optimizer.defaults)
    probe.step()
    kept = probe.state[parameter].items()
    return {name: torch.as_tensor(value).shape == parameter.shape for name, value in kept}


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """A safetensors file whose failures name it."""
    if not path.is_file():
        raise RunError(
            f"no such checkpoint: {describe_path(path) or 'it is a folder'}",
            where=str(path),
            remedy=suggest_path(path, ""),
        )
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            yield file
    except (SafetensorError, OSError) as error:
        raise RunError(f"is not a checkpoint ({error})", where=str(path)) from None


def _shape(shape: Sequence[int] | None) -> str:
    return "absent" if shape is None else str(list(shape))
