"""Models: the weights of one snapshot with what sampling needs, in a run or exported.

model.safetensors of an exported model holds the tensors of the snapshot, and in its metadata, as
texts, the fields of Model. No code from it is executed, and its recipe is compared with its tensors
before memory is allocated, see hwgen.compute.tensor_files.load_network.

Importing this module imports no torch, so that commands look for a model without its start-up time.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hwgen.charset import Charset
from hwgen.errors import InputError, RunError
from hwgen.io.json_files import parse_json
from hwgen.io.paths import describe_path, suggest_path
from hwgen.runs.run_directory import Run
from hwgen.runs.training_data import stores_seen

FILE = "model.safetensors"
FORMAT = "hwgen-model"
FORMAT_VERSION = 1


@dataclass(frozen=True)
class Model:
    """The weights of one snapshot, of a run or in a model folder, and their provenance.

    Attributes:
        weights: the file.
        kind: name of the kind of generator, see hwgen.generators.base.
        recipe: of the run, plain JSON.
        charset: class order.
        run: id of the run.
        snapshot_hash: hash of the snapshot, see hwgen.compute.tensor_files.file_hash.
        images: images, or pairs of images, that it was trained on.
        data: training data: content_sha256 and count, as far as known.
        hwgen: version that started the run.
        origin: where the data came from, see hwgen.store.origin.summary; {} if not known.
        untrained: labels of the charset that it was not trained on, as far as known.
    """

    weights: Path
    kind: str
    recipe: dict[str, Any]
    charset: Charset
    run: str
    snapshot_hash: str
    images: int
    data: dict[str, Any]
    hwgen: str
    origin: dict[str, Any] = field(default_factory=dict)
    untrained: tuple[str, ...] = ()

    @property
    def folder(self) -> Path:
        """The run directory or the model folder."""
        return self.weights.parent if self.weights.name == FILE else self.weights.parent.parent

    @property
    def id(self) -> str:
        """Id of the run, as of a Run."""
        return self.run

    @property
    def provenance(self) -> str:
        """The source of samples; the same for a run and for its export."""
        return f"run {self.run} checkpoint {self.snapshot_hash}"

    @property
    def stores_seen(self) -> tuple[str, ...]:
        """Content hashes of all stores that it has learnt from, see hwgen.runs.training_data."""
        return stores_seen(self.data)

    @property
    def content_sha256(self) -> str:
        """Content hash of the training store, "" if not known."""
        return str(self.data.get("content_sha256", ""))

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {
            "kind": "model",
            "path": str(self.weights.parent),
            "of": self.kind,
            "run": self.run,
            "checkpoint": self.snapshot_hash,
            "images": self.images,
            "classes": len(self.charset),
            "charset_fingerprint": self.charset.fingerprint,
            "data": self.data,
            "origin": self.origin,
            "hwgen": self.hwgen,
            "bytes": self.weights.stat().st_size,
            "recipe": self.recipe,
        }


def model_of_run(run: Run, snapshot: Path) -> Model:
    """One of a run's snapshots as a model."""
    from hwgen.compute.tensor_files import file_hash

    return Model(
        weights=snapshot,
        kind=run.kind,
        recipe=run.recipe,
        charset=run.charset,
        run=run.id,
        snapshot_hash=file_hash(snapshot),
        images=int(snapshot.stem),
        data=run.data,
        hwgen=run.versions.get("hwgen", ""),
        origin=run.origin,
        untrained=run.untrained,
    )


def is_model(path: Path) -> bool:
    """Whether this is a model folder."""
    return (path / FILE).is_file()


def run_or_model(path: Path) -> Run | Model:
    """The run or the exported model at a path.

    Raises:
        RunError: neither is there.
    """
    return read_model(path) if is_model(path) else Run(path)


def kind_at(path: Path) -> str:
    """The kind of the run or the exported model at a path.

    Raises:
        RunError: neither is there.
    """
    return run_or_model(path).kind


def write_model(folder: Path, model: Model) -> None:
    """Write model.safetensors, atomically."""
    from hwgen.compute.tensor_files import load_tensors, save_tensors

    tensors, _ = load_tensors(model.weights)
    texts = {
        "format": FORMAT,
        "format_version": str(FORMAT_VERSION),
        "kind": model.kind,
        "recipe": json.dumps(model.recipe, ensure_ascii=False),
        "charset": json.dumps(list(model.charset), ensure_ascii=False),
        "run": model.run,
        "checkpoint": model.snapshot_hash,
        "images": str(model.images),
        "data": json.dumps(model.data, ensure_ascii=False),
        "hwgen": model.hwgen,
        "origin": json.dumps(model.origin, ensure_ascii=False),
    }
    if model.untrained:
        texts["untrained"] = json.dumps(list(model.untrained), ensure_ascii=False)
    save_tensors(folder / FILE, tensors, texts)


def read_model(folder: Path) -> Model:
    """Read the metadata of an untrusted model folder; no tensor is read.

    Raises:
        RunError: no model there, or a damaged one or one of another format.
    """
    from hwgen.compute.tensor_files import load_texts

    file = folder / FILE
    if not file.is_file():
        raise RunError(
            f"no model here: {describe_path(folder) or f'{FILE} is missing'}",
            where=str(folder),
            remedy=suggest_path(folder, "Make one with: hwgen export-model RUN", [FILE]),
        )
    texts = load_texts(file)
    try:
        if (texts["format"], texts["format_version"]) != (FORMAT, str(FORMAT_VERSION)):
            found = f"{texts['format']!r:.40} version {texts['format_version']!r:.40}"
            raise ValueError(f"format {found}")
        recipe, data, labels = (parse_json(texts[name]) for name in ("recipe", "data", "charset"))
        origin = parse_json(texts.get("origin", "{}"))  # absent in older models
        untrained = parse_json(texts.get("untrained", "[]"))  # likewise
        objects = all(isinstance(value, dict) for value in (recipe, data, origin))
        if not (objects and isinstance(labels, list) and isinstance(untrained, list)):
            raise ValueError(
                "recipe, data and origin should be objects, charset and untrained lists"
            )
        return Model(
            weights=file,
            kind=texts["kind"],
            recipe=recipe,
            charset=Charset(tuple(labels)),
            run=texts["run"],
            snapshot_hash=texts["checkpoint"],
            images=int(texts["images"]),
            data=data,
            hwgen=texts["hwgen"],
            origin=origin,
            untrained=tuple(map(str, untrained)),
        )
    except (KeyError, ValueError, InputError) as error:
        reason = f"it lacks {error}" if isinstance(error, KeyError) else error
        raise RunError(
            f"is not a model this version of hwgen can read ({reason})", where=str(file)
        ) from None
