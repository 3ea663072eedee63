"""An ONNX file with its weights in memory; the file is untrusted.

ONNX has no code, but weights may be in other files, and operators in other libraries. Both are
checked here, so that onnxruntime sees neither a path nor an operator that is not ONNX's own.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hwgen.errors import InputError, RunError
from hwgen.io import os_errors
from hwgen.io.paths import describe_path, suggest_path

if TYPE_CHECKING:
    import onnx

MAX_BYTES = (1 << 31) - (1 << 20)
"""Maximum size of a model with its weights: protobuf's limit, less a margin."""

DOMAINS = ("", "ai.onnx", "ai.onnx.ml")
"""Operators of the ONNX standard."""

RESERVED = ("ai.onnx", "com.intel", "com.microsoft", "com.ms", "com.xilinx", "org.pytorch.aten")
"""Domains of onnxruntime's own operators, with all below them. It runs its own operator even where
the file defines a function of the same name, so a file may not define functions there.
"""


@dataclass(frozen=True)
class ModelFile:
    """A model.

    Attributes:
        content: the model with all its weights, as ONNX.
        metadata: texts in the file.
        sha256: 16 hex digits of the hash of the file and of its weights in other files.
    """

    content: bytes
    metadata: dict[str, str]
    sha256: str


def read_model(path: Path) -> ModelFile:
    """Read an ONNX file; needs the package onnx.

    Weights may be in files in its folder, as torch.onnx.export writes them.

    Raises:
        RunError: the file is missing.
        InputError: it is damaged or too large, names weights outside its folder or links to them,
            or has operators that are not of the ONNX standard.
    """
    import onnx
    from google.protobuf.message import DecodeError

    if not path.is_file():
        raise RunError(
            f"no ONNX file here: {describe_path(path) or 'it is a folder'}",
            where=str(path),
            remedy=suggest_path(path, "Give an ONNX classifier"),
        )
    _check_bytes(path.stat().st_size, path)
    content = path.read_bytes()
    digest = hashlib.sha256(content)
    try:
        model = onnx.ModelProto.FromString(content)
    except DecodeError as error:
        raise InputError(
            f"is not an ONNX file, or a damaged one ({error})",
            where=str(path),
            remedy="Copy it again, or export the model again",
        ) from None
    messages = list(_messages(model))
    _check_operators(model, messages, path)
    external = [one for one in messages if isinstance(one, onnx.TensorProto) and _is_outside(one)]
    size = len(content)
    for tensor in external:
        data = _weights(tensor, path)
        size += len(data)
        _check_bytes(size, path)
        digest.update(data)
        tensor.raw_data = data
        tensor.ClearField("external_data")
        tensor.ClearField("data_location")
    return ModelFile(
        content=model.SerializeToString() if external else content,
        metadata={entry.key: entry.value for entry in model.metadata_props},
        sha256=digest.hexdigest()[:16],
    )


def _check_bytes(size: int, path: Path) -> None:
    if size > MAX_BYTES:
        raise InputError(
            f"expected at most {MAX_BYTES:,} bytes with all weights, found {size:,}",
            where=str(path),
        )


def _messages(message: Any) -> Iterator[Any]:
    """A protobuf message and all messages in it: graphs in attributes and functions, too."""
    from google.protobuf.message import Message

    yield message
    for field, value in message.ListFields():
        if field.message_type is not None:
            for one in (value,) if isinstance(value, Message) else value:
                yield from _messages(one)


def _check_operators(model: onnx.ModelProto, messages: list[Any], path: Path) -> None:
    """Refuse operators that are neither of ONNX nor defined in the file itself."""
    import onnx

    functions = {(one.domain, one.name) for one in model.functions if not _is_reserved(one.domain)}
    used = {(one.domain, one.op_type) for one in messages if isinstance(one, onnx.NodeProto)}
    used |= {(one.domain, one.name) for one in model.functions}
    foreign = {f"{domain}.{name}" for domain, name in used - functions if domain not in DOMAINS}
    if foreign:
        raise InputError(
            f"has operators that are not of the ONNX standard: {', '.join(sorted(foreign))!s:.200}",
            where=str(path),
            remedy="Export the model without custom operators, and without the optimisations of "
            "onnxruntime",
        )


def _is_reserved(domain: str) -> bool:
    return any(domain == one or domain.startswith(f"{one}.") for one in RESERVED)


def _is_outside(tensor: onnx.TensorProto) -> bool:
    import onnx

    return tensor.data_location == onnx.TensorProto.EXTERNAL or len(tensor.external_data) > 0


def _weights(tensor: onnx.TensorProto, path: Path) -> bytes:
    """The bytes of weights in another file of the model's folder."""
    entries = {entry.key: entry.value for entry in tensor.external_data}
    location = entries.get("location", "")
    try:
        file = path.parent / location
        if not file.resolve().is_relative_to(path.parent.resolve()):
            raise _outside(path, location)
        offset, length = int(entries.get("offset") or 0), int(entries.get("length") or -1)
        if offset < 0 or length > MAX_BYTES:
            raise ValueError(f"offset {offset}, length {length}")
        with open(file, "rb") as stream:
            stream.seek(offset)
            data = stream.read(MAX_BYTES + 1 if length < 0 else length)
        if 0 <= length != len(data):
            raise ValueError(f"expected {length:,} bytes, found {len(data):,}")
        return data
    except (OSError, ValueError) as error:
        raise InputError(
            f"failed to read its weights from {location!r:.200} ({os_errors.reason(error)})",
            where=str(path),
            remedy="Copy all files of the model into one folder",
        ) from None


def _outside(path: Path, location: str) -> InputError:
    """The error of weights outside the folder of a model, by their path or through a link."""
    if Path(os.path.normpath(path.parent / location)).is_relative_to(os.path.normpath(path.parent)):
        return InputError(
            f"its weights {location!r:.200} are a link to a file outside its folder, as in the "
            "cache of the Hugging Face Hub",
            where=str(path),
            remedy="Copy the model and the file behind the link into one folder, or download the "
            "model again by: hf download USER/NAME --local-dir FOLDER",
        )
    return InputError(
        f"names weights outside its folder: {location!r:.200}",
        where=str(path),
        remedy="Copy the model and its weights into one folder, and export it again if needed",
    )
