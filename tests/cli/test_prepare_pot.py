import json
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import hwgen.prepare.casia
from hwgen.sources.pot import encode_trajectory, read_pot
from hwgen.store import Store
from hwgen_cli.__main__ import main

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run `hwgen ARGUMENTS`; gives the exit code, standard output and standard error."""
    monkeypatch.setenv("COLUMNS", "200")

    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["hwgen", *map(str, arguments)])
        with pytest.raises(SystemExit) as leaving:
            main()
        return int(leaving.value.code or 0), *capsys.readouterr()

    return call


@pytest.fixture
def pots(tmp_path: Path) -> Path:
    """Four writers of 一丁七 each, 1001 to 1004."""
    folder = tmp_path / "pots"
    folder.mkdir()
    for writer in range(1001, 1005):
        records = [
            encode_trajectory(c, [[(0, n), (50, writer - 900)], [(40, 0), (n, 90)]])
            for n, c in enumerate("一丁七")
        ]
        (folder / f"{writer}-c.pot").write_bytes(b"".join(records))
    return folder


def test_the_summary_names_store_counts_and_report(run: Run, pots: Path, tmp_path: Path) -> None:
    code, out, _ = run("prepare-pot", pots, "--out", tmp_path / "store")
    assert code == 0
    assert "12 in the store, 12 read" in out
    assert "records per class: 4 minimum, 4 median, 4 maximum" in out
    assert "no damaged records" in out
    assert str(tmp_path / "store" / "prepare-report.json") in out.replace("\n", "")
    assert Store(tmp_path / "store").size == 64


def test_the_defaults_are_those_of_the_library(run: Run, pots: Path, tmp_path: Path) -> None:
    from hwgen.imaging.ink import Ink
    from hwgen.sources.writer_selection import ALL_WRITERS

    run("prepare-pot", pots, "-o", tmp_path / "store")
    origin = Store(tmp_path / "store").manifest.origin
    assert origin["ink"] == Ink().to_json()
    assert origin["framing"] == Ink().framing.to_json()
    assert origin["writers"] == ALL_WRITERS.to_json()


def test_options_reach_the_store(run: Run, pots: Path, tmp_path: Path) -> None:
    options = ["--size", "28", "--stretch", "--charset", "七丁九", "--drop-empty"]
    options += ["--pen-width", "4", "--pressure", "0.5", "--darkness", "0.8", "--grain", "0.1"]
    options += [
        "--jitter",
        "2",
        "--render-seed",
        "9",
        "--writers",
        "1001,1003-1004",
        "--max-per-class",
        "2",
    ]
    assert run("prepare-pot", pots, "-o", tmp_path / "store", *options)[0] == 0
    store = Store(tmp_path / "store")
    assert store.charset.labels == ("七", "丁")
    assert store.writers == {"1001", "1003"}
    assert store.manifest.origin["framing"]["stretch"] is True
    assert store.manifest.origin["ink"] == {
        "pen_width": 4.0,
        "pressure": 0.5,
        "darkness": 0.8,
        "grain": 0.1,
        "jitter": 2.0,
        "seed": 9,
    }
    assert (store.size, len(store)) == (28, 4)


def test_a_split_by_writer_makes_two_stores(run: Run, pots: Path, tmp_path: Path) -> None:
    split = ["--held-out", "0.25", "--split-seed", "2", "--size", "16"]
    assert run("prepare-pot", pots, "-o", tmp_path / "train", *split)[0] == 0
    test = ["--subset", "test", "--charset", tmp_path / "train", "--margin", "2"]
    assert run("prepare-pot", pots, "-o", tmp_path / "test", *split, *test)[0] == 0
    one, other = Store(tmp_path / "train"), Store(tmp_path / "test")
    assert (len(one.writers), len(other.writers)) == (3, 1)
    assert not one.writers & other.writers
    assert one.charset == other.charset
    assert other.manifest.origin["framing"]["margin"] == 2


def test_json_is_the_report_in_the_store(run: Run, pots: Path, tmp_path: Path) -> None:
    _, out, _ = run("prepare-pot", pots, "-o", tmp_path / "store", "--json", "--workers", "2")
    written = (tmp_path / "store" / "prepare-report.json").read_text(encoding="utf-8")
    assert json.loads(out) == json.loads(written)


def test_ctrl_c_leaves_no_store(
    run: Run, pots: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_and_interrupt(*args: Any, **options: Any) -> Iterator[Any]:
        yield from read_pot(*args, **options)
        signal.raise_signal(signal.SIGINT)

    casia = hwgen.prepare.casia
    monkeypatch.setattr(casia, "_POT", replace(casia._POT, read=read_and_interrupt))
    code, _, err = run("prepare-pot", pots / "1001-c.pot", "-o", tmp_path / "store")
    assert code == 130
    assert "stopped; no store was written" in err
    assert [path.name for path in tmp_path.iterdir()] == [pots.name]


def test_damage_is_reported_or_stops_with_strict(run: Run, pots: Path, tmp_path: Path) -> None:
    file = pots / "1002-c.pot"
    file.write_bytes(file.read_bytes()[:-3])
    code, out, _ = run("prepare-pot", pots, "-o", tmp_path / "store")
    assert code == 0
    assert "11 in the store, 11 read" in out
    assert "cut short: 1" in out
    assert "pots/1002-c.pot@72: 33 bytes lost; expected a record of 36 bytes" in out
    code, _, err = run("prepare-pot", pots, "-o", tmp_path / "other", "--strict")
    assert code == 1
    assert "pots/1002-c.pot@72: expected a record of 36 bytes" in err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--writers", "7"], "no writer '7' among the 4 writers"),
        (["--subset", "test"], "the test split needs held-out writers"),
        (["--held-out", "1"], "must be at least 0 and below 1"),
        (["--pen-width", "0"], "pen width must be from"),
        (["--margin", "32"], "leaves no space"),
    ],
)
def test_input_errors_have_no_traceback(
    run: Run, pots: Path, tmp_path: Path, options: list[str], message: str
) -> None:
    code, _, err = run("prepare-pot", pots, "-o", tmp_path / "store", *options)
    assert code == 1
    assert message in err
    assert "Traceback" not in err


def test_a_finished_store_is_replaced_only_with_overwrite(
    run: Run, pots: Path, tmp_path: Path
) -> None:
    assert run("prepare-pot", pots, "-o", tmp_path / "s", "--size", "16")[0] == 0
    assert run("prepare-pot", pots, "-o", tmp_path / "s", "--size", "32")[0] == 1
    assert run("prepare-pot", pots, "-o", tmp_path / "s", "--size", "32", "--overwrite")[0] == 0
    assert Store(tmp_path / "s").size == 32
