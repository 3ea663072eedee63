"""What an ONNX file does not say: its classes, and the values of paper and ink.

Beside `model.onnx` may be `model.classes.txt`, a label per line in the order of the outputs, and
`model.toml` with the fields of InputSettings.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hwgen.charset import Charset
from hwgen.errors import CharsetError, InputError
from hwgen.io.json_files import parse_json
from hwgen.io.toml_files import read_toml
from hwgen.schema import MAX_SIZE, from_json

MAX_BYTES = 16 << 20
"""Maximum size of a file of classes."""

NAMES = ("charset", "classes", "names")
"""Keys of the metadata of an ONNX file under which programs write the classes."""

_NUMBERED = re.compile(r"(\d{1,7}): (?:'([^'\\]*)'|\"([^\"\\]*)\")")

Values = tuple[float, ...]


def classes_file(model: Path) -> Path:
    """Where the classes of a model are."""
    return model.with_suffix(".classes.txt")


def settings_file(model: Path) -> Path:
    """Where the settings of a model's input are."""
    return model.with_suffix(".toml")


@dataclass(frozen=True)
class InputSettings:
    """Values at the input of a network: ((1 - ink) * white + ink * black - mean) / std.

    Each is one number, or one per channel.

    Attributes:
        white: value of white paper.
        black: value of black ink.
        mean: subtracted from the values.
        std: by which they are then divided, as torchvision's Normalize does.
        size: width and height of the images, pixels; None for what the model declares.

    Raises:
        InputError: paper and ink have the same value, or a number is out of range.
    """

    white: Values = (1.0,)
    black: Values = (0.0,)
    mean: Values = (0.0,)
    std: Values = (1.0,)
    size: int | None = None

    def __post_init__(self) -> None:
        white, black = np.broadcast_arrays(self.white, self.black)
        if (white == black).any():
            raise InputError("white and black should differ")
        if not all(self.std):
            raise InputError("std should not be 0")
        if self.size is not None and not 1 <= self.size <= MAX_SIZE:
            raise InputError(f"size should be between 1 and {MAX_SIZE:,}, found {self.size}")

    def linear(self) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """Factor and summand of grey values 0 to 255, float32 [1 or channels] each."""
        white, black, mean, std = map(np.array, (self.white, self.black, self.mean, self.std))
        factor, summand = (white - black) / 255 / std, (black - mean) / std
        return factor.astype(np.float32), summand.astype(np.float32)

    @property
    def text(self) -> str:
        """The fields that differ from their defaults, and white and black: `white = 0, ...`."""
        fields = {"white": self.white, "black": self.black}
        fields |= {"mean": self.mean} if any(self.mean) else {}
        fields |= {"std": self.std} if set(self.std) != {1.0} else {}
        return ", ".join(
            f"{name} = {list(values) if len(values) > 1 else values[0]}"
            for name, values in fields.items()
        )

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in asdict(self).items()
        }


def read_settings(model: Path, channels: int, white: float) -> InputSettings:
    """The settings beside a model.

    Args:
        model: the ONNX file.
        channels: of its input.
        white: default of `white`.

    Raises:
        InputError: the file has unknown fields, or numbers that are out of range.
    """
    file = settings_file(model)
    given = read_toml(file) if file.is_file() else {}
    values = {
        name: [value] if isinstance(value, int | float) and name != "size" else value
        for name, value in {"white": white, **given}.items()
    }
    try:
        for name, value in values.items():
            if isinstance(value, list) and len(value) not in (1, channels):
                raise InputError(
                    f"{name} should be a number, or one for each of {channels} channels"
                )
        settings: InputSettings = from_json(InputSettings, values, "settings")
    except InputError as error:
        remedy = error.remedy or "Its fields are white, black, mean, std and size"
        raise InputError(error.what, where=str(file), remedy=remedy) from None
    return settings


def read_classes(model: Path, metadata: Mapping[str, str], outputs: Sequence[int]) -> Charset:
    """The classes of a model: of the file beside it, or else of its metadata.

    Args:
        model: the ONNX file.
        metadata: texts in it.
        outputs: number of scores of each output of the model; the classes are those of one of them.

    Raises:
        InputError: there are none, or not as many as outputs.
        CharsetError: they are no charset.
    """
    file = classes_file(model)
    labels, where = (_lines(file), str(file)) if file.is_file() else _in_metadata(metadata, model)
    remedy = (
        f"Write the labels into {file}, one per line, in the order of the model's {outputs[0]:,} "
        "scores"
    )
    if not labels:
        raise InputError("the classes of the model are not known", where=str(model), remedy=remedy)
    if len(labels) not in outputs:
        raise InputError(
            f"has {len(labels):,} classes, but the model {outputs[0]:,} scores per image",
            where=where,
            remedy=f"{remedy}; a score that is of no character gets any other name, such as blank",
        )
    try:
        return Charset(tuple(labels))
    except CharsetError as error:
        raise CharsetError(error.what, where=where, remedy=remedy) from None


def _lines(file: Path) -> list[str]:
    """Labels, one per line; characters where there is a single line."""
    with open(file, "rb") as stream:
        data = stream.read(MAX_BYTES + 1)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise CharsetError(
            f"invalid UTF-8 at byte {error.start}", where=str(file), remedy="Convert it to UTF-8"
        ) from None
    if len(data) > MAX_BYTES:
        raise InputError(f"expected at most {MAX_BYTES:,} bytes", where=str(file))
    lines = [line.strip(" \t\r") for line in text.rstrip().split("\n")]
    return list(lines[0]) if len(lines) == 1 else lines


def _in_metadata(metadata: Mapping[str, str], model: Path) -> tuple[list[str], str]:
    """Labels in the metadata of an ONNX file, [] if there are none; and where they are."""
    for key in NAMES:
        if key in metadata and (labels := _labels(metadata[key])):
            return labels, f"{model}, metadata {key!r}"
    return [], ""


def _labels(text: str) -> list[str]:
    """Labels as a JSON list, or as a dictionary {0: 'a', 1: 'b'} of JSON or Python."""
    try:
        found = parse_json(text)
    except ValueError:
        found = {number: one or other for number, one, other in _NUMBERED.findall(text)}
    if isinstance(found, dict):
        found = [found.get(str(number)) for number in range(len(found))]
    return found if isinstance(found, list) and all(isinstance(one, str) for one in found) else []
