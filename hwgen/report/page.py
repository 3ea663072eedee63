"""One self-contained HTML page about runs, benchmarks, lifts, evaluations and stores.

Its content security policy forbids every load and every script: whatever the input files contain,
an opened report does not use the network.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path

from hwgen.errors import InputError
from hwgen.io import os_errors
from hwgen.io.files import write_text
from hwgen.io.outputs import MARK, check_output_file
from hwgen.report import (
    benchmark_section,
    evaluation_section,
    lift_section,
    run_section,
)
from hwgen.report.footer import footer
from hwgen.report.inputs import Inputs, name_of, read_inputs
from hwgen.report.lift_samples import sample_rows
from hwgen.report.markup import Html, facts, join, section, tag, text
from hwgen.report.stores_section import real_section, synthetic_section
from hwgen.report.stroke_font import font_of_page
from hwgen.schema import flatten

_SIMULATED = (
    "Test samples are simulated handwriting, so these results say nothing about real handwriting."
)
_POLICY = "default-src 'none'; img-src data:; font-src data:; style-src 'unsafe-inline'"


def write_report(inputs: Sequence[Path], out: Path, *, real: bool = True) -> Path:
    """Write one self-contained HTML page.

    Args:
        inputs: training runs, folders with a benchmark.json, lift.json or evaluation.json
            (or the file itself), and stores, synthetic and real, in any order.
        out: the page; an existing report is replaced.
        real: whether real images may be in it. Those of CASIA must not be redistributed.

    Returns:
        `out`.

    Raises:
        InputError: no inputs, an input without anything to report, or `out` cannot be written.
        RunError: a run of a foreign format.
        StoreError: an unfinished, foreign or damaged store.
    """
    check_output_file(out, (".html", ".htm"))
    page = _page(read_inputs(inputs), real=real)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        write_text(out, page)
    except OSError as error:
        raise InputError(
            f"cannot be written ({os_errors.reason(error)})",
            where=str(out),
            remedy=os_errors.remedy(error),
        ) from None
    return out


def _page(inputs: Inputs, *, real: bool) -> str:
    sections: list[tuple[str, str, Html]] = []

    def add(kind: str, name: str, number: int, content: Html) -> None:
        sections.append((f"{kind}-{number}", name, content))

    for i, lift in enumerate(inputs.lifts, 1):
        content = lift_section.lift_section(lift, f"lift-{i}")
        add("lift", f"Lift {name_of(lift.folder)}", i, content)
    for i, benchmark in enumerate(inputs.benchmarks, 1):
        content = benchmark_section.benchmark_section(benchmark, f"benchmark-{i}")
        add("benchmark", f"Benchmark {name_of(benchmark.folder)}", i, content)
    for i, evaluation in enumerate(inputs.evaluations, 1):
        content = evaluation_section.evaluation_section(evaluation, f"evaluation-{i}", real=real)
        add("evaluation", f"Evaluation {name_of(evaluation.folder)}", i, content)
    for i, store in enumerate(inputs.synthetic, 1):
        content = synthetic_section(store, inputs.real, f"synthetic-{i}", real=real)
        add("synthetic", f"Synthetic store {name_of(store.path)}", i, content)
    for i, run in enumerate(inputs.runs, 1):
        content = run_section.run_section(run, f"run-{i}", real=real)
        add("run", f"Training run {name_of(run.path)}", i, content)
    for i, store in enumerate(inputs.real if not inputs.synthetic else (), 1):
        content = real_section(store, f"real-{i}", real=real)
        add("real", f"{store.data_kind.capitalize()} store {name_of(store.path)}", i, content)
    title = _title(inputs)
    contents = [
        tag("li", tag("a", name, href=f"#{anchor}"))
        for anchor, name, _ in [*sections, ("provenance", "Provenance", Html(""))]
    ]
    body = tag(
        "main",
        tag(
            "header",
            tag("h1", title),
            *_verdicts(inputs, real=real),
            _tiles(inputs),
            tag("p", _subtitle(inputs)),
        ),
        tag("nav", tag("ul", *contents), aria_label="Contents"),
        *(content for _, _, content in sections),
        _provenance(inputs),
        footer(inputs, real=real),
    )
    style = resources.files("hwgen.report").joinpath("style.css").read_text(encoding="utf-8")
    head = join(
        [
            Html('<meta charset="utf-8">'),
            Html(f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'),
            Html(f'<meta name="generator" content="{MARK}">'),
            Html('<meta name="viewport" content="width=device-width, initial-scale=1">'),
            Html('<meta name="color-scheme" content="light dark">'),
            tag("title", title),
            tag("style", font_of_page(body), Html(style)),
        ],
        "\n",
    )
    return "<!doctype html>\n" + tag("html", tag("head", head), tag("body", body), lang="en") + "\n"


def _title(inputs: Inputs) -> str:
    paths = [run.path for run in inputs.runs] + [b.folder for b in inputs.benchmarks]
    paths += [lift.folder for lift in inputs.lifts]
    paths += [evaluation.folder for evaluation in inputs.evaluations]
    paths += [store.path for store in (*inputs.synthetic, *inputs.real)]
    names = ", ".join(name_of(path) for path in paths[:3])
    return f"hwgen report: {names}{', …' if len(paths) > 3 else ''}"


def _subtitle(inputs: Inputs) -> str:
    counts = {
        "training run": len(inputs.runs),
        "synthetic store": len(inputs.synthetic),
        "real store": sum(store.data_kind == "real" for store in inputs.real),
        "simulated store": sum(store.data_kind != "real" for store in inputs.real),
        "benchmark": len(inputs.benchmarks),
        "lift": len(inputs.lifts),
        "evaluation": len(inputs.evaluations),
    }
    return "Made from " + ", ".join(
        f"{n} {w}{'' if n == 1 else 's'}" for w, n in counts.items() if n
    )


def _verdicts(inputs: Inputs, *, real: bool) -> list[Html]:
    """What the results show, before any figure, and what recognisers of a lift learnt from."""
    lines = [(lift.folder, lift_section.verdict(lift)) for lift in inputs.lifts]
    lines += [(b.folder, b.verdict) for b in inputs.benchmarks]
    several = len(inputs.lifts) + len(inputs.benchmarks) > 1
    parts = [
        tag("p", *([tag("em", name_of(folder)), ": "] if several else []), tag("strong", line))
        for folder, line in lines
        if line
    ]
    made = [store.data_kind for b in inputs.benchmarks if (store := b.stores.get("test"))]
    made += [lift.data_kinds.get("test", "") for lift in inputs.lifts]
    if "simulated" in made:
        parts.append(tag("p", _SIMULATED, class_="note"))
    rows = (sample_rows(lift, real=real) for lift in inputs.lifts)
    return parts + [one for one in rows if one is not None]


def _tiles(inputs: Inputs) -> Html:
    """The figures that matter most: those of a run only where there are no results."""
    figures = [f for lift in inputs.lifts for f in lift_section.key_figures(lift)]
    figures += [f for b in inputs.benchmarks for f in benchmark_section.key_figures(b)]
    figures += [f for e in inputs.evaluations for f in evaluation_section.key_figures(e)]
    results = (*inputs.lifts, *inputs.benchmarks, *inputs.evaluations)
    for run in () if results else inputs.runs:
        figures += run_section.key_figures(run)
    several = len(results or inputs.runs) > 1
    tiles = []
    for value, what, source in figures:
        lines = [tag("strong", value), tag("span", what)]
        if several:
            lines.append(tag("small", source))
        tiles.append(tag("li", *lines))
    return tag("ul", *tiles, class_="tiles") if tiles else Html("")


def _provenance(inputs: Inputs) -> Html:
    blocks: list[Html] = []

    def add(what: str, path: Path, **rows: object) -> None:
        pairs = [("Path", path), *((key.capitalize(), value) for key, value in rows.items())]
        blocks.extend([tag("h3", f"{what} {name_of(path)}"), facts(pairs)])

    for run in inputs.runs:
        versions = _pairs(run.versions, ", ")
        data = _pairs(flatten(run.data), "<br>")
        add("Training run", run.path, id=run.id, seed=run.seed, data=data, versions=versions)
    for store in (*inputs.synthetic, *inputs.real):
        manifest = store.manifest
        hashes = {"content": manifest.content_sha256, "charset": manifest.charset_fingerprint}
        versions = _pairs(manifest.versions, ", ")
        what = f"{store.data_kind.capitalize()} store"
        add(what, store.path, data=_pairs(hashes, "<br>"), versions=versions)
    for benchmark in inputs.benchmarks:
        hashes = {role: store.content_sha256 for role, store in benchmark.stores.items()}
        versions = _pairs(benchmark.versions, ", ")
        add(
            "Benchmark",
            benchmark.folder,
            data=_pairs(hashes, "<br>"),
            versions=versions,
            commit=benchmark.commit or "not stated",
        )
    for lift in inputs.lifts:
        versions = _pairs({"hwgen": lift.version}, ", ")
        commit = lift.commit or "not stated"
        data = _pairs(lift.data, "<br>")
        add("Lift", lift.folder, data=data, versions=versions, commit=commit)
    for evaluation in inputs.evaluations:
        hashes = {role: store.content_sha256 for role, store in evaluation.stores.items()}
        versions = _pairs(evaluation.versions, ", ")
        add(
            "Evaluation",
            evaluation.folder,
            data=_pairs(hashes, "<br>"),
            versions=versions,
            commit=evaluation.commit or "not stated",
        )
    note = "Content hashes are SHA-256 over all records: equal hashes mean equal stores."
    return section("provenance", "Provenance", *blocks, tag("p", note, class_="note"))


def _pairs(values: Mapping[str, object], between: str) -> Html:
    lines = []
    for key, value in values.items():
        shown = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        lines.append(join([tag("span", key, class_="key"), " ", tag("code", shown)]))
    return join(lines, between) if lines else text("not stated")
