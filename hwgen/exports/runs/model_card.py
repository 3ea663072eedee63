"""In: a model and what is known of its making. Out: its card: README.md with the Hub's header.

Fields of the header: https://huggingface.co/docs/hub/model-cards.
"""

from __future__ import annotations

import html
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from hwgen.charset import UNLABELLED
from hwgen.exports.runs import licences
from hwgen.generators.base import get_kind
from hwgen.results.evaluation import Evaluation
from hwgen.results.lift import Lift
from hwgen.runs import logged
from hwgen.runs.models import Model
from hwgen.store.origin import is_simulated, is_synthetic

_SHOWN = 40
"""Labels."""

_MOST_TEXT = 200

_KINDS = {
    "gnt": "scans in GNT files",
    "ink": "real pen trajectories in POT files, drawn",
    "images": "picture files",
    "synthetic": "samples of a generator",
}
"""Of origins, see hwgen.store.layout.Manifest."""

_FACTS = ("format", "preset", "provenance")

_LIMITS = """\
- It draws the classes above and no others, at {size} x {size} pixels.
- A sample that looks like its label need not teach a recogniser anything: measure with
  `hwgen benchmark`, on real test characters.
- It imitates the writers of its training data, and may repeat what it learnt from, the more so the
  fewer samples a class had: `hwgen evaluate` tests for copies.
"""

_GIVEN = """\
Whoever exported this gives it under **{licence}**. hwgen has not checked whether the terms of the
data allow that.

"""

_LICENCE = """\
hwgen itself is under the MIT licence; these weights are derived from data, whose terms decide. What
hwgen knows of the data is above; whose they are it does not know. CASIA's HWDB and OLHWDB are
provided for research only: read the provider's terms before you pass on weights or samples derived
from them. What was drawn from KanjiVG's strokes (`hwgen simulate`) is under CC BY-SA 3.0. No real
picture is in this folder.
"""


def card(
    model: Model,
    log: Sequence[Mapping[str, Any]],
    name: str,
    onnx: str,
    evaluations: Sequence[Evaluation],
    lifts: Sequence[Lift],
    licence: str = "",
) -> str:
    """The text of README.md.

    Args:
        model: what is exported.
        log: of its run.
        name: of the folder, in the commands.
        onnx: what is to be said of model.onnx; "" where there is none.
        evaluations: of samples of the model.
        lifts: of samples of the model, or of its kind.
        licence: see hwgen.exports.runs.licences.checked; "" where none was given.
    """
    kind = get_kind(model.kind)
    texts = kind.card(model, name)
    labelled = bool(model.recipe.get("conditional", True))
    size = model.recipe.get("size", "?")
    sections = [
        _header(model, texts.pipeline_tag, licence),
        f"# {name}\n\nA {kind.title} of hwgen, preset "
        f"`{model.recipe.get('preset', model.kind)}`, {size} x {size} pixels.\n",
        "![Samples](samples.png)\n\n*Drawn by this very model, seed 0, not picked"
        f"{', a class a row' if labelled else ''}.*\n"
        if not kind.needs_source
        else "",
        "## Use\n\n" + texts.usage,
        f"`model.onnx`: {onnx}\n\n" + _onnx_use(name, texts.noise, labelled) if onnx else "",
        "## Data\n\n" + _data(model, labelled),
        "## Training\n\n" + _training(model, kind.unit, log),
        "## Measured\n\n" + _measured(model, log, evaluations, lifts),
        "## Limits\n\n" + _LIMITS.format(size=size),
        "## Licence\n\n" + (_GIVEN.format(licence=_line(licence)) if licence else "") + _LICENCE,
        "## Recipe\n\n```json\n" + json.dumps(model.recipe, indent=1) + "\n```\n",
    ]
    return "\n".join(part for part in sections if part)


def _header(model: Model, pipeline_tag: str, licence: str) -> str:
    """YAML that the Hugging Face Hub reads."""
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
    label = '\ninputs["label"] = np.full(8, label)  # its place in charset.json' if labelled else ""
    return (
        "```python\nimport numpy as np\nimport onnxruntime\n\n"
        "seed, label = 0, 0\n"
        f'session = onnxruntime.InferenceSession("{name}/model.onnx")\n'
        f'inputs = {{"z": np.random.default_rng((seed, label)).{noise}}}{label}\n'
        "(images,) = session.run(None, inputs)  # uint8 [8, S, S(, 3)], 255 is paper\n```\n\n"
        "These are samples 0 to 7 of the class as hwgen draws them.\n"
    )


