"""Targets that read results: benchmark, evaluation, lift, trials, votes, exports, and pages."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import numpy as np
from PIL import Image as PilImage

from hwgen.experiments.lift.summary import summarise
from hwgen.exports import export_store
from hwgen.exports.models import model_card
from hwgen.exports.models.model_results import ModelResults
from hwgen.exports.staging import read_description
from hwgen.report import page, plots
from hwgen.report.markup import Html
from hwgen.results.benchmark import Benchmark
from hwgen.results.evaluation import Evaluation
from hwgen.results.lift import Lift
from hwgen.results.trials import TrialResult
from hwgen.runs.models import model_of_run
from hwgen.schema import to_json
from hwgen.store import Store
from hwgen.study.tally import tally
from hwgen.study.votes import KEY_FORMAT, VOTES_FORMAT, read_ballots, read_key, study_id
from hwgen.synthesis.acceptance import ClassAcceptance, acceptance_json, read_acceptance
from tests.robustness.fuzz.made import (
    Made,
    check_page,
    made_benchmark,
    made_evaluation,
    made_lift,
    made_row,
)
from tests.robustness.fuzz.models import toy_run
from tests.robustness.fuzz.mutation import mutate_json
from tests.robustness.fuzz.stores import make_store
from tests.robustness.fuzz.target import Target

_LABELS = ("一", "丁", "七")


def benchmark(scratch: Path) -> Target:
    """A benchmark.json, to the text of its page."""
    return _shown(scratch, Benchmark.NAME, made_benchmark())


def evaluation(scratch: Path) -> Target:
    """An evaluation.json, to the text of its page and of a model's card."""
    return _shown(scratch, Evaluation.NAME, made_evaluation())


def lift(scratch: Path) -> Target:
    """A lift.json, to the text of its page and of a model's card."""
    return _shown(scratch, Lift.NAME, made_lift())


def pages(scratch: Path) -> Target:
    """All of these and a run's log, to complete pages with plots."""
    made = {
        Benchmark.NAME: made_benchmark(),
        Evaluation.NAME: made_evaluation(),
        Lift.NAME: made_lift(),
    }
    names = list(made)
    run = toy_run(scratch / "run")
    run.grids.mkdir()
    for file in ("real.png", "000000020.png", "000000040.png"):
        PilImage.fromarray(np.zeros((8, 8), np.uint8)).save(run.grids / file)
    log = b"\n".join(
        json.dumps({"images": 20 * n, "seconds": n, "images_per_second": 9.5, "loss_d": 0.3}
                   | {"loss_g": 0.4, "d_real": 0.6, "d_fake": 0.4, "purity": 0.5, "diversity": 0.9})
        .encode()
        for n in range(1, 4)
    )  # fmt: skip
    seeds = [bytes([n]) + json.dumps(made[name]).encode() for n, name in enumerate(names)]
    seeds.append(bytes([len(names)]) + log)

    def read(data: bytes) -> str:
        kind = data[0]
        if kind < len(names):
            (scratch / "results").mkdir(exist_ok=True)
            place = scratch / "results" / names[kind]
            place.write_bytes(data[1:])
        else:
            place = run.path
            (run.path / "log.jsonl").write_bytes(data[1:])
        check_page(page.write_report([place], scratch / "page.html"))
        return "shown"

    return Target(seeds, read, _mutate_kind, seconds=20, mib=1024)


def rows(scratch: Path) -> Target:
    """A finished trial of a lift, to the summary of all."""
    others = [
        made_row(trial, arm) for trial in range(2) for arm in ("classical", "classical+synthetic")
    ]
    file = scratch / "row.json"

    def read(data: bytes) -> str:
        file.write_bytes(data)
        row = TrialResult.load(file)
        if row.trial == others[0].trial and len(row.total) == len(_LABELS):
            summarise([row, *others[1:]], {"all": [0, 1, 2]}, 10)
            return "summed up"
        return "read"

    return Target([json.dumps(to_json(others[0])).encode()], read, mutate_json)


def yields(scratch: Path) -> Target:
    """The yield.json of a filtered store."""
    made = acceptance_json(
        {label: ClassAcceptance(20, 15, 10) for label in _LABELS}, 10, {"limit": 0.5}
    )
    store = mock.Mock(spec=Store, path=scratch)

    def read(data: bytes) -> str:
        (scratch / "yield.json").write_bytes(data)
        found = read_acceptance(store)
        _ = found.rate, [one.rate for one in found.classes.values()]
        return "read"

    return Target([json.dumps(made).encode()], read, mutate_json)


