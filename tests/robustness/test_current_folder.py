"""Nothing in the current folder is run or obeyed, whatever command is called there."""

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Set
from pathlib import Path

import pytest

from tests.robustness.test_locale import COMMANDS, DRIVER, ENVIRONMENT, OPTIONS
from tests.robustness.test_locale import place as place  # a fixture

STDLIB = frozenset(sys.stdlib_module_names)
OTHERS = """
IPython PIL benchmarks bs4 cv2 datasets filelock fontTools fsspec google hwgen hwgen_cli
importlib_metadata jinja2 kanjivg lmdb lz4 markdown matplotlib mpl_toolkits numpy nvidia onnx
onnxruntime pandas pkg_resources polars psutil pyarrow pygments rapidocr requests rich safetensors
scipy setuptools shellingham six sympy tensorboard tensorflow tests torch torch_fidelity torchgen
torchvision tqdm triton typer typing_extensions webdataset yaml zstandard
"""
PROGRAMS = "c++ cc clang++ g++ gcc git latex ld ldconfig nvcc nvidia-smi objdump uname"
GRAPHICS = '{"character": "十", "medians": [[[200, 400], [800, 420]], [[500, 800], [510, 100]]]}\n'

WORKERS = """
prepare-gnt '手写 数据' --out '双/真 字' --size 16 --workers 2
prepare-images '手写 数据/图 片' --out '双/图 字' --size 16 --grey --workers 2
prepare-pot '手写 数据/墨.pot' --out '双/墨 字' --workers 2
simulate --out '双/模 拟' --classes 十 --num-writers 3 --strokes graphics.txt --workers 2
"""
REST = """
presets glyph-32
doctor
"""


def set_traps(folder: Path, modules: Set[str]) -> Path:
    """Modules, programs and settings that a command may find; what is run writes to a file.

    Returns:
        The file.
    """
    witness = folder.parent / "witness"
    for name in modules:
        (folder / f"{name}.py").write_text(f"open({str(witness)!r}, 'a').write({name + ' '!r})")
    for name in PROGRAMS.split():
        (folder / name).write_text(f"#!/bin/sh\necho {name} >> {shlex.quote(str(witness))}\n")
        (folder / name).chmod(0o755)
    (folder / "matplotlibrc").write_text("text.usetex: True\nbackend: module://evil\n")
    (folder / "graphics.txt").write_text(GRAPHICS, encoding="utf-8")
    return witness


def imported_by_runpy() -> set[str]:
    """What `python -m` imports, from the current folder if it is there, before any of our code."""
    code = "import runpy, sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True)
    return {name.partition(".")[0] for name in done.stdout.split()}


@pytest.fixture
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs commands, as the console script does: with its own folder in `sys.path`."""
    file = tmp_path_factory.mktemp("bin") / "hwgen"
    file.write_text(DRIVER)
    return file


def test_no_command_runs_what_is_in_the_current_folder(
    place: Path, script: Path, toy_changes: dict[str, str]
) -> None:
    witness = set_traps(place, STDLIB | set(OTHERS.split()))
    changes = {**toy_changes, "size": "16", "generator.start": "[6, 8]", "images": "24"}
    gan = " ".join(f"--set {shlex.quote(f'{name}={value}')}" for name, value in changes.items())
    lines = (COMMANDS + WORKERS + REST).format(gan=gan, **OPTIONS).split("\n")
    done = subprocess.run(
        [sys.executable, script],
        input=json.dumps([shlex.split(line) for line in lines if line]).encode(),
        cwd=place,
        env={**ENVIRONMENT, "PATH": f".:{os.environ['PATH']}:"},
        capture_output=True,
    )
    assert done.returncode == 0, done.stderr.decode(errors="backslashreplace")
    assert not witness.exists(), witness.read_text()


@pytest.mark.parametrize("line", WORKERS.strip().split("\n"), ids=lambda line: line.split()[0])
def test_python_m_runs_nothing_from_the_current_folder(place: Path, line: str) -> None:
    traps = STDLIB | set(OTHERS.split()) - {"hwgen_cli"}
    witness = set_traps(place, traps - imported_by_runpy())
    command = [sys.executable, "-m", "hwgen_cli", *shlex.split(line)]
    done = subprocess.run(command, cwd=place, env=ENVIRONMENT, capture_output=True)
    assert done.returncode == 0, done.stderr.decode(errors="backslashreplace")
    assert not witness.exists(), witness.read_text()


def test_an_empty_entry_of_pythonpath_is_not_the_current_folder(place: Path, script: Path) -> None:
    witness = set_traps(place, set(OTHERS.split()) - {"hwgen_cli"} | {"multiprocessing", "pickle"})
    done = subprocess.run(
        [sys.executable, script],
        input=json.dumps([shlex.split(line) for line in WORKERS.strip().split("\n")]).encode(),
        cwd=place,
        env={**ENVIRONMENT, "PYTHONPATH": f":{ENVIRONMENT.get('PYTHONPATH', '')}:"},
        capture_output=True,
    )
    assert done.returncode == 0, done.stderr.decode(errors="backslashreplace")
    assert not witness.exists(), witness.read_text()
