import signal

from benchmarks.stopping import signals


def test_signals_set_an_event_and_are_given_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with signals() as stopped:
        assert not stopped.is_set()
        signal.raise_signal(signal.SIGTERM)
        assert stopped.is_set()
    assert signal.getsignal(signal.SIGTERM) is before
