"""matplotlib under our own settings; import this module before matplotlib.

A user's matplotlibrc, in the home folder or the current one, and MPLBACKEND may ask for LaTeX or
for fonts that are not there, or be invalid, which matplotlib refuses while it is imported.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any


@contextmanager
def _hidden_user_settings() -> Iterator[None]:
    """Hide a user's settings from matplotlib while it is imported."""
    spec = find_spec("matplotlib")
    if spec is None or spec.origin is None or "matplotlib" in sys.modules:
        yield
        return
    package = Path(spec.origin).parent
    before = {name: os.environ.get(name) for name in ("MATPLOTLIBRC", "MPLBACKEND")}
    here = os.getcwd() if os.path.exists("matplotlibrc") else ""  # it is read before all others
    os.environ.update({"MATPLOTLIBRC": str(package / "mpl-data"), "MPLBACKEND": ""})
    if not _has_home():  # matplotlib makes a temporary folder if this one cannot be used
        os.environ.setdefault("MPLCONFIGDIR", os.devnull)
    if here:
        os.chdir(package)
    try:
        yield
    finally:
        if here:
            os.chdir(here)
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _has_home() -> bool:
    try:
        Path.home()
    except RuntimeError:  # HOME is not set, and the user has no account
        return False
    return True


_first = "matplotlib" not in sys.modules
with _hidden_user_settings():
    import matplotlib
    import matplotlib.font_manager
if _first:
    # What the caller's own plots would have without us.
    with suppress(Exception):
        matplotlib.rcParams.update(matplotlib.rc_params())
    with suppress(Exception):
        matplotlib.rcParams["backend"] = os.environ["MPLBACKEND"]

_DEFAULTS: dict[Any, Any] = {
    name: value
    for name, value in matplotlib.rcParamsDefault.items()
    if not name.startswith("backend")  # of windows, which we do not open
}


@contextmanager
def plot_settings(settings: Mapping[Any, Any]) -> Iterator[None]:
    """The defaults of matplotlib and `settings` during a block, whatever is set outside of it."""
    with matplotlib.rc_context({**_DEFAULTS, **settings}):
        yield
