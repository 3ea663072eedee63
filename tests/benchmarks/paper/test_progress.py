import pytest

from benchmarks.paper import progress


class Clock:
    now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(progress, "time", clock)
    return clock


def test_lines_have_rate_and_remaining_time(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    report = progress.Progress("ring", "steps", 10_000)
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


def test_earlier_work_does_not_count_in_the_rate(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    report = progress.Progress("all", "trainings", 10, done=4, line_every=0)
    clock.now = 3600
    report(5)
    assert capsys.readouterr().err == "all: 5 of 10 trainings, 1 trainings/h, 5:00:00 left\n"
