"""No option takes a number that hwgen could write but not read."""

import sys
import typing

import pytest

from hwgen_cli.__main__ import app, main
from hwgen_cli.reference import all_commands

ALL = {name: (command.params, function) for name, command, function in all_commands(app)}


def kinds(name: str) -> dict[str, type]:
    """Types of a command's parameters, without None."""
    hints = typing.get_type_hints(ALL[name][1])
    return {key: (typing.get_args(hint) or (hint,))[0] for key, hint in hints.items()}


OPTIONS = [
    (name, param.opts[0] if param.param_type_name == "option" else "")
    for name, (params, _) in ALL.items()
    for param in params
    if kinds(name).get(param.name) in (int, float)
]


def test_the_options_are_found() -> None:
    assert {("synthesize", "--seed"), ("study significance", "")} <= set(OPTIONS)
    assert len(OPTIONS) > 40


@pytest.mark.parametrize("value", ["18446744073709551615", "9223372036854775808", "nan", "-inf"])
@pytest.mark.parametrize(("command", "option"), OPTIONS)
def test_numbers_beyond_64_bits_or_not_finite_are_refused(
    command: str,
    option: str,
    value: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    others: list[str] = []
    for param in ALL[command][0] if option else ():
        if param.required and param.opts[0] != option:
            others += ["1"] if param.param_type_name == "argument" else [param.opts[0], "x"]
    words = [option, value] if option else ["--", value, "1"]
    monkeypatch.setattr(sys, "argv", ["hwgen", *command.split(), *words, *others])
    with pytest.raises(SystemExit) as leaving:
        main()
    shown = " ".join(capsys.readouterr().err.replace("│", " ").split())
    assert leaving.value.code == 2, shown
    assert f"Invalid value for '{option}" in shown


LARGEST = str(2**63 - 1)


@pytest.mark.parametrize(
    ("command", "option"),
    [option for option in OPTIONS if option[1] in ("--workers", "--num-classes")],
)
def test_numbers_that_decide_how_much_is_allocated_have_a_maximum(
    command: str, option: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    others = [] if command == "presets" else ["--out", "x"]
    others += ["1" for param in ALL[command][0] if param.required and param.opts[0] != "--out"]
    words = ["hwgen", *command.split(), option, LARGEST, *others]
    monkeypatch.setattr(sys, "argv", words)
    with pytest.raises(SystemExit) as leaving:
        main()
    shown = " ".join(capsys.readouterr().err.replace("│", " ").split())
    assert leaving.value.code == 2, shown
    assert f"Invalid value for '{option}'" in shown
