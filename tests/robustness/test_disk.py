"""A full or read-only disk: clear errors, no valid data lost, locks released, work can be resumed.

The disks are small tmpfs, which root may mount; elsewhere these tests are skipped.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from hwgen.compute.tensor_files import load_tensors, save_tensors
from hwgen.errors import HwgenError, RunError, StoreError
from hwgen.generators.gan.presets import Recipe
from hwgen.generators.gan.sampling import Sampler
from hwgen.generators.gan.training import train
from hwgen.imaging.framing import Framing
from hwgen.io.json_files import write_json
from hwgen.prepare import PrepareOptions, prepare_gnt
from hwgen.runs import Run
from hwgen.sources.gnt import write_gnt
from hwgen.store import Store, StoreWriter, is_store
from hwgen.synthesis.synthesize import synthesize
from hwgen_cli.__main__ import main

FRAMING = Framing(32)
FULL = r"cannot be written \(.*\)\. The disk may be full; free some space and rerun"


@pytest.fixture(autouse=True)
def _one_thread(one_thread: None) -> None:
    """Toy networks are fastest, and bit-exact, on one thread."""


class Disk:
    """A small tmpfs."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(path)]
        if subprocess.run(command, capture_output=True).returncode:
            pytest.skip("mounting a tmpfs is not permitted")

    def leave(self, kib: int) -> None:
        """Fill the disk, except for `kib` KiB."""
        ballast = self.path / ".ballast"
        ballast.unlink(missing_ok=True)
        with open(ballast, "wb", buffering=0) as file:
            left = self._free() - (kib << 10)
            while left > 0:
                left -= file.write(bytes(min(left, 1 << 16)))

    def clear(self) -> None:
        (self.path / ".ballast").unlink()

    def remount(self, how: str) -> None:
        subprocess.run(["mount", "-o", f"remount,{how}", str(self.path)], check=True)

    def close(self) -> None:
        subprocess.run(["umount", "-l", str(self.path)], check=True)

    def names(self) -> set[str]:
        return {path.name for path in self.path.iterdir()} - {".ballast"}

    def _free(self) -> int:
        found = os.statvfs(self.path)
        return found.f_bavail * found.f_frsize


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    disk = Disk(tmp_path / "disk")
    yield disk
    disk.close()


