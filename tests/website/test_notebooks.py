import json
import re
from pathlib import Path
from typing import Any

import pytest

from website import notebooks

ROOT = Path(__file__).resolve().parents[2]
QUICKSTART = ROOT / "docs" / "quickstart.ipynb"
SMALL = {"characters": "永和九年", "simulated_per_class": 2, "steps": 2}


def notebook(*sources: str, tags: tuple[str, ...] = ()) -> notebooks.Notebook:
    """A notebook with a title and these cells of code; `tags` are those of the first."""
    cells: list[dict[str, Any]] = [{"cell_type": "markdown", "metadata": {}, "source": ["# Title"]}]
    for number, source in enumerate(sources):
        metadata = {} if number or not tags else {"tags": list(tags)}
        lines = source.splitlines(keepends=True)
        cells.append({"cell_type": "code", "metadata": metadata, "outputs": [], "source": lines})
    return {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}


def shapes(outputs: list[notebooks.Output]) -> list[tuple[str, str]]:
    """Types of the outputs, and text without its numbers."""
    found = []
    for output in outputs:
        data = output.get("data", {"text/plain": output.get("text", [])})
        text = "" if "image/png" in data else "".join(data["text/plain"])
        found.append((",".join(sorted(data)), re.sub(r"[\d.,]+", "#", text)))
    return found


def test_the_quick_start_runs_at_a_small_size(kanjivg: None, one_thread: None) -> None:
    committed = notebooks.load(QUICKSTART)
    made = notebooks.run(committed, SMALL)
    kept = [cell["outputs"] for cell in notebooks.code_cells(committed)]
    assert [shapes(outputs) for outputs in made] == [shapes(outputs) for outputs in kept]
    assert sum("image/png" in kind for outputs in made for kind, _ in shapes(outputs)) >= 3


def test_outputs_of_the_quick_start_are_those_of_its_code() -> None:
    committed = notebooks.load(QUICKSTART)
    assert committed["metadata"][notebooks.OUTPUTS_OF] == notebooks.digest(committed), (
        "The code has changed since the outputs were made. Make them again, and commit them: "
        "python -m website.notebooks docs/quickstart.ipynb"
    )
    assert QUICKSTART.stat().st_size < 200_000
    cells = notebooks.code_cells(committed)
    assert [cell["execution_count"] for cell in cells] == [*range(1, len(cells) + 1)]


def test_what_cells_show_and_share() -> None:
    image = "from PIL import Image\nImage.new('L', (2, 2))"
    one = notebook(
        "x = 1\ny = 2", "print(x, y)\nx + y", image, "x;\nNone", "", tags=("parameters",)
    )

    outputs = notebooks.run(one, {"y": 5})

    stream, value = outputs[1]
    assert stream == {"name": "stdout", "output_type": "stream", "text": ["1 5\n"]}
    assert value["data"] == {"text/plain": ["6"]}
    assert value["execution_count"] == 2
    assert outputs[2][0]["data"].keys() == {"image/png", "text/plain"}
    assert [outputs[0], outputs[3], outputs[4]] == [[], [], []]
    assert notebooks.run(notebook("y = 2", "y"), {"y": 5})[1][0]["data"] == {"text/plain": ["2"]}


def test_cells_run_in_a_folder_of_their_own_and_errors_are_raised() -> None:
    before = Path.cwd()
    code = "from pathlib import Path\nPath('x').touch()\nassert [*Path().iterdir()] == [Path('x')]"
    with pytest.raises(ZeroDivisionError):
        notebooks.run(notebook(code, "1 / 0"))
    assert Path.cwd() == before
    assert not (before / "x").exists()


def test_the_module_keeps_outputs(tmp_path: Path) -> None:
    path = tmp_path / "a.ipynb"
    notebooks.save(notebook("print('永')"), path)
    notebooks.main(path)
    made = notebooks.load(path)
    assert made["metadata"][notebooks.OUTPUTS_OF] == notebooks.digest(made)
    assert "永" in path.read_text(encoding="utf-8")
    assert json.loads(path.read_text(encoding="utf-8")) == made
    made["cells"][1]["source"] = ["print(1)"]
    assert made["metadata"][notebooks.OUTPUTS_OF] != notebooks.digest(made)


def test_a_page_of_the_site() -> None:
    image = "from PIL import Image\nImage.new('L', (2, 2))"
    one = notebook("print('a')\n7", image)
    for cell, outputs in zip(notebooks.code_cells(one), notebooks.run(one), strict=True):
        cell["outputs"] = outputs
    page = notebooks.to_markdown(one)
    assert page.startswith(
        "# Title\n\n```python\nprint('a')\n7\n```\n\n```text\na\n```\n\n```text\n7"
    )
    assert page.endswith("=)\n")
    assert "![](data:image/png;base64,iVBOR" in page
