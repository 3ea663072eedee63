"""The wheel has every file of the packages, and the terms of the stroke data."""

import email
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

BUILD = "import sys, setuptools.build_meta as build; build.build_wheel(sys.argv[1])"
IGNORED = shutil.ignore_patterns("__pycache__", "*.egg-info")


@pytest.fixture(scope="module")
def wheel(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy of the packages, without a network."""
    pytest.importorskip("setuptools", minversion="77")
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in ("hwgen", "hwgen_cli"):
        shutil.copytree(root / name, source / name, ignore=IGNORED)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(root / name, source)
    done = subprocess.run(
        [sys.executable, "-c", BUILD, str(out)], cwd=source, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    (found,) = out.iterdir()
    return found


def test_the_wheel_has_every_file_of_the_packages(wheel: Path, root: Path) -> None:
    files = [
        path.relative_to(root).as_posix()
        for package in ("hwgen", "hwgen_cli")
        for path in (root / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    ]
    with zipfile.ZipFile(wheel) as archive:
        assert set(files) <= set(archive.namelist())
    assert "hwgen/sources/strokes/hanzi/medians.bin" in files


def test_the_wheel_has_the_licences_and_names_them(wheel: Path, root: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (metadata,) = (name for name in archive.namelist() if name.endswith("dist-info/METADATA"))
        fields = email.message_from_bytes(archive.read(metadata))
        assert fields["License-Expression"] == "MIT AND Arphic-1999"
        files = fields.get_all("License-File") or []
        assert len(files) == 3
        for file in files:
            beside = f"{metadata.removesuffix('METADATA')}licenses/{file}"
            assert archive.read(beside) == (root / file).read_bytes()
