import os
import shutil
from typing import Any

import pytest
import torch

from hwgen.inspection import doctor
from hwgen.inspection.doctor import Checkup, examine
from hwgen.io.machine import Memory
from hwgen.requirements import Extra, installed_requirements


@pytest.fixture(scope="module")
def found() -> Checkup:
    return examine()


def test_a_working_machine_has_no_problem(found: Checkup) -> None:
    assert found.problems == []
    assert [package.name for package in found.packages] == list(installed_requirements().packages)
    assert all(package.version and not package.problem for package in found.packages)
    assert found.cpu.cores >= found.cpu.cores_usable >= 1
    cpu = found.devices[0]
    assert (cpu.name, cpu.fp32, cpu.capability) == ("cpu", "", "")
    assert cpu.precision in ("bf16", "fp32")
    assert cpu.cuda_graphs
    assert len(found.devices) == 1 + torch.cuda.device_count()
    assert found.threads["torch"] == str(torch.get_num_threads())


def test_free_disk_space_is_that_of_the_system(found: Checkup) -> None:
    here = found.disks[0]
    assert here.path == os.getcwd()
    assert here.total_bytes == shutil.disk_usage(".").total
    assert 0 <= here.free_bytes <= here.total_bytes


def test_a_required_package_that_fails_to_import_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(name: str) -> Any:
        if name in ("lmdb", "torch"):
            raise OSError("libfoo.so.1: cannot open shared object file\nmore")

    monkeypatch.setattr(doctor.importlib, "import_module", load)
    found = examine()
    assert found.devices == []  # since torch does not load
    assert "torch" not in found.threads
    assert [problem.split(":")[0] for problem in found.problems] == ["lmdb", "torch"]
    assert "cannot open shared object file)" in found.problems[0]
    assert "pip install 'lmdb>=3'" in found.problems[0]


def test_an_old_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_version", lambda name: "2.5.9+cu124" if name == "torch" else "99")
    problems = examine().problems
    assert len(problems) == 1
    assert "torch: 2.5.9+cu124 is older than 2.6" in problems[0]


@pytest.mark.parametrize(
    ("version", "oldest", "old"),
    [
        ("2.6.0", "2.6", False),
        ("2.10.0", "2.6", False),
        ("3", "3.0.0", False),
        ("2.5.1", "2.6", True),
        ("2.6.0a0+git1", "2.6", False),
        ("0.4.2", "0.4.3", True),
        ("", "1", False),
        ("1", "", False),
    ],
)
def test_versions_are_compared_by_their_numbers(version: str, oldest: str, old: bool) -> None:
    assert bool(doctor._too_old(version, oldest)) is old


def test_an_extra_that_is_missing_has_a_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    extra = Extra("hwgen dream", {"pytest": "8", "no-such-package-xyz": "1"})
    feature = doctor._feature("dreams", extra)
    assert feature.remedy == "pip install 'pytest>=8' 'no-such-package-xyz>=1'"
    assert [bool(package.problem) for package in feature.packages] == [False, True]
    assert doctor._feature("tests", Extra("", {"pytest": "8"})).remedy == ""
    old = doctor._feature("tests", Extra("", {"pytest": "9999"}))
    assert "older than 9999" in old.packages[0].problem


def test_a_device_that_computes_wrongly_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_product", lambda device, dtype: torch.zeros(2, 2))
    assert examine().problems == ["cpu does not compute correctly: wrong result"]

    def broken(device: torch.device, dtype: torch.dtype) -> torch.Tensor:
        raise RuntimeError("no kernel image\nis available")

    monkeypatch.setattr(doctor, "_product", broken)
    assert examine().problems == ["cpu does not compute correctly: no kernel image"]


def test_bf16_matters_only_where_auto_selects_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def product(device: torch.device, dtype: torch.dtype) -> torch.Tensor:
        return torch.full((2, 2), 64.0 if dtype == torch.float32 else 0.0)

    monkeypatch.setattr(doctor, "_product", product)
    for taken, problems in ((torch.float32, 0), (torch.bfloat16, 1)):
        monkeypatch.setattr(
            "hwgen.compute.devices.pick_precision", lambda name, device, to=taken: to
        )
        assert len(examine().problems) == problems


def test_a_gpu_has_memory_and_capability(monkeypatch: pytest.MonkeyPatch) -> None:
    class Properties:
        name, total_memory, major, minor = "Some GPU", 80 << 30, 9, 0

    def product(*of: object) -> torch.Tensor:
        return torch.full((2, 2), 64.0)

    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: Properties())
    monkeypatch.setattr("hwgen.compute.devices.pick_precision", lambda name, device: torch.bfloat16)
    monkeypatch.setattr(doctor, "_product", product)
    monkeypatch.setattr(doctor, "_captured", product)
    gpu = examine().devices[1]
    assert (gpu.name, gpu.model, gpu.memory_bytes) == ("cuda:0", "Some GPU", 80 << 30)
    assert (gpu.capability, gpu.precision, gpu.cuda_graphs) == ("9.0", "bf16", "")


def test_memory_and_cpus_are_those_of_the_container(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hwgen.io.machine.memory", lambda: Memory(1 << 36, 1 << 29, 1 << 30))
    monkeypatch.setattr("hwgen.io.machine.usable_cpus", lambda: 2)
    cpu = examine().cpu
    assert (cpu.memory_bytes, cpu.memory_available_bytes) == (1 << 36, 1 << 29)
    assert (cpu.memory_limit_bytes, cpu.cores_usable) == (1 << 30, 2)
