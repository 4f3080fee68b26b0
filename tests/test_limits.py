"""Cores and memory that a process may use: control groups of both versions, made up in a folder, and what follows."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

import fastnet
from fastnet import limits
from fastnet.config.checks import count_threads
from fastnet.config.training import TrainConfig
from fastnet.errors import ConfigError
from fastnet.limits import Limits, limits_of_process
from fastnet.training import several, single
from fastnet.training.pack import PackRun
from fastnet.tuning.run import engine, estimate, prepared, task

V2 = "0::{}\n"
MOUNT_V2 = "30 23 0:26 {} {} rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
MOUNT_V1 = "{n} 31 0:{n} {root} {at} rw,relatime master:9 - cgroup cgroup rw,{names}\n"


@pytest.fixture(autouse=True)
def on_eight_cores(monkeypatch):
    monkeypatch.setattr(limits, "_affinity", lambda: 8)


def machine(root: Path, files: dict[str, str | bytes]) -> Limits:
    """The limits that a made-up machine with these files has."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return limits_of_process(root)


def v2(root: Path, path: str, files: dict[str, str], *, mounted: str = "/", at: str = "/sys/fs/cgroup") -> Limits:
    described = {"proc/self/cgroup": V2.format(path), "proc/self/mountinfo": MOUNT_V2.format(mounted, at)}
    return machine(root, described | {f"sys/fs/cgroup/{name}": text for name, text in files.items()})


@pytest.mark.parametrize(
    ("text", "quota", "cores"),
    [
        ("max 100000\n", None, 8),
        ("150000 100000\n", 1.5, 2),
        ("200000 100000\n", 2.0, 2),
        ("10000 100000\n", 0.1, 1),
        ("6400000 100000\n", 64.0, 8),
        ("50000 25000\n", 2.0, 2),
        # damaged
        ("", None, 8),
        ("100000", None, 8),
        ("-1 100000", None, 8),
        ("0 100000", None, 8),
        ("100000 0", None, 8),
        ("1e5 100000", None, 8),
        ("100000 100000 100000", None, 8),
        ("²00000 100000", None, 8),
        ("9" * 5000 + " 100000", None, 8),
        ("\0\0\0", None, 8),
    ],
)
def test_the_quota_of_version_2_is_rounded_up(tmp_path, text, quota, cores):
    found = v2(tmp_path, "/app", {"app/cpu.max": text})
    assert (found.quota, found.cores) == (quota, cores)


def test_the_smallest_limit_of_all_groups_above_holds(tmp_path):
    files = {
        "cpu.max": "max 100000",
        "a/cpu.max": "300000 100000",
        "a/b/cpu.max": "max 100000",
        "a/b/c/cpu.max": "500000 100000",
        "a/b/c/d/cpu.max": "100000 100000",  # below the process
        "a/memory.max": "2000000000",
        "a/b/memory.max": "1000000000",
        "a/b/c/memory.max": "max",
    }
    found = v2(tmp_path, "/a/b/c", files)
    assert (found.cores, found.allowed) == (3, 1_000_000_000)


def test_in_a_namespace_of_its_own_the_root_is_the_group(tmp_path):
    found = v2(tmp_path, "/", {"cpu.max": "200000 100000", "memory.max": "536870912"})
    assert (found.cores, found.memory) == (2, 2**29)


@pytest.mark.parametrize("path", ["/docker/0123", "/../other", "/docker", "/else/where"])
def test_a_hierarchy_mounted_from_a_group_is_read_where_it_is_mounted(tmp_path, path):
    found = v2(tmp_path, path, {"cpu.max": "100000 100000"}, mounted="/docker/0123")
    assert found.cores == 1


def test_a_group_below_the_one_that_is_mounted(tmp_path):
    found = v2(tmp_path, "/docker/0123/job", {"job/cpu.max": "100000 100000"}, mounted="/docker/0123")
    assert found.cores == 1


def test_names_of_mounts_may_hold_blanks(tmp_path):
    described = {"proc/self/cgroup": V2.format("/a"), "proc/self/mountinfo": MOUNT_V2.format("/", r"/my\040groups")}
    assert machine(tmp_path, described | {"my groups/a/cpu.max": "100000 100000"}).cores == 1


