import math

from hwgen.report import number_format
from hwgen.report.markup import Html, image, join, tag, text
from hwgen.results.parts import Interval


def test_text_is_escaped_and_markup_is_not() -> None:
    assert tag("p", "<&\"'>") == "<p>&lt;&amp;&quot;&#x27;&gt;</p>"
    assert text(Html("<br>")) == "<br>"
    assert text(3) == "3"
    assert join(["a<", Html("<br>")], ", ") == "a&lt;, <br>"


def test_attributes_are_escaped_and_none_is_left_out() -> None:
    made = tag("a", "x", href='"><', class_="c", aria_label="l", id=None)
    assert made == '<a href="&quot;&gt;&lt;" class="c" aria-label="l">x</a>'
    assert 'alt="&quot;x"' in image("data:,", 10, '"x')


def test_numbers_as_text() -> None:
    assert number_format.count(12345) == "12,345"
    assert number_format.percent(0.93456) == "93.5 %"
    assert [number_format.duration(s) for s in (5, 65, 7384)] == ["5 s", "1 min 5 s", "2 h 3 min"]
    assert number_format.spread([]) == "none"
    assert number_format.spread([3, 1, 2]) == "1 / 2 / 3"
    for words in (number_format.count, number_format.percent, number_format.duration):
        assert words(math.nan) == "not a number"


def test_intervals_as_text() -> None:
    lone = Interval(0.5, None, None)
    assert number_format.accuracy(lone) == "50.0 %"
    assert number_format.difference(lone) == "+50.00 points"
    both = Interval(-0.01, -0.02, 0.0)
    assert number_format.difference(both) == (
        '−1.00 points <span class="interval">−2.00 to +0.00</span>'
    )
