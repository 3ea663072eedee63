"""Limits of control groups, in trees of files as Docker and systemd have them."""

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from hwgen.io.machine import Memory, memory, proc_fields, usable_cpus

GIB = 1 << 30
MEMINFO = "MemTotal:  67108864 kB\nMemAvailable: 50331648 kB\n"  # 64 and 48 GiB
V2 = "30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup rw,nsdelegate\n"
V1 = (
    "32 31 0:29 {0} /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
    "35 31 0:32 {0} /sys/fs/cgroup/memory rw shared:9 - cgroup cgroup rw,memory\n"
    "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
)
NONE = "9223372036854771712"


def tree(root: Path, mounts: str, groups: str, files: Mapping[str, str]) -> Path:
    everything = {
        "proc/meminfo": MEMINFO,
        "proc/self/mountinfo": "22 1 8:1 / / rw - ext4 /dev/sda rw\n" + mounts,
        "proc/self/cgroup": groups,
        **{f"sys/fs/cgroup/{name}": text for name, text in files.items()},
    }
    for name, text in everything.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


@pytest.fixture(autouse=True)
def cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(16)), raising=False)


def test_a_container_of_version_2(tmp_path: Path) -> None:
    files = {
        "memory.max": f"{2 * GIB}\n",
        "memory.high": "max\n",
        "memory.current": f"{GIB}\n",
        "memory.stat": f"anon 5\ninactive_file {GIB // 2}\nactive_file {GIB // 4}\n",
        "cpu.max": "250000 100000\n",
    }
    root = tree(tmp_path, V2, "0::/\n", files)
    assert memory(root) == Memory(64 * GIB, 2 * GIB - GIB // 4, 2 * GIB)
    assert usable_cpus(root) == 3


def test_the_lowest_limit_above_a_group_counts(tmp_path: Path) -> None:
    job = "user.slice/user-1000.slice/job.scope"
    files = {
        f"{job}/memory.max": f"{8 * GIB}",
        f"{job}/memory.current": f"{GIB}",
        f"{job}/cpu.max": "max 100000",
        "user.slice/user-1000.slice/memory.max": f"{6 * GIB}",
        "user.slice/user-1000.slice/memory.high": f"{4 * GIB}",
        "user.slice/user-1000.slice/memory.current": f"{3 * GIB}",
        "user.slice/cpu.max": "50000 100000",
        "other.slice/memory.max": "1",
    }
    root = tree(tmp_path, V2, f"0::/{job}\n", files)
    assert memory(root) == Memory(64 * GIB, GIB, 4 * GIB)
    assert usable_cpus(root) == 1


@pytest.mark.parametrize("seen_from", ["/docker/abc", "/"], ids=["host's path", "own namespace"])
def test_a_container_of_version_1(tmp_path: Path, seen_from: str) -> None:
    files = {
        "memory/memory.limit_in_bytes": f"{GIB}\n",
        "memory/memory.usage_in_bytes": f"{GIB // 2}\n",
        "memory/memory.stat": f"cache 7\ntotal_inactive_file {GIB // 4}\n",
        "cpu,cpuacct/cpu.cfs_quota_us": "400000\n",
        "cpu,cpuacct/cpu.cfs_period_us": "100000\n",
    }
    groups = f"5:memory:{seen_from}\n2:cpu,cpuacct:{seen_from}\n1:name=systemd:/\n0::/\n"
    root = tree(tmp_path, V1.format(seen_from), groups, files)
    assert memory(root) == Memory(64 * GIB, GIB - GIB // 4, GIB)
    assert usable_cpus(root) == 4


def test_a_host_s_path_that_the_container_does_not_see(tmp_path: Path) -> None:
    files = {"memory/memory.limit_in_bytes": f"{GIB}", "memory/memory.usage_in_bytes": "0"}
    root = tree(tmp_path, V1.format("/"), "5:memory:/kubepods/pod1/abc\n", files)
    assert memory(root).limit == GIB
    root = tree(tmp_path / "2", V1.format("/docker/ab"), "5:memory:/docker/abc\n", files)
    assert memory(root).limit == GIB


def test_a_full_container_has_nothing_left(tmp_path: Path) -> None:
    root = tree(tmp_path, V2, "0::/\n", {"memory.max": "100", "memory.current": "200"})
    assert memory(root) == Memory(64 * GIB, 0, 100)
    files = {"a/memory.max": "100", "a/memory.current": "200", "memory.max": "300"}
    root = tree(tmp_path / "2", V2, "0::/a\n", files)
    assert memory(root) == Memory(64 * GIB, 0, 100)


def test_without_limits_it_is_the_machine(tmp_path: Path) -> None:
    files = {
        "memory/memory.limit_in_bytes": NONE,
        "memory/memory.usage_in_bytes": "5",
        "cpu,cpuacct/cpu.cfs_quota_us": "-1",
        "cpu,cpuacct/cpu.cfs_period_us": "100000",
    }
    root = tree(tmp_path, V1.format("/"), "5:memory:/\n2:cpu,cpuacct:/\n", files)
    assert memory(root) == Memory(64 * GIB, 48 * GIB, 0)
    assert usable_cpus(root) == 16


@pytest.mark.parametrize("text", ["", "\n", "a", "1 2 3 4 5 - cgroup2\n", " - cgroup2 a b\n"])
def test_what_is_not_understood_limits_nothing(tmp_path: Path, text: str) -> None:
    root = tree(tmp_path, text, text, {"memory.max": text, "cpu.max": text})
    assert memory(root) == Memory(64 * GIB, 48 * GIB, 0)
    assert usable_cpus(root) == 16


def test_other_systems_tell_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert memory(tmp_path) == Memory(0, 0, 0)
    assert usable_cpus(tmp_path) == 1
    assert proc_fields(tmp_path / "none") == {}


def test_this_machine_has_memory_and_a_cpu() -> None:
    found = memory()
    assert found.total >= found.available > 0
    assert usable_cpus() <= 16
