"""In: Ctrl-C. Out: a polite "please stop" that long work asks for; a second one stops at once.

Under torchrun a second one changes nothing: a launcher may signal torchrun and its processes, to
whom torchrun passes it on; after 30 seconds torchrun ends them itself.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

_ASKED = b"\nstopping as soon as what is begun is saved; Ctrl-C once more stops at once\n"


@contextmanager
def interruptible() -> Iterator[Callable[[], bool]]:
    """Yields `stop`, which is True after the first Ctrl-C (or SIGTERM)."""
    asked = False
    under_torchrun = "TORCHELASTIC_RUN_ID" in os.environ

    def ask(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        if asked and not under_torchrun:
            raise KeyboardInterrupt
        if not asked:
            # Not by print, which a signal may find in the middle of another one.
            os.write(2, _ASKED)
        asked = True

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
