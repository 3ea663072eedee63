"""Where the characters of lines come from: a store, or a generator."""

from __future__ import annotations

from collections.abc import Iterable, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hwgen.charset import Charset
from hwgen.errors import InputError
from hwgen.exports.export import described
from hwgen.generators.base import get_kind, load_generator
from hwgen.generators.built_in import is_built_in
from hwgen.generators.samplers import Sampler, WriterSampler
from hwgen.generators.simulated.sampling import SIZE
from hwgen.io.paths import describe_path, suggest_path
from hwgen.lines.cropping import full_size_of
from hwgen.lines.glyphs import Characters
from hwgen.lines.of_generator import GeneratedCharacters
from hwgen.lines.of_store import StoreCharacters
from hwgen.runs.models import is_model
from hwgen.runs.snapshots import find_model
from hwgen.sources.strokes.choice import stroke_data
from hwgen.sources.strokes.data import StrokeData
from hwgen.store import Store, looks_like_store
from hwgen.store.origin import is_generated, is_simulated, is_synthetic, notice
from hwgen.synthesis.provenance import generated_origin


@dataclass(frozen=True)
class SourceOptions:
    """How a source is read.

    Attributes:
        writers: of a store, ids and ranges of ids; "" for all.
        snapshot: of a run: "last", "best", or a number of images.
        strokes: of the simulator, or of a refiner instead of those that it was trained with.
        device: of a generator: "auto", "cpu", "cuda", ...
    """

    writers: str = ""
    snapshot: str = "last"
    strokes: StrokeData | Path | str | None = None
    device: str = "auto"


@dataclass(frozen=True)
class Source:
    """Characters, and what an export says of their source.

    Attributes:
        characters: images of characters.
        name: of each record, see hwgen.record.Record.
        store: see hwgen.exports.export.Export.
        synthetic: likewise.
        simulated: likewise.
        generated: likewise.
        notice: likewise.
    """

    characters: Characters
    name: str
    store: dict[str, Any]
    synthetic: bool
    simulated: bool
    generated: bool
    notice: str


def open_source(
    place: Path, wanted: Iterable[str], options: SourceOptions, *, height: int = SIZE
) -> Source:
    """A store, a run, an exported model or the simulator as a source of characters.

    Args:
        place: of it, or "simulated", see hwgen.generators.built_in; a store of this name comes
            first.
        wanted: characters that are asked of a generator which can make any.
        options: how it is read.
        height: of the lines, pixels; the simulator's characters are large enough for it.

    Raises:
        StoreError, RunError: it is damaged.
        InputError: nothing is there, an option does not fit the source, or it is in colour,
            stretched, or cannot write a line in one hand.
    """
    if looks_like_store(place):
        return _store(place, options)
    if options.writers:
        raise InputError(
            "a generator has no writers to select",
            where=str(place),
            remedy="Leave out --writers",
        )
    if is_built_in(place):
        return _generator(place, _simulator(place, wanted, options, height))
    return _generator(place, _trained(place, wanted, options))


def _store(place: Path, options: SourceOptions) -> Source:
    if options.strokes is not None:
        raise InputError(
            "strokes are for the simulator or a refiner, but this is a store",
            where=str(place),
            remedy="Leave out --strokes",
        )
    store = Store(place)
    origin = store.manifest.origin
    return Source(
        StoreCharacters(store, options.writers),
        name=f"lines of store {store.manifest.content_sha256[:16]}",
        store=described(store),
        synthetic=store.is_synthetic,
        simulated=is_simulated(origin),
        generated=is_generated(origin),
        notice=notice(origin),
    )


def _simulator(place: Path, wanted: Iterable[str], options: SourceOptions, height: int) -> Sampler:
    strokes = stroke_data(options.strokes)
    return load_generator(
        place,
        snapshot=options.snapshot,
        charset=_of(wanted, strokes.characters()),
        strokes=strokes,
        size=max(SIZE, height),
    )


def _trained(place: Path, wanted: Iterable[str], options: SourceOptions) -> Sampler:
    _check_model(place)
    model = find_model(place, options.snapshot)
    kind = get_kind(model.kind, str(place))
    if kind.needs_source:
        raise InputError(
            f"a {kind.title} cannot write a whole line in one hand",
            where=str(place),
            remedy="Make a store with hwgen synthesize, and give that",
        )
    given: dict[str, Any] = {}
    if options.strokes is not None:
        given["strokes"] = stroke_data(options.strokes)
    if "charset" in kind.sampling_options:
        given["charset"] = _of(wanted, kind.characters(model, **given))
    return load_generator(place, snapshot=options.snapshot, device=options.device, **given)


def _check_model(place: Path) -> None:
    """Refuse a place without a run or a model.

    Raises:
        InputError: says what is there instead, and what can be given.
    """
    if is_model(place) or (place / "run.json").exists():
        return
    described = describe_path(place) or "it is none of them"
    raise InputError(
        f"no store, run or exported model here: {described}",
        where=str(place),
        remedy=suggest_path(
            place,
            "Give one of these, or simulated: the simulator, which needs no files",
            ["manifest.json", "run.json", "model.safetensors"],
        ),
    )


def _of(wanted: Iterable[str], known: Set[str]) -> Charset:
    return Charset(tuple(sorted(one for one in set(wanted) if one in known)))


def _generator(place: Path, sampler: Sampler) -> Source:
    own = dict(sampler.origin) if isinstance(sampler, WriterSampler) else {}
    origin = {
        "kind": "synthetic",
        "preset": sampler.preset,
        "provenance": sampler.provenance,
        **({"data": sampler.data[0]} if sampler.data else {}),
        **own,
        **generated_origin(sampler),
    }
    return Source(
        GeneratedCharacters(sampler, full_size_of(sampler.size, sampler.framing, str(place))),
        name=f"lines of {sampler.provenance}",
        store={"size": sampler.size, "channels": sampler.channels, "origin": origin},
        synthetic=is_synthetic(origin),
        simulated=is_simulated(origin),
        generated=is_generated(origin),
        notice=notice(origin),
    )
