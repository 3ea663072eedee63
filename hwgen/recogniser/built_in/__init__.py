"""Recognisers that come with hwgen and need no training: "simulated".

`simulated.safetensors` learnt 3,755 characters (GB2312 level 1) from simulated handwriting alone,
by the recipe `light`; CARD.md says how, what it reads, and under which licence it is. Most weights
are stored as float16.
"""

from __future__ import annotations

from pathlib import Path

from hwgen.errors import InputError

BUILT_IN: dict[str, Path] = {"simulated": Path(__file__).with_name("simulated.safetensors")}
"""Name -> file."""


def recogniser_file(place: Path | str) -> Path:
    """The file of a recogniser: one of BUILT_IN by its name, or the place itself.

    Raises:
        InputError: it is such a name, and a file of this name is here, too.
    """
    path = Path(place)
    built_in = BUILT_IN.get(str(place))
    if built_in is None:
        return path
    if path.is_file():
        raise InputError(
            f"{str(place)!r} is a recogniser that comes with hwgen, and a file here",
            remedy=f"Give {path.absolute()} for the file, or rename it",
        )
    return built_in
