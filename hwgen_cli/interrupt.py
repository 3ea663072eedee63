"""Ctrl-C as a request to stop at the next good moment; a second Ctrl-C stops at once.

SIGTERM counts as Ctrl-C. So does SIGHUP, which the system sends when a terminal is closed or a
connection is lost, but it never stops at once; with nohup it is ignored.

Under torchrun a second one has no effect, because a launcher may signal both torchrun and its
processes, and torchrun passes the signal on. After 30 seconds torchrun kills them itself.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from types import FrameType

_MESSAGE = b"\nstopping after the current step is saved; press Ctrl-C again to stop at once\n"


@contextmanager
def interruptible() -> Iterator[Callable[[], bool]]:
    """Yields `stop`, which returns True after the first Ctrl-C, SIGTERM or SIGHUP."""
    asked = pressed = False
    terminals = [number for number in (1, 2) if os.isatty(number)]
    under_torchrun = "TORCHELASTIC_RUN_ID" in os.environ

    def ask(number: int, frame: FrameType | None) -> None:
        nonlocal asked, pressed
        if pressed and number != signal.SIGHUP and not under_torchrun:
            raise KeyboardInterrupt
        # First, since what follows may fail.
        first, asked = not asked, True
        pressed = pressed or number != signal.SIGHUP
        with suppress(OSError):
            if number == signal.SIGHUP:
                _leave(terminals)
            elif first:
                # Not print: the signal may arrive while another print is running.
                os.write(2, _MESSAGE)

    numbers = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        numbers.append(signal.SIGHUP)
    before = {number: signal.signal(number, ask) for number in numbers}
    try:
        yield lambda: asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _leave(terminals: Sequence[int]) -> None:
    """Write no more to a terminal that is gone, since that would fail before anything is saved."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    for number in terminals:
        os.dup2(nothing, number)
    os.close(nothing)
