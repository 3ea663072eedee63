"""The card of an exported model: README.md with the header of the Hugging Face Hub.

Fields of the header: https://huggingface.co/docs/hub/model-cards.
"""

from __future__ import annotations

import html
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from hwgen.charset import UNLABELLED
from hwgen.exports.models import licences
from hwgen.exports.models.model_results import ModelResults
from hwgen.generators.base import get_kind
from hwgen.runs import logged
from hwgen.runs.models import Model
from hwgen.store.origin import is_simulated, is_synthetic

_SHOWN = 40
"""Most labels and file names that are listed."""

_MOST_TEXT = 200

_KINDS = {
    "gnt": "scans in GNT files",
    "ink": "real pen trajectories in POT files, rendered",
    "images": "image files",
    "strokes": "simulated handwriting, rendered from strokes",
    "synthetic": "samples of a generator",
}
"""Kinds of origin in words, see hwgen.store.layout.Manifest."""

_FACTS = ("format", "preset", "provenance")

_LIMITS = """\
- It generates {classes}, at {size} x {size} pixels.
- A sample that is read as its label may still not help to train a recogniser: measure it with
  `hwgen benchmark` on real test characters.
- It imitates the writers of its training data, and may copy training samples, above all of classes
  with few of them: `hwgen evaluate` tests for copies.
"""

_GIVEN = """\
The exporter of this model gives it under **{licence}**. hwgen has not checked whether the terms of
the training data allow that.

"""

_LICENCE = """\
hwgen itself is under the MIT licence. These weights are derived from the training data above, and
the terms of the data apply to them; hwgen does not know the owners of the data. CASIA provides HWDB
and OLHWDB for research only: read its terms before you pass on weights or samples derived from
them. Simulated characters are under the licence of their strokes: Make Me a Hanzi, Arphic Public
License; KanjiVG, CC BY-SA 3.0. This directory contains no real image.
"""


def card(
    model: Model,
    log: Sequence[Mapping[str, Any]],
    name: str,
    *,
    onnx: str,
    results: ModelResults,
    licence: str = "",
) -> str:
    """The text of README.md.

    Args:
        model: the exported model.
        log: of its run.
        name: of the directory, for the commands.
        onnx: text about model.onnx; "" if there is none.
        results: measurements of the model.
        licence: see hwgen.exports.models.licences.normalise_licence; "" if none was given.
    """
    kind = get_kind(model.kind)
    texts = kind.card(model, name)
    labelled = bool(model.recipe.get("conditional", True))
    size = model.recipe.get("size", "?")
    sections = [
        _header(model, texts.pipeline_tag, licence),
        f"# {name}\n\nA {kind.title} of hwgen, preset "
        f"`{model.recipe.get('preset', model.kind)}`, {size} x {size} pixels.\n",
        "![Samples](samples.png)\n\n*Samples of this model, seed 0, not selected"
        f"{', one class per row' if labelled else ''}.*\n"
        if not kind.needs_source
        else "",
        "## Use\n\n" + texts.usage,
        f"`model.onnx`: {onnx}\n\n" + _onnx_use(name, texts.noise, labelled) if onnx else "",
        "## Data\n\n"
        + _data(model, labelled)
        + "".join(f"- {_line(line)}\n" for line in texts.data),
        "## Training\n\n" + _training(model, kind.unit, log),
        "## Measured\n\n" + _measured(model, log, results),
        "## Limits\n\n" + _LIMITS.format(size=size, classes=texts.classes),
        "## Licence\n\n" + (_GIVEN.format(licence=_line(licence)) if licence else "") + _LICENCE,
        "## Recipe\n\n```json\n" + json.dumps(model.recipe, indent=1) + "\n```\n",
    ]
    return "\n".join(part for part in sections if part)


def _header(model: Model, pipeline_tag: str, licence: str) -> str:
    """The YAML header for the Hugging Face Hub."""
    tags = ["hwgen", model.kind, "synthetic-data"]
    if any("\u4e00" <= label[0] <= "\u9fff" for label in model.charset):
        tags.append("handwritten-chinese")
    lines = [
        "---",
        *licences.header(licence),
        "library_name: hwgen",
        f"pipeline_tag: {pipeline_tag}",
        "tags:",
        *(f"- {tag}" for tag in tags),
        "---\n",
    ]
    return "\n".join(lines)


def _onnx_use(name: str, noise: str, labelled: bool) -> str:
    label = (
        '\ninputs["label"] = np.full(8, label)  # its position in charset.json' if labelled else ""
    )
    return (
        "```python\nimport numpy as np\nimport onnxruntime\n\n"
        "seed, label = 0, 0\n"
        f'session = onnxruntime.InferenceSession("{name}/model.onnx")\n'
        f'inputs = {{"z": np.random.default_rng((seed, label)).{noise}}}{label}\n'
        "(images,) = session.run(None, inputs)  # uint8 [8, S, S(, 3)], 255 is paper\n```\n\n"
        "These are samples 0 to 7 of the class, the same as with hwgen.\n"
    )


