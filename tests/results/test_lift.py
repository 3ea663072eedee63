import json
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image as PilImage

from hwgen.errors import InputError
from hwgen.report import lift_section
from hwgen.report.lift_plots import lift_svg, save_lift_png
from hwgen.report.page import write_report
from hwgen.results.lift import Lift, Series

ARMS = {"none": 0.5, "classical": 0.6, "classical+synthetic": 0.65}


def entry(group: str, count: int, arm: str, amount: int, mean: float) -> dict[str, Any]:
    limits = {"low": mean - 0.01, "high": mean + 0.02}
    return {"group": group, "count": count, "arm": arm, "amount": amount, "mean": mean, **limits}


def lift_value(kind: str = "few-shot", **changes: Any) -> dict[str, Any]:
    """As hwgen.experiments.lift writes it: sorted by count and name, so that all (0) comes
    first."""
    groups, counts = (["all"], [0, 5, 10]) if kind == "few-shot" else (["rare", "common"], [1, 3])
    cells = [
        (group, count, arm, amount)
        for group in groups
        for count in counts
        for arm in sorted(ARMS)
        for amount in ((300, 50) if "synthetic" in arm else (0,))
    ]
    return {
        "format": "hwgen-lift",
        "format_version": 1,
        "hwgen": "9.9",
        "protocol": {"kind": kind, "draws": 3, "arms": list(ARMS), "judged_on": "test"},
        "generator": {"kind": "deformation"},
        "decides": {"train": "train-hash", "judged_on": "test-hash"},
        "train": "some/train.store",
        "test": {"store": "some/test.store", "writers_shared": 0},
        "accuracy": [entry(*cell, ARMS[cell[2]]) for cell in cells],
        "differences": [
            entry(*cell, ARMS[cell[2]] - 0.6) for cell in cells if cell[2] != "classical"
        ],
        "advice": "Do <this>.",
        **changes,
    }


@pytest.fixture
def make_lift(tmp_path: Path) -> Callable[..., Path]:
    def make(*given: str, **changes: Any) -> Path:
        folder = tmp_path / "lift"
        folder.mkdir(exist_ok=True)
        (folder / "lift.json").write_text(json.dumps(lift_value(*given, **changes)), "utf-8")
        return folder

    return make


def test_fields_of_a_lift(make_lift: Callable[..., Path]) -> None:
    lift = Lift.load(make_lift() / "lift.json")
    assert lift.counts == (5, 10, 0)
    assert [one.name for one in lift.series] == [
        "none",
        "classical",
        "classical+synthetic, 50 per class",
        "classical+synthetic, 300 per class",
    ]
    assert lift.compared == (lift.series[0], *lift.series[2:])
    assert lift.groups == ("all",)
    found = lift.accuracy["all", 10, Series("none", 0)]
    assert (found.mean, found.low, found.high) == (0.5, 0.49, 0.52)


@pytest.mark.parametrize(
    "changes",
    [{"format": "x"}, {"format_version": 2}, {"accuracy": []}, {"train": None, "test": None}],
)
def test_a_foreign_lift_is_refused(make_lift: Callable[..., Path], changes: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="not a lift this version of hwgen can read"):
        Lift.load(make_lift(**changes) / "lift.json")


@pytest.mark.parametrize("kind", ["few-shot", "rare"])
def test_the_curve_shows_every_series_and_number(
    make_lift: Callable[..., Path], kind: str, tmp_path: Path
) -> None:
    lift = Lift.load(make_lift(kind) / "lift.json")
    svg = ElementTree.fromstring(lift_svg("p", lift))
    texts = {"".join(element.itertext()).strip() for element in svg.iter()}
    assert {one.name for one in lift.series} <= texts
    assert {"Top-1 accuracy, %", "Minus classical, points"} <= texts
    names = {"5", "10", "all"} if kind == "few-shot" else {"1", "3", "rare classes"}
    assert names <= texts
    assert ("common classes" in texts) == (kind == "rare")
    assert "#0000" not in lift_svg("p", lift)
    save_lift_png(lift, tmp_path / "new" / "curve.png")
    with PilImage.open(tmp_path / "new" / "curve.png") as image:
        colours = {colour for _, colour in image.convert("RGB").getcolors(1 << 24)}
    for hexed in ("1f62b0", "c4541a", "5c6168"):  # classical, both, none in the light page
        assert tuple(bytes.fromhex(hexed)) in colours


def test_at_one_number_groups_of_classes_are_side_by_side(make_lift: Callable[..., Path]) -> None:
    groups = ("rare", "rare among rare", "common")
    cells = [entry(group, 1, "none", 0, 0.5) for group in groups]
    svg = lift_svg("p", Lift.load(make_lift("rare", accuracy=cells, differences=[]) / "lift.json"))
    texts = {"".join(one.itertext()).strip() for one in ElementTree.fromstring(svg).iter()}
    assert {*groups, "classes; 1 sample per rare class"} <= texts
    assert "common classes" not in texts  # no legend of groups


@pytest.mark.parametrize("counts", [[0], [7]])
def test_one_number_alone_can_be_plotted(make_lift: Callable[..., Path], counts: list[int]) -> None:
    cells = [entry("all", count, "none", 0, 0.5) for count in counts]
    lift = Lift.load(make_lift(accuracy=cells, differences=[]) / "lift.json")
    assert ("all" if counts == [0] else "7") in lift_svg("p", lift)
    assert lift_section.key_figures(lift) == []


@pytest.mark.parametrize(
    ("own", "baseline", "fair"),
    [(5, 5, True), (4, 5, True), (6, 5, False), (None, 5, False), (4, None, False)],
)
def test_an_arm_that_had_more_training_than_the_baseline_has_no_key_figure(
    make_lift: Callable[..., Path], own: int | None, baseline: int | None, fair: bool
) -> None:
    lift = Lift.load(make_lift() / "lift.json")
    vars(lift)["steps"] = {"classical": baseline, "classical+synthetic": own}
    entries = [one for one in lift.difference_entries if one.arm == "classical+synthetic"]
    assert {lift.is_fair(one) for one in entries} == {fair}


def test_a_page_has_the_advice_the_curve_and_the_table(
    make_lift: Callable[..., Path], tmp_path: Path
) -> None:
    folder = make_lift("rare")
    page = write_report([folder, folder / "lift.json"], tmp_path / "page.html").read_text("utf-8")
    for text in (
        "Made from 2 lifts",
        "Do &lt;this&gt;.",
        "Accuracy by the number of samples per class, common classes",
        "65.0 %",
        "+5.00 points",
        "train-hash",
        "9.9",
    ):
        assert text in page
    assert "no benchmark" not in page
    lift = Lift.load(folder / "lift.json")
    assert lift_section.key_figures(lift) == [
        (
            "+5.0 points (+4.0 to +7.0)",
            "by classical+synthetic, 300 per class, at 1 sample per class",
            "lift",
        )
    ]


def test_without_a_baseline_there_is_no_panel_of_differences() -> None:
    results = Path(__file__).resolve().parents[2] / "benchmarks" / "results"
    folder = results / "refiner-unseen-2026-11-28-2cpu"
    with_baseline, without = (Lift.load(folder / f"{name}.json") for name in ("lift", "rare"))
    pages = [lift_section.lift_section(lift, "one") for lift in (with_baseline, without)]
    for text in ("Right: ", "Minus classical, points"):
        assert [text in page for page in pages] == [True, False], text
    assert "simulated was trained" not in without.advice
