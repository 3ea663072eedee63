from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hwgen.experiments.lift.summary import summarise
from hwgen.report.lift_samples import sample_rows
from hwgen.report.lift_section import headline, verdict
from hwgen.report.page import write_report
from hwgen.results.lift import GeneratorFacts, Lift, TestStore
from hwgen.results.trials import ALL, NONE, Trial, TrialResult
from hwgen.store import Store
from tests.report.conftest import LABELS

GENERATORS = ("simulated", "refiner")
NUMBERS = dict(zip(GENERATORS, (8, 9), strict=True))
ARMS = ("classical", "classical+synthetic")


def row(count: int, arm: str, correct: int, generator: str = "") -> TrialResult:
    amount = 40 if arm == "classical+synthetic" else 0
    return TrialResult(Trial(count, 0, arm, amount, generator), {}, [correct] * 3, [10] * 3, {})


def made_lift(folder: Path, *rows: TrialResult, **changes: Any) -> Lift:
    names = list(dict.fromkeys(one.trial.generator for one in rows if one.trial.amount))
    found = summarise(rows, {"all": [0, 1, 2]}, 40, generators=names or [""])
    facts = tuple(
        GeneratorFacts(name=name, settings={"kind": "deformation"}, classes=3) for name in names
    )
    lift = Lift(
        version="9",
        experiment={"kind": "few-shot", "draws": 1, "arms": list(ARMS)},
        config={"train": "a", "judged_on": "b"},
        generator={},
        generators=facts,
        train="train",
        test=TestStore("test", 0),
        accuracy_entries=found.accuracy,
        difference_entries=found.differences,
        advice="Add them.",
        rows=rows,
        folder=folder,
    )
    return replace(lift, **changes)


@pytest.fixture
def lift(tmp_path: Path, make_store: Callable[..., Store]) -> Lift:
    """Of one trial with the stores of its samples; the refiner has none of the first label."""
    (tmp_path / "lift" / "draws").mkdir(parents=True)
    (tmp_path / "lift" / "synthetic").mkdir()
    make_store("lift/draws/n1-draw0.store", kind="gnt")
    make_store("lift/synthetic/n1-draw0-simulated-40.store", kind="strokes")
    some = {"labels": LABELS[1:], "charset": LABELS}
    make_store("lift/synthetic/n1-draw0-refiner-40.store", kind="synthetic", **some)
    made = [
        row(1, ARMS[1], correct, name)
        for name, correct in {GENERATORS[0]: 8, GENERATORS[1]: 9}.items()
    ]
    return made_lift(tmp_path / "lift", row(1, ARMS[0], 6), *made)


def test_a_row_for_each_source_has_the_characters_that_all_of_them_have(lift: Lift) -> None:
    rows = sample_rows(lift, real=True)
    assert rows is not None
    for name in ("real", *GENERATORS):
        assert f"<span>{name}</span>" in rows
        assert f'alt="{name}: 己已"' in rows
    assert "2 of 2 characters" in rows


def test_simulated_samples_are_not_called_real(lift: Lift) -> None:
    rows = sample_rows(replace(lift, data_kinds={"train": "simulated"}), real=True)
    assert rows is not None
    assert "<span>simulated, in place of real</span>" in rows
    assert "<span>real</span>" not in rows


def test_real_samples_can_be_left_out(lift: Lift) -> None:
    rows = sample_rows(lift, real=False)
    assert rows is not None
    assert "<span>real</span>" not in rows
    assert "<span>simulated</span>" in rows


def test_the_only_generator_is_named_by_its_kind(
    tmp_path: Path, make_store: Callable[..., Store]
) -> None:
    for name in ("draws/all-draw0.store", "synthetic/all-draw0-40.store"):
        (tmp_path / name).parent.mkdir()
        make_store(name, kind="gnt")
    rows = sample_rows(made_lift(tmp_path, row(ALL, ARMS[1], 6)), real=True)
    assert rows is not None
    assert "<span>deformation</span>" in rows