def v1(root: Path, files: dict[str, str], *, path: str = "/docker/0123", mounted: str = "/") -> Limits:
    mounts = (
        MOUNT_V1.format(n=33, root=mounted, at="/sys/fs/cgroup/cpu,cpuacct", names="cpu,cpuacct")
        + MOUNT_V1.format(n=34, root=mounted, at="/sys/fs/cgroup/memory", names="memory")
        + MOUNT_V1.format(n=35, root=mounted, at="/sys/fs/cgroup/systemd", names="xattr,name=systemd")
    )
    described = {
        "proc/self/cgroup": f"11:memory:{path}\n3:cpu,cpuacct:{path}\n1:name=systemd:{path}\n0::/\n",
        "proc/self/mountinfo": "22 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw\n" + mounts,
    }
    return machine(root, described | {f"sys/fs/cgroup/{name}": text for name, text in files.items()})


def test_version_1(tmp_path):
    files = {
        "cpu,cpuacct/docker/0123/cpu.cfs_quota_us": "250000\n",
        "cpu,cpuacct/docker/0123/cpu.cfs_period_us": "100000\n",
        "cpu,cpuacct/cpu.cfs_quota_us": "-1\n",
        "cpu,cpuacct/cpu.cfs_period_us": "100000\n",
        "memory/docker/0123/memory.limit_in_bytes": "1073741824\n",
        "memory/memory.limit_in_bytes": "9223372036854771712\n",
    }
    found = v1(tmp_path, files)
    assert (found.quota, found.cores, found.allowed) == (2.5, 3, 2**30)


def test_version_1_in_a_container_that_mounts_its_own_group(tmp_path):
    files = {
        "cpu,cpuacct/cpu.cfs_quota_us": "50000",
        "cpu,cpuacct/cpu.cfs_period_us": "100000",
        "memory/memory.limit_in_bytes": "9223372036854771712",
    }
    found = v1(tmp_path, files, mounted="/docker/0123")
    assert (found.cores, found.allowed) == (1, None)


def test_half_a_quota_is_none(tmp_path):
    assert v1(tmp_path, {"cpu,cpuacct/docker/0123/cpu.cfs_quota_us": "50000"}).cores == 8


@pytest.mark.parametrize(
    ("cgroup", "mountinfo"),
    [
        ("", ""),
        ("0::/", ""),
        ("", MOUNT_V2.format("/", "/sys/fs/cgroup")),
        ("0:\n::\n:::\n0::\n0::a\n\n", "\n - \n1 2 - cgroup2\n30 23 0:26 / /sys/fs/cgroup rw - cgroup2\n"),
        (b"\xff\xfe0::/\xff", b"30 23 0:26 /\xff /sys/\\777\xff rw - cgroup2 cgroup2 rw\n"),
    ],
)
def test_damaged_descriptions_are_no_limit(tmp_path, cgroup, mountinfo):
    found = machine(tmp_path, {"proc/self/cgroup": cgroup, "proc/self/mountinfo": mountinfo})
    assert (found.cores, found.memory) == (8, None)


def test_unreadable_files_are_no_limit(tmp_path):
    (tmp_path / "sys/fs/cgroup/a/cpu.max").mkdir(parents=True)
    assert v2(tmp_path, "/a", {}).cores == 8
    assert limits_of_process(tmp_path / "nothing").cores == 8


@pytest.mark.parametrize(
    ("meminfo", "memory"),
    [
        ("MemTotal:        2097152 kB\nMemFree: 1 kB\n", 2**31),
        ("MemFree: 1 kB\n", None),
        ("MemTotal: many kB\n", None),
        ("", None),
    ],
)
def test_memory_of_the_machine(tmp_path, meminfo, memory):
    assert machine(tmp_path, {"proc/meminfo": meminfo}).memory == memory


def test_the_smaller_of_machine_and_container(tmp_path):
    root = tmp_path / "a"
    (root / "proc").mkdir(parents=True)
    (root / "proc/meminfo").write_text("MemTotal: 1048576 kB\n")
    assert v2(root, "/", {"memory.max": "8589934592"}).memory == 2**30
    assert v2(root, "/", {"memory.max": "524288000"}).memory == 524_288_000


