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
"""Name -> the module with its `load`, the OPTIONS of that, and the TITLE in messages. A run in a
folder of this name is given as an absolute path.
"""


def is_built_in(place: object) -> bool:
    """Whether a place of a generator is the name of one of BUILT_IN, such as "simulated"."""
    return isinstance(place, str | Path) and str(place) in BUILT_IN


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
