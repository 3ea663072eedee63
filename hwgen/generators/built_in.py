"""Generators that come with hwgen and need no training, and so no run."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hwgen.errors import InputError

if TYPE_CHECKING:
    from hwgen.generators.samplers import Sampler

BUILT_IN: dict[str, str] = {"simulated": "hwgen.generators.simulated.sampling"}
"""Name -> the module with its `load`, the OPTIONS of that, and the TITLE in messages."""


def is_built_in(place: object) -> bool:
    """Whether a place of a generator is the name of one of BUILT_IN, such as "simulated".

    Raises:
        InputError: it is, and a run or a model is in a folder of this name, too.
    """
    if not isinstance(place, str | Path) or str(place) not in BUILT_IN:
        return False
    for file in ("run.json", "model.safetensors"):
        if (Path(place) / file).exists():
            raise InputError(
                f"{str(place)!r} is a generator that comes with hwgen, and a folder here with "
                f"{file}",
                remedy=f"Give {Path(place).absolute()} for the folder, or rename it",
            )
    return True


def load_built_in(
    name: str, *, snapshot: str, source: object | None, options: Mapping[str, Any]
) -> Sampler:
    """The sampler of one of BUILT_IN; see hwgen.generators.base.load_generator.

    Raises:
        InputError: it does not take an option; or see its `load`.
        CharsetError: see its `load`.
    """
    module = importlib.import_module(BUILT_IN[name])
    refused = [
        *(["--snapshot"] if snapshot != "last" else []),
        *(["--real (source)"] if source is not None else []),
        *(f"--{option}" for option in sorted(options.keys() - module.OPTIONS)),
    ]
    if refused:
        raise InputError(
            f"{', '.join(refused)}: the {module.TITLE} does not take this",
            remedy="Leave it out, or give the run of a trained generator",
        )
    sampler: Sampler = module.load(**options)
    return sampler
