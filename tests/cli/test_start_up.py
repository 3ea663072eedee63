"""Commands import no heavy library that they do not use: torch alone takes seconds."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np

from hwgen.runs import begin_or_continue
from hwgen.sources.gnt import write_gnt
from hwgen.store import Store

COMMANDS = """
import json, sys
from hwgen_cli.__main__ import main
for words in json.loads(sys.argv.pop()):
    sys.argv = ["hwgen", *words]
    try:
        main()
    except SystemExit as leaving:
        assert not leaving.code, (words, leaving.code)
    heavy = {"matplotlib", "onnx", "pyarrow", "safetensors", "torch"} & set(sys.modules)
    assert not heavy, (words, heavy)
"""


def test_commands_without_a_network_import_no_torch(toy_store: Store, tmp_path: Path) -> None:
    write_gnt(tmp_path / "001-f.gnt", [("一", np.zeros((20, 30), np.uint8))])
    run = begin_or_continue(
        tmp_path / "run",
        kind="gan",
        recipe={"preset": "glyph-32", "images": 40},
        seed=0,
        charset=toy_store.charset,
        data={},
    )
    run.log({"images": 20, "seconds": 1.0, "purity": 0.5, "diversity": 1.0})
    commands = [
        ["--version"],
        ["presets"],
        ["inspect", str(toy_store.path), "--sheet", str(tmp_path / "sheet.png")],
        ["inspect", str(run.path), "--json"],
        ["inspect", str(tmp_path / "001-f.gnt")],
        ["prepare-gnt", str(tmp_path / "001-f.gnt"), "--out", str(tmp_path / "store")],
        ["export", str(tmp_path / "store"), "--format", "gnt", "--out", str(tmp_path / "gnt")],
    ]
    arguments = [sys.executable, "-c", COMMANDS, json.dumps(commands)]
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