@pytest.mark.parametrize(
    "rows",
    [
        [row(1, ARMS[0], 6)],
        [row(NONE, ARMS[1], 6)],
        [row(1, ARMS[1], 6, "../../elsewhere")],
        [row(1, ARMS[1], 6, "removed")],
    ],
    ids=["nothing made", "nothing real", "outside", "stores removed"],
)
def test_without_stores_there_is_nothing_to_show(
    rows: list[TrialResult], tmp_path: Path, make_store: Callable[..., Store]
) -> None:
    (tmp_path / "lift" / "draws").mkdir(parents=True)
    make_store("lift/draws/n1-draw0.store", kind="gnt")
    make_store("elsewhere-40.store", kind="gnt")
    assert sample_rows(made_lift(tmp_path / "lift", *rows), real=True) is None


def test_without_a_common_character_there_is_nothing_to_show(
    tmp_path: Path, make_store: Callable[..., Store]
) -> None:
    for name, label in (("draws/n1-draw0.store", "一"), ("synthetic/n1-draw0-40.store", "己")):
        (tmp_path / name).parent.mkdir()
        make_store(name, kind="gnt", labels=(label,), charset=LABELS)
    assert sample_rows(made_lift(tmp_path, row(1, ARMS[1], 6)), real=True) is None


def test_a_page_begins_with_sentence_and_rows(lift: Lift, tmp_path: Path) -> None:
    lift.save(lift.folder)
    page = write_report([lift.folder], tmp_path / "page.html").read_text("utf-8")
    header = page[page.index("<header>") : page.index("</header>")]
    assert header.index(headline(lift)) < header.index('"samples"')
    assert page.count(headline(lift)) == 1
    assert page.count("Add them.") == 1  # in the section
    assert "Add them." not in header
    assert "can contain real handwriting" in page


def test_a_page_without_accuracies_begins_with_the_advice(tmp_path: Path) -> None:
    lift = made_lift(tmp_path, row(1, ARMS[1], 6))
    lift.save(lift.folder)
    page = write_report([lift.folder], tmp_path / "page.html").read_text("utf-8")
    assert page.count("Add them.") == 1
    assert "Add them." in page[page.index("<header>") : page.index("</header>")]


def test_a_page_begins_with_what_a_generator_has_seen(lift: Lift) -> None:
    seen = replace(lift.generators[0], trained_before=True, classes_seen=0)
    text = verdict(replace(lift, generators=(seen, *lift.generators[1:])))
    assert text.startswith(headline(lift))
    assert text.endswith("(never seen: 3 of 3 classes).")


@pytest.mark.parametrize("real", [True, False])
def test_the_foot_says_that_all_is_simulated(lift: Lift, tmp_path: Path, real: bool) -> None:
    kinds = {"train": "simulated", "test": "simulated"}
    facts = tuple(replace(one, settings={"kind": "simulated"}) for one in lift.generators)
    replace(lift, data_kinds=kinds, generators=facts).save(lift.folder)
    page = write_report([lift.folder], tmp_path / "page.html", real=real).read_text("utf-8")
    foot = page[page.index("<footer>") :]
    assert "All handwriting on this page is simulated." in foot
    assert "eal" not in foot


def test_the_accuracies_in_one_sentence(lift: Lift) -> None:
    assert headline(lift) == (
        "With 1 real sample per class, a recogniser reads 60.0 % of the test samples; "
        "with 40 samples per class added, 80.0 % (simulated) and 90.0 % (refiner)."
    )
    assert headline(replace(lift, data_kinds={"train": "simulated"})).startswith(
        "With 1 sample per class, a recogniser"
    )


def test_the_sentence_is_about_the_fewest_samples(tmp_path: Path) -> None:
    rows = [row(count, arm, 6) for count in (ALL, 5, 3) for arm in ARMS]
    assert headline(made_lift(tmp_path, *rows)) == (
        "With 3 real samples per class, a recogniser reads 60.0 % of the test samples; "
        "with 40 samples per class added, 60.0 % (deformation)."
    )
    some = [row(ALL, arm, 6) for arm in ARMS]
    assert headline(made_lift(tmp_path, *some)).startswith("With all real samples per class")


@pytest.mark.parametrize("arm", ARMS)
def test_without_both_arms_there_is_no_sentence(tmp_path: Path, arm: str) -> None:
    assert headline(made_lift(tmp_path, row(1, arm, 6))) == ""
