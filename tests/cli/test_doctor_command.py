import json

import pytest
from typer.testing import CliRunner

from hwgen.inspection import doctor
from hwgen.requirements import Extra, Requirements, installed_requirements
from hwgen_cli.__main__ import app


def test_table_of_installed_and_missing_packages() -> None:
    result = CliRunner().invoke(app, ["doctor"], env={"COLUMNS": "200"})
    assert result.exit_code == 0, result.output
    for printed in (
        "torch",
        "cores usable",
        "auto precision: ",
        "free of",
        "torch.compile",
        "threads",
    ):
        assert printed in result.output
    for extra in installed_requirements().extras:
        assert f"extra {extra}" in result.output


def test_doctor_json() -> None:
    result = CliRunner().invoke(app, ["doctor", "--json"])
    assert result.exit_code == 0
    found = json.loads(result.stdout)
    assert found["problems"] == []
    assert {"hwgen", "packages", "features", "cpu", "devices", "disks", "threads"} <= found.keys()


def test_a_broken_requirement_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    extras = {"dreams": Extra("hwgen dream", {"nope": ""})}
    required = Requirements({"no-such-package-xyz": "1"}, extras)
    monkeypatch.setattr(doctor, "installed_requirements", lambda: required)
    result = CliRunner().invoke(app, ["doctor"], env={"COLUMNS": "200"})
    assert result.exit_code == 1
    assert "broken: no-such-package-xyz" in result.output
    assert "for hwgen dream: pip install nope" in result.output


def test_a_gpu_and_a_locked_disk_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    real = doctor.examine()
    gpu = doctor.Device("cuda:0", "Some GPU", 80 << 30, "9.0", "", "", "bf16", "")
    disk = doctor.Disk("the present folder", "/mnt/full", 0, 1 << 30, False)
    limited = doctor.Cpu("A CPU", 8, 2, 16 << 30, 8 << 30, 4 << 30)
    shown = doctor.Checkup(
        **{
            **vars(real),
            "devices": [*real.devices, gpu],
            "disks": [disk],
            "cpu": limited,
            "encoding": "",
        }
    )
    monkeypatch.setattr(doctor, "examine", lambda: shown)
    output = CliRunner().invoke(app, ["doctor"], env={"COLUMNS": "200"}).output
    assert "Some GPU, 80.0 GiB, compute capability 9.0" in output
    assert "CUDA graphs: work" in output
    assert "NOT writable" in output
    assert "limited to 4.0 GiB" in output
    assert "no GPU that torch can use" not in output