def test_this_machine():
    found = limits_of_process()
    assert 1 <= found.cores <= (os.cpu_count() or 1) or found.cores == 8
    assert found.memory is None or found.memory > 2**26
    assert limits.usable_cores() == found.cores and limits.usable_memory() == found.memory


def test_threads_follow_the_quota(monkeypatch):
    monkeypatch.setattr(limits, "_groups", lambda root: {})
    monkeypatch.setattr(limits, "_quotas", lambda groups: iter([3.0, 2.5]))
    assert count_threads(None) == 3
    assert count_threads(6) == 6, "what is asked for is not changed"


def with_room(monkeypatch, room: int | None) -> None:
    """Let that number of bytes appear to be free."""
    for module in (prepared, single, several):
        monkeypatch.setattr(module, "free_memory", lambda: room)


OPTIONS = {"trials": 3, "hidden": "16", "epochs": 2, "final": 0}


def test_a_search_takes_fewer_threads_where_memory_is_short(tiny_dataset, tmp_path, monkeypatch):
    threads = []

    def pack(members, jobs, *given, **more):
        threads.append(jobs)
        return PackRun(members, jobs, *given, **more)

    def curves(name: str) -> list[bytes]:
        result = fastnet.search(None, tiny_dataset, study=tmp_path / name, jobs=2, **OPTIONS)
        return [trial.curves.tobytes() for trial in result.trials]

    monkeypatch.setattr(prepared, "PackRun", pack)
    with_room(monkeypatch, None)
    wide = curves("wide")
    config = fastnet.SearchConfig(trials=3, train=TrainConfig(hidden=(16,), epochs=2))
    parts = fastnet.split(tiny_dataset.y)

    def wave_of() -> estimate.Wave:
        local = engine.LocalThreads(tiny_dataset, [parts], config)
        local.load()
        return estimate.first_wave(local, task.Tasks(config, task.data_name(tiny_dataset, [parts]), 2))

    wave = wave_of()
    assert wave.threads == 2
    with_room(monkeypatch, wave.workspaces - 1)
    assert wave_of().threads == 1
    assert curves("narrow") == wide and threads == [2, 1]


def test_what_cannot_fit_is_refused_before_it_begins(tiny_dataset, tmp_path, monkeypatch):
    with_room(monkeypatch, 4096)
    more = r"and this process may use 4\.00 KiB more: choose "
    with pytest.raises(ConfigError, match=r"^one network at a time needs [\d.]+ KiB, " + more):
        fastnet.search(None, tiny_dataset, study=tmp_path / "s", **OPTIONS)
    with pytest.raises(ConfigError, match=r"wait for each other need .*, or a smaller pack_size"):
        fastnet.search(
            None, tiny_dataset, study=tmp_path / "p", pruning="halving", first_epochs=1, pack_size=3, eta=2, **OPTIONS
        )
    config = TrainConfig(hidden=(16,), epochs=1)
    with pytest.raises(ConfigError, match=r"^training this network needs [\d.]+ KiB, " + more):
        fastnet.train(tiny_dataset, config)
    with pytest.raises(ConfigError, match=r"^3 networks need [\d.]+ KiB, " + more):
        fastnet.train_ensemble(tiny_dataset, config, networks=3)


def test_a_network_of_the_wildest_size_is_refused_and_not_killed(tiny_dataset):
    if limits.free_memory() is None:
        pytest.skip("this system does not report its memory")
    with pytest.raises(ConfigError, match=r"training this network needs .* TiB"):
        fastnet.train(tiny_dataset, TrainConfig(hidden=(65_536,) * 200, epochs=1))


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not say how much of a limit is used")
@pytest.mark.parametrize(("name", "place"), [("RLIMIT_AS", 0), ("RLIMIT_DATA", 5)])
def test_limits_of_the_process_itself_are_respected(monkeypatch, name, place):
    import resource

    used = int(Path("/proc/self/statm").read_text().split()[place]) * resource.getpagesize()
    asked = resource.getrlimit
    limit = used + 50 * 2**20
    monkeypatch.setattr(
        resource, "getrlimit", lambda of: (limit, limit) if of == getattr(resource, name) else asked(of)
    )
    room = limits.free_memory()
    assert room is not None and 0 < room < 60 * 2**20
    monkeypatch.setattr(resource, "getrlimit", lambda of: (2**20, 2**20))
    assert limits.free_memory() == 0
