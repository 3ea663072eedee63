"""In: modules, optimisers and numbers. Out: one safetensors file, and the same read back.

Nothing here executes code from a file: safetensors holds tensors and texts only.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from hwgen.errors import RunError
from hwgen.files import replacing
from hwgen.places import instead, what_lies_at


def save_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Write tensors and texts atomically; makes the file's folder where that is missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    plain = {name: t.detach().cpu().contiguous().clone() for name, t in tensors.items()}
    with replacing(path) as temporary:
        save_file(plain, temporary, metadata=dict(metadata))


def load_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Read what `save_tensors` wrote, on the CPU.

    Raises:
        RunError: the file is missing, cut short, or not a safetensors file.
    """
    if not path.is_file():
        raise RunError(
            f"no such checkpoint: {what_lies_at(path) or 'it is a folder'}",
            where=str(path),
            remedy=instead(path, ""),
        )
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            return tensors, dict(file.metadata() or {})
    except (SafetensorError, OSError) as error:
        raise RunError(f"is not a checkpoint ({error})", where=str(path)) from None


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
    prefix: str, optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]
) -> None:
    """Fill an optimiser's state from tensors named `prefix.parameter.field`.

    Args:
        prefix: as given to `optimizer_tensors`.
        optimizer: of parameters of the same shapes in the same order.
        tensors: what `optimizer_tensors` gave, in any memory format.
    """
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    state: dict[int, dict[str, Any]] = {}
    for full_name, tensor in tensors.items():
        if full_name.startswith(prefix + "."):
            _, place, name = full_name.rsplit(".", 2)
            parameter = parameters[int(place)]
            if tensor.shape == parameter.shape:
                # Fused Adam walks through memory: moments must lie as their parameter lies.
                tensor = torch.empty_like(parameter).copy_(tensor)
            state.setdefault(int(place), {})[name] = tensor
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})
