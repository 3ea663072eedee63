import math
import xml.etree.ElementTree as ElementTree

import matplotlib
import pytest
from matplotlib.figure import Figure

from hwgen.report import plots
from hwgen.results.benchmark import Arm, Trial
from hwgen.results.parts import Interval


def parse(svg: str) -> ElementTree.Element:
    return ElementTree.fromstring(svg)


def ids(svg: str) -> set[str]:
    return {e.attrib["id"] for e in parse(svg).iter() if "id" in e.attrib}


def test_colours_are_the_page_s_own() -> None:
    svg = plots.curves("p", {"one": [(0, 1), (1, 2)], "two": [(0, 2), (1, 1)]})
    assert "var(--series-1)" in svg
    assert "var(--series-2)" in svg
    assert "var(--text)" in svg
    assert "#0000" not in svg
    assert parse(svg).attrib["aria-label"] == "one, two"
    assert "width" not in parse(svg).attrib


def test_texts_stay_texts_in_the_reader_s_font() -> None:
    svg = plots.curves("p", {"one": [(0, 0.5)]}, levels=[plots.Level(0.7, "target")], percent=True)
    texts = "".join(parse(svg).itertext())
    assert "target" in texts
    assert "50%" in texts
    assert "DejaVu" not in svg


def test_two_plots_share_no_id_and_every_reference_resolves() -> None:
    points = {"one": [(0, 1), (1, 2)]}
    first, second = plots.curves("a", points), plots.curves("b", points)
    assert ids(first)
    assert not ids(first) & ids(second)
    for element in parse(first).iter():
        for name, value in element.attrib.items():
            if name.endswith("href"):
                assert value[1:] in ids(first)
            if value.startswith("url(#"):
                assert value[5:-1] in ids(first)


def test_the_same_numbers_give_the_same_bytes() -> None:
    points = {"one": [(0, 1), (1, 2)]}
    assert plots.curves("a", points) == plots.curves("a", points)


def test_a_long_curve_stays_small_and_keeps_its_extremes() -> None:
    points = [(float(i), math.sin(i)) for i in range(50_000)]
    points[25_000] = (25_000.0, 40.0)
    assert len(plots.curves("a", {"one": points})) < 60_000
    x, low, mean, high = plots._thin(points)
    assert len(x) <= 240
    assert x[-1] == 49_999
    assert high.max() == 40
    assert (low <= mean).all()
    assert (mean <= high).all()


def test_values_that_are_not_finite_leave_a_gap() -> None:
    points = [(0.0, 1.0), (1.0, math.nan), (2.0, math.inf), (3.0, 2.0)]
    _, low, mean, _ = plots._thin(points)
    assert [math.isnan(v) for v in mean] == [False, True, True, False]
    assert math.isnan(low[1])
    parse(plots.curves("a", {"one": points}))


def test_unsorted_points_are_plotted_in_order() -> None:
    x, *_ = plots._thin([(2.0, 1.0), (0.0, 1.0), (1.0, 1.0)])
    assert list(x) == [0, 1, 2]


def test_intervals_of_one_seed_and_of_three() -> None:
    trial = Trial(seed=0, top1=0.9, top5=0.99, seconds=1)
    flat = Interval(0.9, None, None)
    arms = {
        "real": Arm((trial,) * 3, Interval(0.9, 0.88, 0.92), flat),
        "$x_1$ 己": Arm((trial,), flat, flat),
    }
    texts = "".join(parse(plots.intervals("a", arms)).itertext())
    assert "real" in texts
    assert "$x_1$ 己" in texts


def test_axes_of_fractions_stay_within_0_and_100_percent() -> None:
    figure = Figure()
    for values, top, expected in (
        ((0.02, 0.997), 1.0, (0.0, 1.0)),
        ((0.4, 0.5), 1.0, (0.395, 0.505)),
        ((0.9, 1.4), plots._whole((0.9, 1.4)), (0.875, 1.425)),
        ((5.0, 6.0), 1.0, (4.95, 6.05)),  # nothing within: left as it is
    ):
        axes = figure.add_subplot()
        axes.plot([0, 1], values)
        plots.keep_within(axes, "y", top)
        assert axes.get_ylim() == pytest.approx(expected)
    assert plots._whole((0.5, 1.0, math.nan)) == 1


@pytest.mark.parametrize("values", [[0.5], [0.1, 0.9, 0.9]])
def test_histograms(values: list[float]) -> None:
    texts = "".join(parse(plots.histogram("a", values, "share read")).itertext())
    assert "share read" in texts
    assert "classes" in texts


def test_matplotlib_s_settings_are_left_as_they_were() -> None:
    before = dict(matplotlib.rcParams)
    plots.curves("a", {"one": [(0, 1)]})
    assert dict(matplotlib.rcParams) == before
