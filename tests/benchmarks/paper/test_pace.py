import pytest

from benchmarks.paper import pace


class Clock:
    now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(pace, "time", clock)
    return clock


def test_lines_come_now_and_then_with_rate_and_what_is_left(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    report = pace.Pace("ring", "steps", 10_000)
    clock.now = 29
    report(1_000)
    assert capsys.readouterr().err == ""
    clock.now = 50
    report(2_000, "well")
    assert (
        capsys.readouterr().err == "ring: 2,000 of 10,000 steps, 40 steps/s, 0:03:20 left  well\n"
    )
    clock.now = 51
    report(10_000)
    assert capsys.readouterr().err == "ring: 10,000 of 10,000 steps, 196 steps/s\n"


def test_what_was_done_before_does_not_count_as_speed(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    report = pace.Pace("all", "trainings", 10, done=4, line_every=0)
    clock.now = 3600
    report(5)
    assert capsys.readouterr().err == "all: 5 of 10 trainings, 1 trainings/h, 5:00:00 left\n"
