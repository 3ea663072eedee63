import itertools
import re
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer.main

from hwgen.charset import Charset
from hwgen.generators.gan.presets import PRESETS, change, preset
from hwgen.generators.gan.training import train
from hwgen.generators.refiner.recipe import PRESETS as REFINERS
from hwgen.record import Record
from hwgen.store import StoreWriter
from hwgen_cli.__main__ import app
from hwgen_cli.reference import all_commands

ROOT = Path(__file__).resolve().parents[1]
PAGES = {
    path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
    for path in [*ROOT.glob("*.md"), *ROOT.glob("datasets/*.md"), *ROOT.glob("docs/*.md")]
}
README = PAGES["README.md"]
GROUP: Any = typer.main.get_command(app)
COMMANDS: dict[str, Any] = {name: command for name, command, _ in all_commands(app)}


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def shell_commands(text: str) -> list[list[str]]:
    """Commands as lists of words, without a preceding torchrun."""
    lines = "".join(blocks(text, "sh")).replace("\\\n", " ").splitlines()
    commands = [words for line in lines if (words := shlex.split(line, comments=True))]
    return [
        ["hwgen", *words[words.index("hwgen_cli") + 1 :]] if "hwgen_cli" in words else words
        for words in commands
    ]


def quotes(text: str) -> list[list[str]]:
    """Quotes in backticks outside code blocks and lists of old names, as lists of words."""
    prose = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    prose = re.sub(r"^### Renamed$.*?(?=^###? )", "", prose, flags=re.MULTILINE | re.DOTALL)
    return [quote.split() for quote in re.findall(r"`([^`]+)`", prose)]


def command_of(words: list[str]) -> tuple[str, list[str]]:
    """The command and its arguments, without "hwgen"; `study make` is one command."""
    count = 2 if " ".join(words[1:3]) in COMMANDS else 1
    return " ".join(words[1 : 1 + count]), words[1 + count :]


def options(command: str) -> set[str]:
    """Options of a command, or of hwgen itself if `command` is an option."""
    holder = GROUP if command.startswith("--") else COMMANDS[command]
    found = {
        name
        for parameter in holder.params
        for name in (*parameter.opts, *parameter.secondary_opts, "--help")
    }
    assert holder is not GROUP or command in found, command
    return found


@pytest.mark.parametrize(
    "words",
    [words for text in PAGES.values() for words in shell_commands(text) if words[0] == "hwgen"],
    ids=" ".join,
)
def test_a_command_parses(words: list[str]) -> None:
    command, arguments = command_of(words)
    COMMANDS[command].make_context(command, arguments)


def test_an_unknown_option_is_an_error() -> None:
    with pytest.raises(Exception, match="--nonsense"):
        COMMANDS["train"].make_context("train", ["store", "--out", "run", "--nonsense"])


@pytest.mark.parametrize("page", PAGES)
def test_commands_and_options_in_running_text_exist(page: str) -> None:
    known = set().union(*map(options, COMMANDS))
    for words in quotes(PAGES[page]):
        if words[0] == "hwgen" and len(words) > 1:
            command, arguments = command_of(words)
            if command == "study":
                continue  # the group
            named = {word for word in arguments if word.startswith("--")}
            assert named <= options(command), " ".join(words)
        elif words[0].startswith("--"):
            assert words[0] in known


def test_other_commands_are_make_targets() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    others = [words for words in shell_commands(README) if words[0] != "hwgen"]
    assert ["make", "demo"] in others
    assert ["make", "test"] in others
    for words in others:
        assert words[0] == "make"
        assert re.search(rf"^{words[1]}:", makefile, re.MULTILINE)


@pytest.mark.parametrize("page", PAGES)
def test_linked_files_exist(page: str) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", PAGES[page]):
        assert ((ROOT / page).parent / target).exists(), target


def test_every_preset_has_a_row_with_its_size() -> None:
    tables = README + PAGES["docs/scenes.md"]
    rows = re.findall(r"^\| `([^`]+)` \| (\d+)x\d+", tables, re.MULTILINE)
    gans = [row for row in rows if row[0] in PRESETS]
    assert gans == [(name, str(recipe.size)) for name, recipe in PRESETS.items()]
    refiners = {name: str(recipe.size) for name, recipe in REFINERS.items()}
    assert [row for row in rows if row not in gans] == [("refiner-32", refiners["refiner-32"])]


def test_the_python_example_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    charset = Charset(tuple("永和九年"))
    with StoreWriter(Path("train"), size=32, channels=1, recipe={}) as writer:
        for position, label in enumerate(charset.labels * 4):
            image = np.full((32, 32), 16 * position, np.uint8)
            writer.add(Record(image, label, writer="", source="", position=position))
        store = writer.finish(charset=charset, origin={"kind": "gnt"})
    tiny = {"batch": "8", "images": "8", "every": "8", "r1_gamma": "0"}
    train(store, Path("runs/refiner"), change(preset("glyph-32"), tiny), device="cpu")

    (snippet,) = blocks(README, "python")
    names: dict[str, Any] = {}
    exec(snippet, names)

    assert names["images"].shape == (4, 32, 32)
    assert names["images"].dtype == np.uint8
    assert len(names["real"]) == 16
    assert names["real"][0][0].size == (32, 32)
    for x, y in itertools.islice(names["endless"], 300):
        assert x.shape == (1, 32, 32)
        assert y in range(4)
