import importlib.metadata
import re
from pathlib import Path

import pytest

from hwgen.errors import InputError
from hwgen.inspection import doctor
from hwgen.inspection.requirements import (
    NEEDED_BY,
    Requirement,
    installed_requirements,
    parse,
    requirements_of,
)

PYPROJECT = (Path(__file__).resolve().parents[2] / "pyproject.toml").read_text(encoding="utf-8")


def test_requirements_are_those_of_the_metadata() -> None:
    lines = ["torch>=2.6", 'onnx>=1.16; extra == "onnx"', "kanjivg ; extra == 'demo'"]
    lines += ['hwgen[demo,onnx]; extra == "all"', 'ruff>=0.6; extra == "all"']
    found = requirements_of(lines, ["onnx", "demo", "all", "empty"])
    assert found.packages == {"torch": "2.6"}
    assert {name: extra.packages for name, extra in found.extras.items()} == {
        "all": {"kanjivg": "", "onnx": "1.16", "ruff": "0.6"},
        "demo": {"kanjivg": ""},
        "empty": {},
        "onnx": {"onnx": "1.16"},
    }
    assert found.extras["onnx"].needed_by == NEEDED_BY["onnx"]
    assert found.extras["all"].needed_by == ""


def test_every_extra_of_pyproject_says_what_needs_it() -> None:
    start = PYPROJECT.index("[project.optional-dependencies]")
    section = PYPROJECT[start : PYPROJECT.index("\n[", start)]
    assert sorted(NEEDED_BY) == sorted(re.findall(r"^([\w-]+) = \[", section, re.MULTILINE))


def test_every_requirement_of_pyproject_can_be_parsed() -> None:
    packaging = pytest.importorskip("packaging.requirements")
    start, end = PYPROJECT.index("dependencies = ["), PYPROJECT.index("[project.scripts]")
    uncommented = re.sub(r"#.*", "", PYPROJECT[start:end])
    lines = re.findall(r'"([^"]+)"', uncommented)
    assert len(lines) > 20
    for line in lines:
        found, expected = parse(line), packaging.Requirement(line)
        assert (found.name, set(found.extras)) == (expected.name, expected.extras)
        assert [found.oldest] == [one.version for one in expected.specifier] or not found.oldest
        assert parse(f'{line}; extra == "x"') == found._replace(of="x")


def test_the_installed_metadata_can_be_read() -> None:
    found = installed_requirements()
    assert "torch" in found.packages
    assert found.extras["onnx"].packages.keys() == {"onnx", "onnxruntime"}


def test_other_forms_are_refused() -> None:
    assert parse("Pillow (>=10.1)") == Requirement("Pillow", (), "10.1", "")
    for line in ("torch<3", "torch>=2; python_version < '3.11'", ""):
        with pytest.raises(InputError, match="is not of the form"):
            parse(line)


def test_an_uninstalled_source_tree_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "metadata", missing)
    assert doctor._requirements()[1] == [
        "hwgen is not installed, so its requirements are not known. Install it with: "
        "pip install -e . (in the source tree)"
    ]