@pytest.fixture
def gnt(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    pictures = [("一丁七"[n % 3], rng.integers(0, 256, (9, 9), np.uint8)) for n in range(3000)]
    write_gnt(tmp_path / "001-f.gnt", pictures)
    return tmp_path / "001-f.gnt"


@pytest.fixture(scope="module")
def run(toy_store: Store, toy_recipe: Recipe, tmp_path_factory: pytest.TempPathFactory) -> Run:
    out = tmp_path_factory.mktemp("disk") / "run"
    recipe = replace(toy_recipe, images=8, every=8)
    return train(toy_store, out, recipe, device="cpu", precision="fp32")


@pytest.mark.parametrize("kib", [0, 100, 1000])
def test_preparing_on_a_full_disk_leaves_nothing_and_works_with_more_space(
    disk: Disk, gnt: Path, kib: int
) -> None:
    disk.leave(kib)
    with pytest.raises(StoreError, match=f"disk/s: {FULL}"):
        prepare_gnt([gnt], disk.path / "s", framing=FRAMING, options=PrepareOptions(workers=1))
    assert disk.names() == set()
    disk.clear()
    assert (
        prepare_gnt(
            [gnt], disk.path / "s", framing=FRAMING, options=PrepareOptions(workers=1)
        ).records
        == 3000
    )
    assert disk.names() == {"s"}


def test_a_store_is_not_lost_if_its_replacement_fills_the_disk(disk: Disk, gnt: Path) -> None:
    prepare_gnt([gnt], disk.path / "s", framing=Framing(8), options=PrepareOptions(workers=1))
    before = Store(disk.path / "s").manifest
    disk.leave(200)
    with pytest.raises(StoreError, match="cannot be written"):
        prepare_gnt(
            [gnt],
            disk.path / "s",
            framing=FRAMING,
            options=PrepareOptions(overwrite=True, workers=1),
        )
    assert Store(disk.path / "s").manifest == before
    assert disk.names() == {"s"}
    assert len(Store(disk.path / "s").all_images()) == 3000


def test_a_read_only_disk_is_named(disk: Disk, gnt: Path, run: Run, toy_recipe: Recipe) -> None:
    prepare_gnt([gnt], disk.path / "s", framing=FRAMING, options=PrepareOptions(workers=1))
    train(Store(disk.path / "s"), disk.path / "run", replace(toy_recipe, images=4, every=4))
    disk.remount("ro")
    assert len(Store(disk.path / "s").all_images()) == 3000  # reading needs no lock file
    Sampler.load(disk.path / "run", device="cpu").sample([0], [0])
    with pytest.raises(StoreError, match=r"disk/t: cannot be written \(Read-only file system\)"):
        prepare_gnt([gnt], disk.path / "t", framing=FRAMING, options=PrepareOptions(workers=1))
    with pytest.raises(StoreError, match=r"disk/t: cannot be written \(Read-only file system\)"):
        synthesize(Sampler.load(run, device="cpu"), disk.path / "t", per_class=1)
    with pytest.raises(RunError, match=r"disk/new: cannot be written \(Read-only file system\)"):
        train(Store(disk.path / "s"), disk.path / "new", toy_recipe, device="cpu")
    disk.remount("rw")
    assert disk.names() == {"s", "run"}


def test_unreadable_and_unwritable_paths_are_named_with_a_remedy(gnt: Path, tmp_path: Path) -> None:
    powerless = []
    if not os.getuid():  # root may do everything, unless it has no capabilities
        if shutil.which("setpriv") is None:
            pytest.skip("needs setpriv, so that root has not all rights")
        powerless = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"]
    store, closed = tmp_path / "s", tmp_path / "closed"
    prepare_gnt([gnt], store, framing=Framing(8), options=PrepareOptions(workers=1))
    closed.mkdir(mode=0o555)

    def said(*arguments: object) -> str:
        command = [*powerless, sys.executable, "-m", "hwgen_cli", *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 1, done.stderr
        return done.stderr

    rights = r"Permission denied\)?\. Change the permissions of the file or its folder"
    assert re.search(f"closed.*{rights}", said("export", store, "-f", "gnt", "--out", closed / "x"))
    assert re.search(f"closed.*{rights}", said("prepare-gnt", gnt, "--out", closed / "x"))
    (store / "data.mdb").chmod(0)
    assert re.search(rf"data\.mdb: cannot be opened .*{rights}", said("inspect", store))
    (store / "manifest.json").chmod(0)
    assert re.search(rf"manifest\.json: {rights}", said("inspect", store))


def test_a_synthesis_that_fills_the_disk_resumes_with_more_space(
    disk: Disk, run: Run, tmp_path: Path
) -> None:
    sampler = Sampler.load(run, device="cpu")
    whole = synthesize(sampler, tmp_path / "whole", per_class=3000)
    disk.leave(500)
    with pytest.raises(StoreError, match=FULL):
        synthesize(sampler, disk.path / "s", per_class=3000)
    assert not is_store(disk.path / "s")
    assert disk.names() == {"s.partial"}
    disk.clear()
    store = synthesize(sampler, disk.path / "s", per_class=3000)
    assert store is not None
    assert whole is not None
    assert store.manifest.content_sha256 == whole.manifest.content_sha256
    assert disk.names() == {"s"}


def test_a_training_that_fills_the_disk_resumes_from_its_last_checkpoint(
    disk: Disk, toy_store: Store, toy_recipe: Recipe, tmp_path: Path
) -> None:
    recipe = replace(toy_recipe, images=40, every=8)
    whole = train(toy_store, tmp_path / "whole", recipe, device="cpu", precision="fp32")
    size = whole.checkpoint.stat().st_size // 1024 + whole.weights(8).stat().st_size // 1024
    disk.leave(3 * size)
    with pytest.raises((HwgenError, OSError), match=r"No space left"):
        train(toy_store, disk.path / "run", recipe, device="cpu", precision="fp32")
    load_tensors(Run(disk.path / "run").checkpoint)  # the last one is whole
    assert not list((disk.path / "run").rglob("*.hwgen-tmp"))
    disk.clear()
    run = train(toy_store, disk.path / "run", recipe, device="cpu", precision="fp32")
    assert [p.name for p in run.snapshots()] == [p.name for p in whole.snapshots()]
    for name, tensor in load_tensors(whole.weights(40))[0].items():
        torch.testing.assert_close(load_tensors(run.weights(40))[0][name], tensor)


def test_old_files_stay_if_new_ones_do_not_fit(disk: Disk) -> None:
    tensors = {"a": torch.arange(1000)}
    save_tensors(disk.path / "x.safetensors", tensors, {})
    write_json(disk.path / "x.json", [1])
    disk.leave(16)
    with pytest.raises(RunError, match=rf"x\.safetensors: {FULL}"):
        save_tensors(disk.path / "x.safetensors", {"a": torch.arange(100_000)}, {})
    with pytest.raises(OSError, match="No space left"):
        write_json(disk.path / "x.json", "x" * 100_000)
    assert torch.equal(load_tensors(disk.path / "x.safetensors")[0]["a"], tensors["a"])
    assert (disk.path / "x.json").read_text() == "[\n 1\n]"
    assert disk.names() == {"x.safetensors", "x.json"}


def test_the_command_reports_it_without_a_traceback(
    disk: Disk, gnt: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    disk.leave(4)
    monkeypatch.setattr("sys.argv", ["hwgen", "prepare-gnt", str(gnt), "--out", f"{disk.path}/s"])
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 1
    said = capsys.readouterr().err
    assert "error:" in said
    assert "No space left on device" in said


def test_a_lock_is_free_after_a_failure(disk: Disk) -> None:
    disk.leave(0)
    with pytest.raises((StoreError, OSError)), StoreWriter(disk.path / "s", size=8, recipe={}):
        pass
    disk.clear()
    with StoreWriter(disk.path / "s", size=8, recipe={}) as writer:
        writer.finish(origin={})
    assert is_store(disk.path / "s")
