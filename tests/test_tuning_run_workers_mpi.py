from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from kills import exported, stored

from fastnet.errors import ConfigError
from fastnet.tuning.run.workers import workers_of

pytest.importorskip("mpi4py")
MPIEXEC = shutil.which("mpiexec", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]))
SEARCH = ("--hidden", "16", "--epochs", "9", "--samples", "200", "--pruning", "halving", "--first-epochs", "1",
          "--pack-size", "6", "--cv", "2", "--stages", "2", "--final", "2", "--ensemble-top", "3")  # fmt: skip
ENVIRONMENT = os.environ | {
    "OMPI_ALLOW_RUN_AS_ROOT": "1",
    "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe",
    "PRTE_MCA_hwloc_default_binding_policy": "none",
}


def begin(folder: Path, trials: int, *more: str) -> subprocess.Popen[str]:
    """Begin a search on three ranks of MPI."""
    if MPIEXEC is None:
        pytest.skip("there is no mpiexec")
    command = [MPIEXEC, "-n", "3", sys.executable, "-m", "mpi4py.futures", "-m", "fastnet", "search", "--executor",
               "mpi", "--trials", str(trials), "--study", str(folder), *SEARCH, *more]  # fmt: skip
    return subprocess.Popen(
        command, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )


def local(folder: Path, trials: int) -> dict[str, bytes]:
    """Search on the threads of one process, and return what the study exports."""
    command = [sys.executable, "-m", "fastnet", "search", "--trials", str(trials), "--study", str(folder), *SEARCH]
    subprocess.run(command, check=True, capture_output=True)
    return exported(folder)


def test_ranks_find_what_the_threads_of_one_process_find(tmp_path):
    with begin(tmp_path / "mpi", 36, "--jobs", "1") as job:
        said, _ = job.communicate(timeout=300)
    assert job.returncode == 0, said
    assert exported(tmp_path / "mpi") == local(tmp_path / "local", 36)
    for name in ("model.safetensors", "ensemble.safetensors"):
        assert (tmp_path / "mpi" / name).read_bytes() == (tmp_path / "local" / name).read_bytes()


def test_a_job_whose_rank_died_goes_on_elsewhere(tmp_path):
    folder = tmp_path / "mpi"
    with begin(folder, 20_000) as job:
        try:
            until = time.monotonic() + 120
            while len(stored(folder)) < 50 and time.monotonic() < until:
                time.sleep(0.2)
            os.kill(ranks_of(job.pid)[-1], signal.SIGKILL)
            job.communicate(timeout=120)
        finally:
            if job.poll() is None:
                os.killpg(job.pid, signal.SIGKILL)
    assert job.returncode != 0
    assert 50 <= len(stored(folder)) < 20_000


def ranks_of(pid: int) -> list[int]:
    """Return the Python processes below one, by their numbers."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, _, fields = stat.read_text().rpartition(")")
        except OSError:
            continue
        parents[int(stat.parent.name)] = (int(fields.split()[1]), name)
    below = {pid}
    for _ in range(4):
        below |= {child for child, (parent, _) in parents.items() if parent in below}
    return sorted(child for child in below if "python" in parents.get(child, (0, ""))[1])


def test_a_process_without_ranks_is_told_how_to_start(tmp_path):
    command = [sys.executable, "-m", "fastnet", "search", "--trials", "2", "--executor", "mpi", *SEARCH]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path, env=ENVIRONMENT)
    assert done.returncode == 1 and "no other ranks of MPI" in done.stderr and "Traceback" not in done.stderr


def test_mpi_takes_no_argument_and_uses_the_cores_of_a_rank():
    with pytest.raises(ConfigError, match=r"mpi takes no argument"):
        workers_of("mpi:4")
    found = [workers_of("mpi"), workers_of("mpi", 2)]
    assert [workers.threads for workers in found if workers] == [0, 2]
