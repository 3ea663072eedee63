import os
import subprocess
import sys
from pathlib import Path

import matplotlib

from hwgen.report import plots

CODE = """
import sys
sys.path[:] = eval(sys.argv[1])
from hwgen.report import plots
sys.stdout.buffer.write(plots.curves("p", {"a": [(0, 1), (1, 2)], "b": [(0, 2)]}).encode())
"""

RC = """
text.usetex: True
font.family: No Such Font
font.size: 40
lines.linestyle: :
axes.grid: True
axes.facecolor: red
axes.prop_cycle: cycler(color='rg')
savefig.format: pdf
savefig.bbox: tight
savefig.dpi: 5
figure.constrained_layout.use: True
figure.autolayout: True
svg.fonttype: path
path.sketch: 1, 100, 2
xtick.bottom: False
toolbar: none
backend: module://evil
interactive: True
"""


def drawn(folder: Path, rc: bytes = b"", **environment: str | None) -> bytes:
    """A plot by a new process in a folder with this matplotlibrc."""
    folder.mkdir(exist_ok=True)
    if rc:
        (folder / "matplotlibrc").write_bytes(rc)
    everything = {**os.environ, **environment}
    done = subprocess.run(
        [sys.executable, "-I", "-c", CODE, repr(sys.path)],
        cwd=folder,
        env={name: value for name, value in everything.items() if value is not None},
        capture_output=True,
    )
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    return done.stdout


def test_a_user_s_settings_change_no_plot(tmp_path: Path) -> None:
    plain = drawn(tmp_path / "plain")
    assert plain.count(b"<path") > 4
    home = tmp_path / "home"
    (home / ".config" / "matplotlib" / "stylelib").mkdir(parents=True)
    for file in ("matplotlibrc", "stylelib/mine.mplstyle"):
        (home / ".config" / "matplotlib" / file).write_bytes(b"font.family: \xbf\xac\xcc\xe5\n")
    for name, rc, environment in (
        ("settings", RC.encode(), {}),
        ("wrong", b"text.usetex: perhaps\nno.such.key: 1\n:::\n", {}),
        ("gbk", b"font.family: \xbf\xac\xcc\xe5\n", {}),
        ("in the home folder", b"", {"HOME": str(home), "XDG_CONFIG_HOME": None}),
        ("named", b"", {"MATPLOTLIBRC": str(home / ".config" / "matplotlib")}),
        ("backend", b"", {"MPLBACKEND": "Qt4Agg"}),
        ("module", b"", {"MPLBACKEND": "module://evil"}),
        ("no folder for its files", b"", {"MPLCONFIGDIR": "/dev/null/x"}),
        ("no home folder", b"", {"HOME": "/nonexistent", "XDG_CACHE_HOME": None}),
    ):
        assert drawn(tmp_path / name, rc, **environment) == plain, name


def test_settings_of_the_caller_change_no_plot_and_stay() -> None:
    plain = plots.histogram("a", [0.5], "x")
    with matplotlib.rc_context({"text.usetex": True, "axes.facecolor": "red"}):
        before = dict(matplotlib.rcParams)
        assert plots.histogram("a", [0.5], "x") == plain
        assert dict(matplotlib.rcParams) == before
