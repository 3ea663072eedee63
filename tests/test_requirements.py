import importlib.metadata
import importlib.util
import re
from pathlib import Path

import pytest

from hwgen import requirements
from hwgen.errors import InputError
from hwgen.inspection import doctor
from hwgen.requirements import (
    MODULES,
    NEEDED_BY,
    Requirement,
    install_extra,
    installed_requirements,
    parse,
    requirements_of,
)

PYPROJECT = (Path(__file__).resolve().parents[1] / "pyproject.toml").read_text(encoding="utf-8")


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
    assert "tomli>=2; python_version < '3.11'" in lines
    assert len(lines) > 20
    for line in lines:
        found, expected = parse(line), packaging.Requirement(line)
        assert (found.name, set(found.extras)) == (expected.name, expected.extras)
        assert [found.oldest] == [one.version for one in expected.specifier] or not found.oldest
        assert parse(f'{line}; extra == "x"') == found._replace(of="x")
        assert bool(found.before) == (expected.marker is not None)


def test_every_required_package_is_imported_by_the_name_that_doctor_uses() -> None:
    start = PYPROJECT.index("\ndependencies = [")
    lines = re.findall(r'"([^"]+)"', PYPROJECT[start : PYPROJECT.index("\n]", start)])
    required = [one for one in map(parse, lines) if one.needed_here]
    assert "fonttools" in [one.name for one in required]
    for one in required:
        assert importlib.util.find_spec(MODULES.get(one.name, one.name)), one.name


def test_the_installed_metadata_can_be_read() -> None:
    found = installed_requirements()
    assert "torch" in found.packages
    assert found.extras["onnx"].packages.keys() == {"onnx", "onnxruntime"}


def test_what_this_python_does_not_need_is_left_out() -> None:
    assert parse("a>=2; python_version < '3.11'") == Requirement("a", (), "2", "", "3.11")
    lines = ["a>=2; python_version < '3.1'", "b; python_version < '3.999'"]
    assert requirements_of(lines, []).packages == {"b": ""}


def test_extras_are_installed_by_their_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    found = requirements_of(['onnx>=1.16; extra == "onnx"', 'k; extra == "onnx"'], ["onnx"])
    monkeypatch.setattr(requirements, "installed_requirements", lambda: found)
    assert install_extra("onnx") == "pip install 'onnx>=1.16' k"
    assert install_extra("new") == "pip install '.[new]' (in the source tree)"

    def missing() -> None:
        raise InputError("not installed")

    monkeypatch.setattr(requirements, "installed_requirements", missing)
    assert install_extra("onnx") == "pip install '.[onnx]' (in the source tree)"


def test_other_forms_are_refused() -> None:
    assert parse("Pillow (>=10.1)") == Requirement("Pillow", (), "10.1", "")
    for line in ("torch<3", "torch>=2; python_version > '3.11'", ""):
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
