import sys

import pytest

from hwgen.errors import RecipeChangedError
from hwgen_cli import __main__


def test_differences_stand_in_lines_between_error_and_remedy() -> None:
    error = RecipeChangedError("other settings", where="run", remedy="Undo", details=["a: 1 -> 2"])
    assert str(error) == "run: other settings:\n  a: 1 -> 2\nUndo"
    assert str(RecipeChangedError("wrong", where="run", remedy="Undo")) == "run: wrong. Undo"


def test_line_breaks_of_labels_and_names_begin_no_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        raise RecipeChangedError(
            "label \n\t\x1b[2J[b]", where="a\nerror: b", remedy="Undo\r", details=["c\n  d -> e"]
        )

    monkeypatch.setattr(__main__, "app", fail)
    monkeypatch.setattr(sys, "stderr", sys.stderr)
    monkeypatch.setattr(sys, "stdout", sys.stdout)
    with pytest.raises(SystemExit):
        __main__.main()
    assert capsys.readouterr().err.splitlines() == [
        r"error: a\nerror: b: label \n\t\x1b[2J[b]:",
        r"  c\n  d -> e",
        r"Undo\r",
    ]
