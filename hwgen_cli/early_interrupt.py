"""Imported second: Ctrl-C while other modules are imported ends the process without a traceback.

Nothing needs to be saved then. The system ends the process, since libraries that are being imported
turn Python's KeyboardInterrupt into errors of their own.
"""

from __future__ import annotations

import signal
import threading

_BEFORE = signal.getsignal(signal.SIGINT)
_OURS = (
    threading.current_thread() is threading.main_thread() and _BEFORE is signal.default_int_handler
)

if _OURS:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def imported() -> None:
    """Call after the imports: Ctrl-C is a KeyboardInterrupt again."""
    if _OURS:
        signal.signal(signal.SIGINT, _BEFORE)