def _data(model: Model, labelled: bool) -> str:
    lines = [
        f"- content hash of the store: `{model.content_sha256 or 'not known'}`",
        *(f"- learnt before from the store `{_short(one)}`" for one in model.stores_seen[1:]),
        f"- records: {_count(model.data.get('count'))}",
        *_origin(model.origin),
    ]
    if labelled and model.charset != UNLABELLED:
        shown = "".join(f" {_line(label)}" for label in model.charset.labels[:_SHOWN])
        more = " …" if len(model.charset) > _SHOWN else ""
        lines.append(
            f"- classes: {len(model.charset):,}, fingerprint `{model.charset.fingerprint}`, in the "
            f"order of `charset.json`:{shown}{more}"
        )
    else:
        lines.append("- classes: none, it was trained without labels")
    return "\n".join(lines) + "\n"


def _origin(origin: Mapping[str, Any]) -> list[str]:
    """The origin of the training store; see hwgen.store.origin.summary."""
    if not origin:
        return ["- origin of the records: not known"]
    inner = origin.get("of_origin")
    if isinstance(inner, Mapping):
        return ["- a subset of a store", *_origin(inner)]
    kind = _short(origin.get("kind", ""))
    lines = [f"- origin of the records: {_KINDS.get(kind, kind or 'not known')}"]
    lines += [f"- {name}: {_short(origin[name])}" for name in _FACTS if name in origin]
    if is_synthetic(origin) and kind != "synthetic":
        lines.append("- some of them are synthetic, according to their files")
    if is_simulated(origin):
        lines.append("- some of them are simulated, according to their files")
    if "notice" in origin:
        lines.append(f"- {_line(str(origin['notice']))}")
    files = origin.get("files")
    if isinstance(files, list) and files:
        names = ", ".join(f"`{_short(name).replace('`', '')}`" for name in files[:_SHOWN])
        count = origin.get("file_count")
        more = ", …" if isinstance(count, int) and count > len(files) else ""
        lines.append(f"- files and class folders: {_count(count)}: {names}{more}")
    framing = origin.get("framing")
    if isinstance(framing, Mapping) and framing:
        settings = "; ".join(f"{name} {value}" for name, value in framing.items())
        lines.append(f"- framing: {_short(settings)}")
    return lines


def _training(model: Model, unit: str, log: Sequence[Mapping[str, Any]]) -> str:
    total = model.recipe.get("images") or model.recipe["steps"] * model.recipe["batch"]
    seen = [entry for entry in log if entry["images"] <= model.images]
    seconds = [value for entry in seen if (value := logged(entry, "seconds")) is not None]
    machines = [entry["began"] for entry in seen if isinstance(entry.get("began"), dict)]
    described = [", ".join(f"{key} {value}" for key, value in one.items()) for one in machines]
    lines = [
        f"- run `{model.run}`, checkpoint `{model.snapshot_hash}`, begun with hwgen {model.hwgen}",
        f"- {model.images:,} of {total:,} {unit}, "
        + (f"{seconds[-1]:,.0f} s" if seconds else "time not logged"),
        *(f"- on: {_line(machine)}" for machine in dict.fromkeys(described)),
    ]
    return "\n".join(lines) + "\n"


def _measured(
    model: Model,
    log: Sequence[Mapping[str, Any]],
    results: ModelResults,
) -> str:
    parts = []
    scores = [entry for entry in log if entry["images"] == model.images and "purity" in entry]
    if scores:
        last = scores[-1]
        reader = f" `{_line(str(last['recogniser']))}`" if "recogniser" in last else ""
        rows = [
            (meaning, f"{value:.3f}")
            for key, meaning in (
                ("purity", "fraction read as its label (purity)"),
                ("diversity", "variety within a class, relative to real samples"),
                ("frechet_share", "Fréchet distance, relative to the variance of real samples"),
            )
            if (value := logged(last, key)) is not None
        ]
        parts.append(
            f"At this snapshot, by the recogniser{reader} that scored the run, on samples of some "
            "classes:\n\n" + _table(("figure", "value"), rows)
        )
    for evaluation in results.evaluations:
        store = evaluation.stores["synthetic"]
        figures = [
            (one.title, f"{one.value:.3f}", _number(one.reference), one.better, one.meaning)
            for one in evaluation.figures.values()
        ]
        parts.append(
            f"`hwgen evaluate` of {store.count:,} samples (store `{store.content_sha256[:16]}`), "
            "with the figures of real samples as reference:\n\n"
            + _table(("figure", "value", "reference", "better", "meaning"), figures)
            + "".join(f"\n- {_line(note)}" for note in evaluation.notes)
            + "\n"
        )
    for lift in results.lifts:
        kinds = (str(one.get("kind", "not known")) for one in lift.generator_settings)
        generator = ", ".join(dict.fromkeys(kinds))
        parts.append(
            f"`hwgen lift --experiment {_line(lift.kind)}`, {lift.trials} trials, generator "
            f"{_line(generator)}: {_line(lift.advice)}\n"
        )
    return "\n".join(parts) or (
        "Nothing yet. `hwgen evaluate` compares samples with real ones, `hwgen benchmark` measures "
        "whether they improve a recogniser.\n"
    )


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _count(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else "not known"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *([_line(text) for text in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def _short(value: object) -> str:
    """An untrusted value, shortened to one line."""
    return _line(str(value)[:_MOST_TEXT])


def _line(text: str) -> str:
    """An untrusted text, escaped so that it stays in its line and table cell."""
    return " ".join(html.escape(text, quote=False).split()).replace("|", "\\|")
