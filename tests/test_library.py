"""Rules that the import linter (see pyproject.toml) cannot check."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import hwgen

ROOT = Path(__file__).resolve().parents[1]
LIBRARY = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "hwgen").rglob("*.py"))


def test_the_command_line_imports_no_heavy_library() -> None:
    code = """
import sys, hwgen
assert not {"numpy", "torch"} & set(sys.modules)
import hwgen_cli.__main__
heavy = {"PIL", "filelock", "lmdb", "matplotlib", "numpy", "safetensors", "torch"}
print(*sorted(heavy & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


@pytest.mark.parametrize("file", LIBRARY)
def test_the_library_neither_prints_nor_exits(file: str) -> None:
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    calls = [ast.unparse(n.func) for n in ast.walk(tree) if isinstance(n, ast.Call)]
    raised = [ast.unparse(n.exc) for n in ast.walk(tree) if isinstance(n, ast.Raise) and n.exc]
    assert not {"print", "input", "exit", "quit", "sys.exit", "os._exit"} & set(calls)
    assert not [text for text in raised if text.startswith(("SystemExit", "KeyboardInterrupt"))]


def test_public_names_are_imported_on_first_use_and_typed() -> None:
    assert all(getattr(hwgen, name) is not None for name in hwgen.__all__)
    assert set(hwgen.__all__) <= set(dir(hwgen))
    with pytest.raises(AttributeError, match="'hwgen' has no attribute 'Nothing'"):
        hwgen.Nothing  # noqa: B018
    stub = ast.parse((ROOT / "hwgen" / "__init__.pyi").read_text(encoding="utf-8"))
    typed = {
        alias.name: node.module
        for node in stub.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert typed == hwgen._MODULES


def test_every_public_name_has_a_docstring() -> None:
    undocumented = [name for name in hwgen._MODULES if not getattr(hwgen, name).__doc__]
    assert undocumented == []
