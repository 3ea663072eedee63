import signal

from benchmarks.stop_signals import stop_signals


def test_signals_set_an_event_and_handlers_are_restored() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with stop_signals() as stopped:
        assert not stopped.is_set()
        signal.raise_signal(signal.SIGTERM)
        assert stopped.is_set()
    assert signal.getsignal(signal.SIGTERM) is before
