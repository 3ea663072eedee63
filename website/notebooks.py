"""Runs a notebook and keeps its outputs: `python -m website.notebooks docs/quickstart.ipynb`.

A notebook is JSON, its cells plain Python that shows text and images, so that it takes neither
Jupyter nor a kernel to run one, in the tests as here.
"""

from __future__ import annotations

import ast
import base64
import contextlib
import hashlib
import io
import json
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

Notebook = dict[str, Any]
Output = dict[str, Any]

OUTPUTS_OF = "outputs_of"
"""Key of the metadata: the digest of the code that made the outputs."""

PARAMETERS = "parameters"
"""Tag of the cell whose names may be given other values, as papermill has it."""


def load(path: Path) -> Notebook:
    """Read a notebook."""
    notebook: Notebook = json.loads(path.read_text(encoding="utf-8"))
    return notebook


def save(notebook: Notebook, path: Path) -> None:
    """Write a notebook as Jupyter does."""
    text = json.dumps(notebook, ensure_ascii=False, indent=1)
    path.write_text(text + "\n", encoding="utf-8")


def code_cells(notebook: Notebook) -> list[dict[str, Any]]:
    """The cells that are run."""
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def digest(notebook: Notebook) -> str:
    """SHA-256 of the code, which tells whether outputs are those of it."""
    code = "\n\0\n".join("".join(cell["source"]) for cell in code_cells(notebook))
    return hashlib.sha256(code.encode()).hexdigest()


def run(notebook: Notebook, changes: Mapping[str, Any] | None = None) -> list[list[Output]]:
    """Run all cells in order, in an empty folder.

    Args:
        notebook: see `load`; it stays as it is.
        changes: other values for names that the cell tagged PARAMETERS sets.

    Returns:
        For each cell of code its outputs: what it printed, and the value of its last line.
    """
    names: dict[str, Any] = {"__name__": "__main__"}
    outputs: list[list[Output]] = []
    with tempfile.TemporaryDirectory() as folder, _current_folder(Path(folder)):
        for number, cell in enumerate(code_cells(notebook), 1):
            outputs.append(_run_cell("".join(cell["source"]), names, number))
            if PARAMETERS in cell["metadata"].get("tags", []):
                names.update(changes or {})
    return outputs


def _run_cell(source: str, names: dict[str, Any], number: int) -> list[Output]:
    body = ast.parse(source, f"cell {number}").body
    shown = body.pop() if body and isinstance(body[-1], ast.Expr) else None
    printed, value = io.StringIO(), None
    outputs: list[Output] = []
    with contextlib.redirect_stdout(printed):
        exec(compile(ast.Module(body, []), f"cell {number}", "exec"), names)
        if isinstance(shown, ast.Expr):
            value = eval(compile(ast.Expression(shown.value), f"cell {number}", "eval"), names)
    if printed.getvalue():
        text = printed.getvalue().splitlines(keepends=True)
        outputs.append({"name": "stdout", "output_type": "stream", "text": text})
    if value is not None:
        outputs.append(
            {
                "data": _data(value),
                "execution_count": number,
                "metadata": {},
                "output_type": "execute_result",
            }
        )
    return outputs


def _data(value: object) -> dict[str, Any]:
    """What Jupyter shows of a value, by its MIME type."""
    if not hasattr(value, "_repr_png_"):
        return {"text/plain": repr(value).splitlines(keepends=True)}
    png = base64.b64encode(value._repr_png_()).decode()
    return {"image/png": png, "text/plain": [f"<{type(value).__name__}>"]}


@contextlib.contextmanager
def _current_folder(folder: Path) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def to_markdown(notebook: Notebook) -> str:
    """A page of the site: text, code and outputs."""
    parts = []
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        parts.append(source if cell["cell_type"] == "markdown" else f"```python\n{source}\n```")
        for output in cell.get("outputs", []):
            data = output.get("data", {"text/plain": output.get("text", [])})
            if "image/png" in data:
                parts.append(f"![](data:image/png;base64,{data['image/png']})")
            else:
                parts.append(f"```text\n{''.join(data['text/plain']).rstrip()}\n```")
    return "\n\n".join(parts) + "\n"


def main(path: Path) -> None:
    """Run a notebook and write its outputs into it."""
    notebook = load(path)
    for number, (cell, outputs) in enumerate(
        zip(code_cells(notebook), run(notebook), strict=True), 1
    ):
        cell.update(execution_count=number, outputs=outputs)
    notebook["metadata"][OUTPUTS_OF] = digest(notebook)
    save(notebook, path)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
