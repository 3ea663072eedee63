import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hwgen.charset import Charset
from hwgen.record import Record
from hwgen.store import StoreWriter
from hwgen_cli.__main__ import main

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def study(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs the command: (exit code, standard output, standard error)."""

    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["hwgen", "study", *map(str, arguments)])
        monkeypatch.setenv("COLUMNS", "200")
        with pytest.raises(SystemExit) as leaving:
            main()
        shown = capsys.readouterr()
        return int(leaving.value.code or 0), shown.out, shown.err

    return call


@pytest.fixture(scope="module")
def sides(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A synthetic store and a real one."""
    folder = tmp_path_factory.mktemp("sides")
    rng = np.random.default_rng(0)
    for name, kind in (("made[red]", "synthetic"), ("hand", "gnt")):
        with StoreWriter(folder / name, size=8, recipe={}) as writer:
            for i in range(12):
                image = rng.integers(0, 256, (8, 8), np.uint8)
                writer.add(Record(image, "一丨"[i % 2], "", "here", i))
            writer.finish(charset=Charset(tuple("一丨")), origin={"kind": kind})
    return [folder / "made[red]", folder / "hand"]


@pytest.fixture
def made(study: Command, sides: list[Path], tmp_path: Path) -> Path:
    """The answer key of a study of 8 pairs and 2 controls."""
    out = tmp_path / "page.html"
    code, _, err = study("make", *sides, "--out", out, "--pairs", 8, "--controls", 2)
    assert code == 0, err
    return tmp_path / "page.key.json"


def votes(key_file: Path, name: str, side: Callable[[dict[str, Any]], str]) -> Path:
    """Votes on every showing for the set that `side` returns, "a" or "b"."""
    key = json.loads(key_file.read_text(encoding="utf-8"))
    chosen = [
        {"pair": p["id"], "choice": "left" if side(p) == p["left"] else "right", "ms": 700}
        for p in key["pairs"]
    ]
    file = key_file.with_name(f"{name}.json")
    value = {
        "format": "hwgen-votes",
        "format_version": 1,
        "study": key["study"],
        "voter": {"id": f"id-{name}", "name": name},
        "votes": chosen,
    }
    file.write_text(json.dumps(value), encoding="utf-8")
    return file


def test_a_page_and_its_key_are_written(study: Command, sides: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "[bold].html"
    code, printed, _ = study("make", *sides, "--out", out, "--pairs", 8, "--controls", 2)
    assert code == 0
    assert f"{out}: 8 pairs of 2 classes and 2 repeated ones, 8x8 pixels" in printed
    assert "[bold].key.json: the answer key; do not give it to voters" in printed
    assert "CASIA" in printed
    question, out = "Which is neater?", tmp_path / "other.html"
    code, printed, _ = study(
        "make", *sides, "--out", out, "--pairs", 4, "--controls", 0, "--seed", 2, "--json",
        "--question", question,
    )  # fmt: skip
    assert code == 0
    found = json.loads(printed)
    assert (found["pairs"], found["controls"], found["page"]) == (4, 0, str(out))
    key = json.loads(Path(found["key"]).read_text(encoding="utf-8"))
    assert (key["study"], key["question"], key["seed"]) == (found["id"], question, 2)
    assert question in out.read_text(encoding="utf-8")


def test_votes_are_tallied(study: Command, made: Path) -> None:
    files = [
        votes(made, "Li", lambda p: "a"),
        votes(made, "[b]", lambda p: "b" if p["label"] == "丨" else "a"),
        votes(made, "left", lambda p: p["left"]),
    ]
    code, printed, err = study("tally", *files, "--key", made)
    assert code == 0, err
    assert "A (made[red]): 12 votes; B (hand): 4 votes" in printed
    share = "75.0 % (50.5 to 89.8), 95 % interval, assuming independent votes"
    assert f"fraction for A (made[red]): {share}" in printed
    assert "p = 0.077 if neither" in printed
    assert "mean over voters of their fraction for A (made[red]): 75.0 % (0.0 to 100.0)" in printed
    assert "no: answered 2 of 2 repeated pairs differently" in printed
    # 4 pairs agreed on, 4 not; P_e = (144 + 16) / 256.
    assert "agreement on 8 pairs: 50.0 %, Fleiss' kappa -0.33" in printed
    assert "[b]" in printed
    assert "Which of the two looks more real?" in printed
    rows = [line for line in printed.splitlines() if "丨" in line or "一" in line]
    assert ["8" in rows[0], "一" in rows[0], "丨" in rows[1]] == [True, True, True]

    code, printed, _ = study("tally", *files, "--key", made, "--json", "--max-disagreement", 1)
    assert code == 0
    found = json.loads(printed)
    assert not any(voter["excluded"] for voter in found["voters"])
    assert found["preference"]["a"] + found["preference"]["b"] == 24
    assert found["preference"]["a"] == 12 + 4  # A is on the left of half of the pairs
    assert found["agreement"]["pairs"] == 8
    assert set(found["classes"]) == {"一", "丨"}


def test_one_voter_has_no_interval_over_voters(study: Command, made: Path) -> None:
    code, printed, _ = study("tally", votes(made, "Li", lambda p: "a"), "--key", made)
    assert code == 0
    assert "mean over voters of their fraction for A (made[red]): 100.0 %\n" in printed
    assert "agreement: no pair was judged by two voters" in printed
    files = [votes(made, name, lambda p: "a") for name in ("Li", "Wang")]
    assert "kappa undefined" in study("tally", *files, "--key", made)[1]


def test_significance_of_the_counts_of_the_paper(study: Command) -> None:
    code, printed, _ = study("significance", 2256, 1744)
    assert code == 0
    assert printed.splitlines() == [
        "A: 2,256 votes; B: 1,744 votes",
        "fraction for A: 56.4 % (54.9 to 57.9), 95 % interval, assuming independent votes",
        "p = 5.9e-16 if neither is preferred (exact two-sided binomial test)",
    ]
    found = json.loads(study("significance", 2256, 1744, "--json")[1])
    assert (found["a"], found["b"], found["share"]["mean"]) == (2256, 1744, 0.564)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["make", "A", "B", "--out", "s.html"], "A: is not a run, a model or a store: there"),
        (["tally", "v", "--key", "none"], "none: no such file; expected an answer key"),
        (["significance", "0", "0"], "in total, found 0 and 0"),
    ],
)
def test_input_errors_are_printed(study: Command, arguments: list[str], text: str) -> None:
    code, printed, err = study(*arguments)
    assert code == 1
    assert text in err
    assert printed == ""


def test_votes_of_another_study_are_refused(
    study: Command, sides: list[Path], made: Path, tmp_path: Path
) -> None:
    file = votes(made, "Li", lambda p: "a")
    options = ["--pairs", 8, "--controls", 2, "--seed", 1]
    assert study("make", *sides, "--out", tmp_path / "other.html", *options)[0] == 0
    code, _, err = study("tally", file, "--key", tmp_path / "other.key.json")
    assert code == 1
    assert "Li.json: holds votes of study" in err
