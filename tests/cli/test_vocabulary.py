"""One vocabulary of options: the same option means the same thing in every command."""

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import hwgen
from hwgen_cli import reference
from hwgen_cli.__main__ import app

COMMANDS = {name: (command, function) for name, command, function in reference.all_commands(app)}

DIFFERENT_HELP = {
    "--steps": "Of one recogniser, or several numbers to compare.",
    "--epochs": "Of a recogniser, or of a generator.",
    "--init-from": "A recogniser, or a run of a generator.",
    "--out": "What is written differs: a store, a run, a folder or a page.",
    "--seed": "What is random differs.",
    "--workers": "What the workers do differs.",
    "--recogniser": "What the recogniser is used for differs.",
    "--real": "Deformed by `synthesize`, compared with by `evaluate`.",
    "--size": "Of the store, or of the images that a recogniser reads.",
    "--classes": "To select from a store or run, or to write from all characters there are.",
    "--strokes": "Whose strokes differs: of all characters to write, of a store, of a refiner.",
    "--batch": "Results of `train` depend on it, samples of `synthesize` do not.",
    "--count": "Of samples of a GAN without labels, or of lines.",
    "--domain": "The store whose look samples have, or a new run starts from.",
}
"""Options with a help text for each command, and why; name and metavar are the same everywhere."""

METAVARS = {
    "--format": {
        "ocr-lmdb|folder|paddle|gnt|webdataset|parquet",
        "ocr-lmdb|paddle|webdataset|parquet",  # those that hold lines of text
    },
    "--steps": {"N", "N|converged", "N,N,...|converged"},
    "--init-from": {"FILE", "RUN"},  # of a recogniser, or of a generator
    "--out": {"STORE", "RUN", "DIR", "FILE.html"},
    # A store of simulated characters may take the classes of a real one.
    # `inspect` lists the classes, without a value.
    "--classes": {"N|CHARACTERS|FILE", "N|CHARACTERS|FILE|STORE", ""},
}
"""Options with several metavars."""

SYNONYMS = {
    "--output", "--start", "--checkpoint", "--draws", "--protocol", "--judged", "--filter",
    "--share", "--counts", "--amount", "--limit", "--every", "--reader", "--cas-steps",
}  # fmt: skip
"""Names that are not used because another option has the same meaning."""


OF_OTHERS = {"--nproc-per-node", "--always", "--dirty", "--exclude", "--abbrev", "--help"}
OF_OTHERS |= {"--local-dir"}
"""Options of torchrun, git and hf, and of every command."""


def options() -> Iterator[tuple[str, Any, str]]:
    """Command, option of click and what it takes, as the reference shows it."""
    for name, (command, function) in COMMANDS.items():
        declared = reference._declared(function)
        for parameter in command.params:
            if parameter.param_type_name == "option" and parameter.name in declared:
                yield name, parameter, reference._values(parameter, *declared[parameter.name])


BY_NAME: dict[str, list[tuple[str, Any, str]]] = {}
for _command, _parameter, _value in options():
    BY_NAME.setdefault(_parameter.opts[0], []).append((_command, _parameter, _value))


@pytest.mark.parametrize("option", BY_NAME)
def test_an_option_takes_and_means_the_same_everywhere(option: str) -> None:
    uses = BY_NAME[option]
    metavars = {re.split(r">=|, ", value)[0] for _, _, value in uses}
    assert metavars <= METAVARS.get(option, metavars)
    assert len(metavars) == 1 or option in METAVARS
    assert len({tuple(parameter.opts) for _, parameter, _ in uses}) == 1
    if option not in DIFFERENT_HELP:
        assert len({parameter.help for _, parameter, _ in uses}) == 1
        assert len({parameter.rich_help_panel for _, parameter, _ in uses}) == 1


def test_no_exception_is_left_over() -> None:
    for option in DIFFERENT_HELP:
        assert len({parameter.help for _, parameter, _ in BY_NAME[option]}) > 1, option


def test_there_are_no_synonyms() -> None:
    assert not SYNONYMS & set(BY_NAME)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_that_writes_has_o(command: str) -> None:
    names = {name for parameter in COMMANDS[command][0].params for name in parameter.opts}
    writes = command not in (
        "doctor", "inspect", "presets", "study tally", "study significance", "upload"
    )  # fmt: skip
    assert ({"--out", "-o"} <= names) == writes


@pytest.mark.parametrize("option", BY_NAME)
def test_help_is_a_sentence_and_the_value_has_a_name(option: str) -> None:
    for command, parameter, value in BY_NAME[option]:
        assert parameter.help[0].isupper() or re.match(r"[a-z-]+: ", parameter.help), command
        assert parameter.help.endswith("."), command
        assert value.split(",")[0] not in ("TEXT", "PATH", "NUMBER") or option in (
            "--question",
            "--licence",
            "--text",
        ), (command, value)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_an_example(command: str) -> None:
    text = inspect.cleandoc(COMMANDS[command][1].__doc__ or "")
    assert f"hwgen {command}" in text
    assert text.split("\n\n")[0].endswith(".") or text.split("\n\n")[0].endswith("?")


@pytest.mark.parametrize("command", COMMANDS)
def test_no_function_of_a_command_is_long(command: str) -> None:
    assert len(inspect.getsource(COMMANDS[command][1]).splitlines()) <= 90


def test_options_in_texts_of_the_library_exist() -> None:
    known = {
        name
        for command, _ in COMMANDS.values()
        for p in command.params
        for name in (*p.opts, *p.secondary_opts)
    }
    for file in sorted(Path(hwgen.__file__).parent.rglob("*.py")):
        for number, line in enumerate(file.read_text("utf-8").splitlines(), 1):
            for name in re.findall(r"(?<![\w(-])--[a-z][a-z-]+", line):
                assert name in known | OF_OTHERS, f"{file}:{number}: {name}"
