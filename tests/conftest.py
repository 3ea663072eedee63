import importlib.metadata
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from hwgen.charset import Charset
from hwgen.generators.gan.presets import Recipe, change, preset
from hwgen.record import Record
from hwgen.store import Store, StoreWriter

ROOT = Path(__file__).resolve().parents[1]

TOY_CHANGES = {
    "size": "8",
    "generator.start": "[6, 4]",
    "generator.stages": '[{"channels": 4, "kernel": 3, "stride": 2},'
    ' {"channels": 1, "kernel": 3, "stride": 1}]',
    "generator.z_dim": "6",
    "generator.label_dim": "5",
    "discriminator.stages": '[{"channels": 4, "kernel": 4, "stride": 2},'
    ' {"channels": 6, "kernel": 3, "stride": 1}]',
    "discriminator.hidden": "8",
    "discriminator.label_dim": "5",
    "batch": "4",
    "images": "280",
    "every": "100",
}
"""Changes that make a toy of `glyph-32`; also passed to --set of the commands."""


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real handwriting; tests that need it are skipped without it."""
    folder = Path(os.environ.get("HWGEN_TEST_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"real data not found at {folder}; set HWGEN_TEST_DATA")
    return folder


@pytest.fixture(scope="session")
def toy_changes() -> dict[str, str]:
    return TOY_CHANGES


@pytest.fixture(scope="session")
def toy_recipe() -> Recipe:
    """A `glyph-32` of 8x8 pixels: milliseconds per step."""
    return change(preset("glyph-32"), TOY_CHANGES)


@pytest.fixture(scope="session")
def toy_store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """30 grey images of 16x16 in the classes 一, 丨, 十; each class is a stroke with noise."""
    rng = np.random.default_rng(0)
    path = tmp_path_factory.mktemp("toy") / "store"
    with StoreWriter(path, size=16, recipe={}) as writer:
        for n in range(30):
            image = rng.integers(180, 256, (16, 16), np.uint8)
            if n % 3 != 1:
                image[6 + n % 4 : 8 + n % 4] = rng.integers(0, 60)
            if n % 3 != 0:
                image[:, 6 + n % 4 : 8 + n % 4] = rng.integers(0, 60)
            writer.add(Record(image, "一丨十"[n % 3], f"w{n % 2}", "toy", n))
        return writer.finish(charset=Charset(tuple("一丨十")), origin={"kind": "gnt"})


Torchrun = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def torchrun() -> Iterator[Torchrun]:
    """Starts `torchrun --nproc-per-node 2` of a script or `-m module`, with gloo, on one thread."""
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: object) -> subprocess.Popen[str]:
        faults = {"PYTHONFAULTHANDLER": "1"}  # a killed process prints its stack
        # A script may import from these tests; other packages called tests come after them.
        paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
        launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
        process = subprocess.Popen(
            [*launcher, "--nproc-per-node", "2", *map(str, arguments)],
            env={**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "200", **faults}
            | {"PYTHONPATH": os.pathsep.join(paths)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        with process:
            process.terminate()  # torchrun ends its processes


@pytest.fixture
def one_thread() -> Iterator[None]:
    """One thread of torch: sums have one order, so that two runs can be compared bit by bit."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def kanjivg() -> None:
    """For tests that need KanjiVG's strokes."""
    try:
        importlib.metadata.distribution("kanjivg")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("the extra demo (kanjivg) is not installed")
