import re
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any

import pytest
import typer
import typer.main

from hwgen.exports import FORMATS
from hwgen.generators.deformation.recipe import ABOUT as ABOUT_DEFORMATIONS
from hwgen.generators.deformation.recipe import PRESETS as DEFORMATIONS
from hwgen.generators.gan.estimate import count_parameters
from hwgen.generators.gan.presets import ABOUT, PRESETS
from hwgen.recogniser.network import ABOUT as ABOUT_RECOGNISERS
from hwgen.recogniser.network import RECOGNISERS
from hwgen_cli import reference
from hwgen_cli.__main__ import app

ROOT = Path(__file__).resolve().parents[2]
MADE = reference.reference()
COMMANDS: dict[str, Any] = {name: command for name, command, _ in reference.all_commands(app)}


def test_the_committed_reference_is_up_to_date() -> None:
    committed = (ROOT / reference.FILE).read_text(encoding="utf-8")
    assert committed == MADE, (
        "A command, option, preset or format has changed since docs/reference.md was made. "
        "Make it again, and commit it: python -m hwgen_cli.reference"
    )


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_is_in_the_section_of_its_command(command: str) -> None:
    section = MADE.split(f"\n## hwgen {command}\n")[1].split("\n## ")[0]
    for parameter in COMMANDS[command].params:
        for name in (*parameter.opts, *parameter.secondary_opts):
            if parameter.param_type_name == "option":
                assert re.search(rf"^\| .*`{name}`.* \|", section, re.MULTILINE), name


def test_rows_have_as_many_cells_as_the_head() -> None:
    cells = 0
    for line in MADE.splitlines():
        bars = len(re.findall(r"(?<!\\)\|", line)) if line.startswith("|") else 0
        assert bars in (0, cells or bars), line
        cells = bars


@pytest.mark.parametrize(
    ("about", "table"),
    [(ABOUT, PRESETS), (ABOUT_DEFORMATIONS, DEFORMATIONS), (ABOUT_RECOGNISERS, RECOGNISERS)],
    ids=["gan", "deformation", "recogniser"],
)
def test_every_preset_has_a_purpose(about: dict[str, str], table: dict[str, Any]) -> None:
    assert list(about) == list(table)
    for name in table:
        assert f"| `{name}` |" in MADE


def test_presets_and_formats_are_listed() -> None:
    (row,) = (line for line in MADE.splitlines() if line.startswith("| `glyph-64` |"))
    g, d = count_parameters(PRESETS["glyph-64"], 3_740)
    for figure in (f"{g:,}", f"{d:,}", "64x64, grey", "lsgan-eq9, mean", "adam 0.0006", "960,000"):
        assert f"| {figure} |" in row
    assert all(f"| `{name}` |" in MADE for name in FORMATS)


def test_the_module_writes_the_page(tmp_path: Path) -> None:
    file = tmp_path / "page.md"
    subprocess.run(
        [sys.executable, "-m", "hwgen_cli.reference", str(file)],
        check=True,
        env={"COLUMNS": "40", "PATH": "", "PYTHONPATH": str(ROOT)},
    )
    assert file.read_text(encoding="utf-8") == MADE


def test_kinds_of_parameters() -> None:
    def command(
        things: Annotated[list[Path] | None, typer.Argument(help="A <b> | *c*.")] = None,
        often: Annotated[list[str] | None, typer.Option("--set", help="S.")] = None,
        light: Annotated[bool | None, typer.Option("--light/--dark", help="L.")] = None,
        rate: float = typer.Option(0.5, min=0, max=2, help="R."),
        name: str = typer.Option("", help="N."),
    ) -> None:
        """First.

        Example, with two:

          hwgen command --rate 1

          hwgen command --rate 2

        Last.
        """

    small = typer.Typer()
    small.command("command")(command)
    text = reference._command("command", typer.main.get_command(small), command)
    assert "hwgen command [THINGS] [OPTIONS]" in text
    assert "```sh\nhwgen command --rate 1\nhwgen command --rate 2\n```\n\nLast." in text
    assert r"| `THINGS` | A \<b\> \| \*c\*. |" in text
    assert "| `--set`, repeatable | `TEXT` |  | S. |" in text
    assert "| `--light` or `--dark` |  |  | L. |" in text
    assert "| `--rate` | `NUMBER, 0 to 2` | `0.5` | R. |" in text
    assert "| `--name` | `TEXT` |  | N. |" in text


def test_a_loss_without_a_name_shows_its_targets() -> None:
    from hwgen.generators.gan.presets import Loss, loss_name

    assert loss_name(Loss(a=0, b=2, c=3)) == "lsgan (0, 2, 3)"
    assert loss_name(Loss(a=-1, b=1, c=0, reduction="sum")) == "lsgan-eq8"


def test_commands_are_sorted() -> None:
    names = re.findall(r"^## hwgen (.+)$", MADE, re.MULTILINE)
    assert names == sorted(COMMANDS)
