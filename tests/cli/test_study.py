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


def votes(key_file: Path, name: str, wanted: Callable[[dict[str, Any]], str]) -> Path:
    """Votes on every showing for the side that `wanted` says, "a" or "b"."""
    key = json.loads(key_file.read_text(encoding="utf-8"))
    chosen = [
        {"pair": p["id"], "choice": "left" if wanted(p) == p["left"] else "right", "ms": 700}
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
    code, said, _ = study("make", *sides, "--out", out, "--pairs", 8, "--controls", 2)
    assert code == 0
    assert f"{out}: 8 pairs of 2 classes and 2 repeated ones, 8x8 pixels" in said
    assert "[bold].key.json: the answer key; do not give it to voters" in said
    assert "CASIA" in said
    question = "Which is neater?"
    code, said, _ = study(
        "make", *sides, "--out", out, "--pairs", 4, "--controls", 0, "--seed", 2, "--json",
        "--question", question,
    )  # fmt: skip
    assert code == 0
    told = json.loads(said)
    assert (told["pairs"], told["controls"], told["page"]) == (4, 0, str(out))
    key = json.loads(Path(told["key"]).read_text(encoding="utf-8"))
    assert (key["study"], key["question"], key["seed"]) == (told["id"], question, 2)
    assert question in out.read_text(encoding="utf-8")


def test_votes_are_tallied(study: Command, made: Path) -> None:
    files = [
        votes(made, "Li", lambda p: "a"),
        votes(made, "[b]", lambda p: "b" if p["label"] == "丨" else "a"),
        votes(made, "left", lambda p: p["left"]),
    ]
    code, said, err = study("tally", *files, "--key", made)
    assert code == 0, err
    assert "A (made[red]): 12 votes; B (hand): 4 votes" in said
    assert "fraction for A (made[red]): 75.0 % (50.5 to 89.8), if votes are independent" in said
    assert "p = 0.077 if neither" in said
    assert "mean over voters of their fraction for A (made[red]): 75.0 % (0.0 to 100.0)" in said
    assert "no: judged 2 of 2 repeated pairs differently" in said
    # 4 pairs agreed on, 4 not; P_e = (144 + 16) / 256.
    assert "agreement on 8 pairs: 50.0 %, Fleiss' kappa -0.33" in said
    assert "[b]" in said
    assert "Which of the two looks more real?" in said
    rows = [line for line in said.splitlines() if "丨" in line or "一" in line]
    assert ["8" in rows[0], "一" in rows[0], "丨" in rows[1]] == [True, True, True]

    code, said, _ = study("tally", *files, "--key", made, "--json", "--max-disagreement", 1)
    assert code == 0
    told = json.loads(said)
    assert not any(voter["excluded"] for voter in told["voters"])
    assert told["preference"]["a"] + told["preference"]["b"] == 24
    assert told["preference"]["a"] == 12 + 4  # A is on the left of half of the pairs
    assert told["agreement"]["pairs"] == 8
    assert set(told["classes"]) == {"一", "丨"}


def test_one_voter_has_no_interval_over_voters(study: Command, made: Path) -> None:
    code, said, _ = study("tally", votes(made, "Li", lambda p: "a"), "--key", made)
    assert code == 0
    assert "mean over voters of their fraction for A (made[red]): 100.0 %\n" in said
    assert "agreement: no pair was judged by two voters" in said
    files = [votes(made, name, lambda p: "a") for name in ("Li", "Wang")]
    assert "kappa undefined" in study("tally", *files, "--key", made)[1]


def test_the_paper_s_counts(study: Command) -> None:
    code, said, _ = study("significance", 2256, 1744)
    assert code == 0
    assert said.splitlines() == [
        "A: 2,256 votes; B: 1,744 votes",
        "fraction for A: 56.4 % (54.9 to 57.9), if votes are independent",
        "p = 5.9e-16 if neither is preferred (exact two-sided binomial test)",
    ]
    told = json.loads(study("significance", 2256, 1744, "--json")[1])
    assert (told["a"], told["b"], told["share"]["mean"]) == (2256, 1744, 0.564)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["make", "A", "B", "--out", "s.html"], "A: is neither a run, a model nor a store: there"),
        (["tally", "v", "--key", "none"], "none: is not an answer key"),
        (["significance", "0", "0"], "0 votes for A and 0 for B cannot be compared"),
    ],
)
def test_mistakes_are_named(study: Command, arguments: list[str], text: str) -> None:
    code, said, err = study(*arguments)
    assert code == 1
    assert text in err
    assert said == ""


def test_votes_of_another_study_are_refused(
    study: Command, sides: list[Path], made: Path, tmp_path: Path
) -> None:
    file = votes(made, "Li", lambda p: "a")
    options = ["--pairs", 8, "--controls", 2, "--seed", 1]
    assert study("make", *sides, "--out", tmp_path / "other.html", *options)[0] == 0
    code, _, err = study("tally", file, "--key", tmp_path / "other.key.json")
    assert code == 1
    assert "Li.json: holds votes of study" in err
