import pytest

from hwgen.progress import Pace, rate, time_left


def test_a_pace_counts_from_its_first_report(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = iter((5.0, 5.0, 15.0, 25.0))
    monkeypatch.setattr("hwgen.progress.time.monotonic", lambda: next(ticks))
    pace = Pace("steps")
    assert pace.text(1_000, 4_000) == ""  # resumed
    assert pace.text(1_000, 4_000) == ""
    assert pace.text(1_200, 4_000) == "20 steps/s, 0:02:20 left"
    assert pace.text(4_000, 4_000) == "150 steps/s"


def test_a_rate_is_per_second_or_per_hour() -> None:
    shown = {1234.5: "1,234 steps/s", 1.0: "1 steps/s", 0.25: "900 steps/h", 1e-4: "", 0.0: ""}
    assert {speed: rate(speed, "steps") for speed in shown} == shown


def test_remaining_time_is_empty_where_it_is_not_known() -> None:
    assert time_left(7_200, 2.0) == "1:00:00 left"
    assert time_left(10, 0.0) == time_left(0, 5.0) == time_left(-1, 5.0) == ""