def _data(model: Model, labelled: bool) -> str:
    lines = [
        f"- content hash of the store: `{model.content_sha256 or 'not known'}`",
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
        lines.append("- classes: none, it draws without labels")
    return "\n".join(lines) + "\n"


def _origin(origin: Mapping[str, Any]) -> list[str]:
    """What the store said of where its records came from; see hwgen.store.origin.summary."""
    if not origin:
        return ["- where the records came from: not known"]
    inner = origin.get("of_origin")
    if isinstance(inner, Mapping):
        return ["- a part of a store", *_origin(inner)]
    kind = _short(origin.get("kind", ""))
    lines = [f"- where the records came from: {_KINDS.get(kind, kind or 'not known')}"]
    lines += [f"- {name}: {_short(origin[name])}" for name in _FACTS if name in origin]
    if is_synthetic(origin) and kind != "synthetic":
        lines.append("- a generator made some of them, as their files said")
    if is_simulated(origin):
        lines.append("- simulated writers wrote some of them, as their files said")
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
        said = "; ".join(f"{name} {value}" for name, value in framing.items())
        lines.append(f"- framing: {_short(said)}")
    return lines


def _training(model: Model, unit: str, log: Sequence[Mapping[str, Any]]) -> str:
    total = model.recipe.get("images") or model.recipe["steps"] * model.recipe["batch"]
    seen = [entry for entry in log if entry["images"] <= model.images]
    seconds = [value for entry in seen if (value := logged(entry, "seconds")) is not None]
    machines = [entry["began"] for entry in seen if isinstance(entry.get("began"), dict)]
    said = [", ".join(f"{key} {value}" for key, value in one.items()) for one in machines]
    lines = [
        f"- run `{model.run}`, checkpoint `{model.snapshot_hash}`, begun with hwgen {model.hwgen}",
        f"- {model.images:,} of {total:,} {unit}, "
        + (f"{seconds[-1]:,.0f} s" if seconds else "time not logged"),
        *(f"- on: {_line(machine)}" for machine in dict.fromkeys(said)),
    ]
    return "\n".join(lines) + "\n"


def _measured(
    model: Model,
    log: Sequence[Mapping[str, Any]],
    evaluations: Sequence[Evaluation],
    lifts: Sequence[Lift],
) -> str:
    parts = []
    scores = [entry for entry in log if entry["images"] == model.images and "purity" in entry]
    if scores:
        last = scores[-1]
        reader = f" `{_line(str(last['recogniser']))}`" if "recogniser" in last else ""
        rows = [
            (meaning, f"{value:.3f}")
            for key, meaning in (
                ("purity", "share read as its label (purity)"),
                ("diversity", "variety within a class, as a share of the real one"),
                ("frechet_share", "Fréchet distance, as a share of the spread of real samples"),
            )
            if (value := logged(last, key)) is not None
        ]
        parts.append(
            f"At this checkpoint, by the recogniser{reader} that scored the run, on samples of "
            "some classes:\n\n" + _table(("figure", "value"), rows)
        )
    for evaluation in evaluations:
        judged = evaluation.stores["synthetic"]
        figures = [
            (one.title, f"{one.value:.3f}", _share(one.reference), one.better, one.meaning)
            for one in evaluation.figures.values()
        ]
        parts.append(
            f"`hwgen evaluate` of {judged.count:,} samples (store `{judged.content_sha256[:16]}`), "
            "beside real samples in their place:\n\n"
            + _table(("figure", "value", "real", "better", "what"), figures)
            + "".join(f"\n- {_line(note)}" for note in evaluation.notes)
            + "\n"
        )
    for lift in lifts:
        generator = str(lift.generator.get("kind", "not told"))
        parts.append(
            f"`hwgen lift --experiment {_line(lift.kind)}`, {lift.trials} trials, generator "
            f"{_line(generator)}: {_line(lift.advice)}\n"
        )
    return "\n".join(parts) or (
        "Nothing yet. `hwgen evaluate` judges samples beside real ones, `hwgen benchmark` whether "
        "they help.\n"
    )


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _count(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else "not known"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *([_line(text) for text in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def _short(value: object) -> str:
    """Of a value that may be anybody's as much as fits a line."""
    return _line(str(value)[:_MOST_TEXT])


def _line(text: str) -> str:
    """A text that stays in its line and cell, whoever wrote it."""
    return " ".join(html.escape(text, quote=False).split()).replace("|", "\\|")
