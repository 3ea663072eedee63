"""Ctrl-C as a request to stop at the next good moment; a second Ctrl-C stops at once.

Under torchrun a second one has no effect, because a launcher may signal both torchrun and its
processes, and torchrun passes the signal on. After 30 seconds torchrun kills them itself.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

_MESSAGE = b"\nstopping after the current step is saved; press Ctrl-C again to stop at once\n"


@contextmanager
def interruptible() -> Iterator[Callable[[], bool]]:
    """Yields `stop`, which returns True after the first Ctrl-C (or SIGTERM)."""
    asked = False
    under_torchrun = "TORCHELASTIC_RUN_ID" in os.environ

    def ask(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        if asked and not under_torchrun:
            raise KeyboardInterrupt
        if not asked:
            # Not print: the signal may arrive while another print is running.
            os.write(2, _MESSAGE)
        asked = True

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