def votes(scratch: Path) -> Target:
    """A voter's file beside a valid key, and a key."""
    key: Made = {
        "format": KEY_FORMAT,
        "format_version": 1,
        "question": "Which?",
        "a": {"name": "one", "kind": "run", "fingerprint": "1"},
        "b": {"name": "two", "kind": "run", "fingerprint": "2"},
        "pairs": [
            {"id": "p0", "left": "a", "label": "一", "repeats": None},
            {"id": "p1", "left": "b", "label": None, "repeats": None},
            {"id": "p2", "left": "b", "label": "一", "repeats": "p0"},
        ],
    }
    key["study"] = study_id(key)
    choices = ("left", "left", "right")  # the last pair is the first, exchanged
    cast = [{"pair": f"p{n}", "choice": choice} for n, choice in enumerate(choices)]
    voter = {"id": "4711", "name": "李"}
    ballot = {"format": VOTES_FORMAT, "format_version": 1, "study": key["study"], "voter": voter}
    seeds = [json.dumps({**ballot, "votes": cast}).encode(), json.dumps(key).encode()]
    key_file, votes_file = scratch / "key.json", scratch / "votes.json"
    key_file.write_bytes(seeds[1])
    votes_file.write_bytes(seeds[0])
    valid = read_key(key_file)

    def read(data: bytes) -> str:
        if data[0]:
            plain = data[1:]
            # A consistent forgery: the study's id is that of the forged key.
            try:
                forged = json.loads(plain)
                forged["study"] = study_id(forged)
                plain = json.dumps(forged).encode()
            except (ValueError, TypeError, AttributeError, RecursionError):
                pass
            key_file.write_bytes(plain)
            read_key(key_file)
            return "key read"
        votes_file.write_bytes(data[1:])
        tally(valid, read_ballots([votes_file], valid))
        return "counted"

    return Target([bytes([n]) + seed for n, seed in enumerate(seeds)], read, _mutate_kind)


def marker(scratch: Path) -> Target:
    """The .export.json of an unfinished export, which is then resumed or started again."""
    store = Store(make_store(scratch / "s", count=12, size=4))
    whole = export_store(store, "gnt", scratch / "whole")
    assert whole is not None
    seed = json.dumps(read_description(scratch / "whole")).encode()
    files = {
        file.name: file.read_bytes() for file in (scratch / "whole").iterdir() if file.is_file()
    }
    partial, out = scratch / "out.partial", scratch / "out"

    def read(data: bytes) -> str:
        partial.mkdir(exist_ok=True)
        for name, content in files.items():
            (partial / name).write_bytes(content)
        (partial / ".export.json").write_bytes(data)
        try:
            export_store(store, "gnt", out)
            for name, content in files.items():
                if name != ".export.json":
                    assert (out / name).read_bytes() == content, f"{name} differs"
            return "exported"
        finally:
            for folder in (partial, out):
                for file in folder.glob("*") if folder.is_dir() else ():
                    file.unlink()
                if folder.is_dir():
                    folder.rmdir()

    return Target([seed], read, mutate_json)


def _shown(scratch: Path, name: str, made: Made) -> Target:
    """The text of a file's page, without plots: `pages` has them."""
    model = model_of_run(run := toy_run(scratch / "run"), run.weights(20))
    file = scratch / name
    no_plot: Callable[..., Html] = lambda *args, **options: Html("")  # noqa: E731

    def read(data: bytes) -> str:
        file.write_bytes(data)
        with (
            mock.patch.object(plots, "histogram", no_plot),
            mock.patch.object(plots, "intervals", no_plot),
            mock.patch("hwgen.report.lift_section.lift_svg", no_plot),
        ):
            check_page(page.write_report([file], scratch / "page.html"))
        evaluations = [Evaluation.load(file)] if name == Evaluation.NAME else []
        lifts = [Lift.load(file)] if name == Lift.NAME else []
        model_card.card(
            model, [], "m", onnx="", results=ModelResults((), tuple(evaluations), tuple(lifts))
        )
        return "shown"

    return Target([json.dumps(made).encode()], read, mutate_json, mib=512)


def _mutate_kind(data: bytes, other: bytes, rng: random.Random) -> bytes:
    """The first byte is the kind; a log is mutated in one of its lines."""
    lines = data[1:].split(b"\n")
    at = rng.randrange(len(lines))
    lines[at] = mutate_json(lines[at], lines[at], rng)
    return data[:1] + b"\n".join(lines)
