import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from hwgen.charset import Charset
from hwgen.io.toml_files import MAX_BYTES
from hwgen.record import Record
from hwgen.store import StoreWriter
from hwgen_cli import config
from hwgen_cli.__main__ import main

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

TOY = """\
store = "train"
out = "run"
preset = "deformation-32"
set = ["size=16", "grid=4", "width=4", "z_dim=2"]
batch = 4
steps = 2
device = "cpu"
"""

Hwgen = Callable[..., tuple[int, str]]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a store `train` and a file `toy.toml` that trains on it."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    with StoreWriter(Path("train"), size=16, recipe={}) as writer:
        for n in range(6):
            image = rng.integers(0, 256, (16, 16), np.uint8)
            writer.add(Record(image, "一丁"[n % 2], writer="", source="", position=n))
        writer.finish(charset=Charset(tuple("一丁")), origin={"kind": "gnt"})
    Path("toy.toml").write_text(TOY)
    return tmp_path


@pytest.fixture
def hwgen(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Hwgen:
    """Runs a command: exit code, and all that it printed with white space joined."""

    def call(*arguments: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["hwgen", *arguments])
        monkeypatch.setenv("COLUMNS", "200")
        with pytest.raises(SystemExit) as leaving:
            main()
        shown = capsys.readouterr()
        return int(leaving.value.code or 0), " ".join((shown.out + shown.err).split())

    return call


@pytest.mark.usefixtures("place")
def test_a_run_writes_its_options_and_can_be_rerun_from_them(hwgen: Hwgen) -> None:
    code, shown = hwgen("train", "--config", "toy.toml", "--seed", "3")
    assert code == 0, shown
    written = tomllib.loads(Path("run/config.toml").read_text("utf-8"))
    assert written == {
        **tomllib.loads(TOY), "seed": 3, "on-collapse": "stop", "precision": "auto"
    }  # fmt: skip
    code, shown = hwgen("train", "--config", "run/config.toml")
    assert (code, "run: finished" in shown) == (0, True), shown
    code, shown = hwgen("train", "--config", "run/config.toml", "--seed", "4")
    assert (code, "seed: 3 -> 4" in shown) == (1, True), shown
    code, shown = hwgen("train", "--config", "run/config.toml", "--out", "more", "--steps", "1")
    assert code == 0, shown
    assert tomllib.loads(Path("more/config.toml").read_text())["steps"] == 1


@pytest.mark.usefixtures("place")
def test_a_users_file_is_not_replaced(hwgen: Hwgen) -> None:
    assert hwgen("train", "--config", "toy.toml")[0] == 0
    Path("run/config.toml").write_text(TOY)
    code, shown = hwgen("train", "--config", "run/config.toml", "--steps", "4")
    assert code == 0, shown
    assert Path("run/config.toml").read_text() == TOY


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("presett = 'x'", "toy.toml: unknown option 'presett'. Did you mean preset"),
        ("init_from = 'x'", "unknown option 'init_from'. Did you mean init-from?"),
        ("config = 'x'", "unknown option 'config'"),
        ("seed = ", "toy.toml: is not TOML ("),
        ("seed = \xff", "toy.toml: is not TOML ("),
        ("x = " + "[" * 9999, "toy.toml: is not TOML ("),
        ("seed = true", "seed should be a text, a number, or a list of them, found True"),
        ("seed = 1.5", "Invalid value for '--seed'"),
        ("seed = nan", "Invalid value for '--seed'"),
        ("seed = -1", "Invalid value for '--seed'"),
        ("seed = 99999999999999999999", "Invalid value for '--seed'"),
        ("unconditional = 'yes'", "unconditional should be true or false, found 'yes'"),
        (
            "[set]\nsize = 3",
            'set should be a text, a number, or a list of them such as ["loss.a=-1"]',
        ),
        ("when = 2026-01-01", "unknown option 'when'"),
        ("preset = 2026-01-01", "preset should be a text"),
        ("preset = 'glyph32'", "no preset 'glyph32'. Did you mean"),
        ("store = 'train'", "Missing option '--out'"),
        ("#" * (MAX_BYTES + 1), "toy.toml: expected at most 1,048,576 bytes"),
    ],
)
@pytest.mark.usefixtures("place")
def test_files_that_are_wrong_are_refused(hwgen: Hwgen, text: str, message: str) -> None:
    needed = "" if text.startswith("store") else "store = 'train'\nout = 'run'\n"
    Path("toy.toml").write_bytes((needed + text).encode("latin-1"))
    code, shown = hwgen("train", "--config", "toy.toml")
    assert code in (1, 2)
    assert message in " ".join(shown.replace("│", " ").split())
    assert "Traceback" not in shown
    assert not Path("run").exists()


@pytest.mark.usefixtures("place")
def test_a_missing_file_is_named(hwgen: Hwgen) -> None:
    code, shown = hwgen("train", "--config", "none.toml")
    assert (code, "none.toml: No such file" in shown) == (1, True), shown


def test_lists_and_flags_and_any_text(tmp_path: Path) -> None:
    """A file that a command writes gives that command the same values."""
    found: list[object] = []
    app = typer.Typer()
    written: list[str] = []

    @app.command()
    def command(
        ctx: typer.Context,
        counts: str = typer.Option("", "--real-per-class"),
        rate: float = typer.Option(0.5, "--rate"),
        names: list[str] | None = typer.Option(None, "--name"),  # noqa: B008
        flag: bool = typer.Option(False, "--flag"),
        chosen: config.Config = None,
    ) -> None:
        found.append((counts, rate, names, flag))
        written.append(config.config_text(ctx))

    def call(place: Path, text: str, *arguments: str) -> object:
        place.write_text(text, encoding="utf-8")
        result = CliRunner().invoke(app, ["--config", str(place), *arguments])
        assert result.exit_code == 0, result.output
        return found[-1]

    file = tmp_path / "x.toml"
    assert call(file, "real-per-class = [5, 'all']\nflag = true\nrate = 1e-9") == (
        "5,all", 1e-9, None, True
    )  # fmt: skip
    assert call(file, written[-1]) == found[-2]
    assert call(file, "name = 'one'\nflag = true", "--name", 'a"\\\x7f\n永𠀀')[2:] == (
        ['a"\\\x7f\n永𠀀'], True
    )  # fmt: skip
    assert call(file, written[-1]) == found[-2]


def test_where_it_cannot_be_written_the_work_goes_on(tmp_path: Path) -> None:
    (tmp_path / config.FILE).mkdir()
    seen: list[float] = []
    app = typer.Typer()

    @app.command()
    def command(ctx: typer.Context) -> None:
        for place in (tmp_path, tmp_path / "missing"):
            config.with_config(ctx, place, lambda done, total, note: seen.append(done))(1, 2, "")

    assert CliRunner().invoke(app, []).exit_code == 0
    assert seen == [1, 1]
    assert not (tmp_path / "missing").exists()
