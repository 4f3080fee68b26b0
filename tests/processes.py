"""What `test_processes.py` runs in processes of its own: the same work in the parent, in children and in threads.

    python tests/processes.py NAME

Each function below whose name is given prints nothing and ends with 0 if every result is the same, bit for bit.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing.process import BaseProcess
from pathlib import Path

import numpy as np

SECONDS = 100
"""Longer than any child takes, even on one busy core."""


def digits():
    import fastnet

    return fastnet.take_first(fastnet.load("digits"), 120)


def train() -> bytes:
    import fastnet

    result = fastnet.train(digits(), fastnet.TrainConfig(hidden=(16,), epochs=2))
    return result.model.predict_proba(digits().x[:20]).tobytes()


def train_large() -> bytes:
    """One network whose products are worth sharing among threads, where there is a layer for them."""
    import fastnet
    from fastnet.network.assembly import worth_sharing

    config = fastnet.TrainConfig(hidden=(400, 400), batch_size=96, epochs=1)
    data = fastnet.network.samples.prepare(digits(), fastnet.split(digits().y))
    assert worth_sharing(config, data), "this test needs a larger network"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", fastnet.FastnetWarning)
        result = fastnet.train(digits(), config, jobs=2)
    return result.model.predict_proba(digits().x[:20]).tobytes()


def train_ensemble() -> bytes:
    import fastnet

    result = fastnet.train_ensemble(digits(), fastnet.TrainConfig(hidden=(16,), epochs=2), networks=3, jobs=2)
    return result.ensemble.predict_proba(digits().x[:20]).tobytes()


def search() -> bytes:
    import fastnet

    with tempfile.TemporaryDirectory() as folder:
        options = {"trials": 5, "hidden": "16", "epochs": 2, "final": 1, "repeats": 1, "jobs": 2}
        result = fastnet.search(None, digits(), study=Path(folder) / "s", **options)
        return b"".join(trial.curves.tobytes() for trial in result.trials)


def everything(_: object = None) -> str:
    """All of them, as a hash."""
    return hashlib.sha256(train() + train_large() + train_ensemble() + search()).hexdigest()


def expect(wanted: str, nested: bool = False) -> None:
    """End the process with 0 only if everything is the same here, and in a child of its own."""
    found = everything()
    if nested:
        forked(expect, wanted)
    assert found == wanted


def forked(work: Callable[..., object], *arguments: object) -> None:
    process = multiprocessing.get_context("fork").Process(target=work, args=arguments)
    process.start()
    ended_well(process)


def ended_well(process: BaseProcess) -> None:
    process.join(SECONDS)
    hangs = process.is_alive()
    process.kill()
    assert not hangs, "the child hangs"
    assert process.exitcode == 0, f"the child ended with {process.exitcode}"


def fork_after_work() -> None:
    """Threads of Numba and of the library were running in the parent; they are not there in the child."""
    wanted = everything()
    forked(expect, wanted, True)
    pid = os.fork()
    if pid == 0:  # a bare fork, which ends as a program does, and not as multiprocessing ends its children
        sys.exit(everything() != wanted)
    assert os.waitpid(pid, 0)[1] == 0
    assert everything() == wanted, "the parent goes on"


def fork_before_work() -> None:
    """The library is loaded, its threads are not: the child may start its own."""
    from fastnet.kernels import threads

    digits()
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    process = context.Process(target=lambda: queue.put((everything(), threads.layer_problem())))
    process.start()
    found, problem = queue.get(timeout=SECONDS)
    ended_well(process)
    layer = os.environ.get("NUMBA_THREADING_LAYER")
    assert (problem == "") == (layer != "workqueue"), problem
    assert found == everything()


def fork_after_code_of_the_user() -> None:
    """Numba's threads were started before the library was loaded, which happens in the child only."""
    import numba

    @numba.njit(parallel=True)
    def total(x):
        found = 0.0
        for i in numba.prange(len(x)):
            found += x[i]
        return found

    assert total(np.ones(100)) == 100
    assert "fastnet" not in sys.modules
    forked(everything)


def fork_next_to_threads() -> None:
    """Other threads train, search and compile while the process is forked."""
    from fastnet.kernels import _jit

    wanted = everything()
    ended = threading.Event()
    failed: list[BaseException] = []

    def repeat(work: Callable[[], object]) -> None:
        try:
            while not ended.is_set():
                work()
        except BaseException as error:
            failed.append(error)

    def compile_slowly() -> None:
        with _jit.one_at_a_time:
            time.sleep(0.05)

    threads = [threading.Thread(target=repeat, args=(work,)) for work in (train_large, search, compile_slowly)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(4):
            forked(expect, wanted)
    finally:
        ended.set()
        for thread in threads:
            thread.join()
    assert not failed, failed


def start_methods() -> None:
    wanted = everything()
    for method in ("spawn", "forkserver"):
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context(method)) as executor:
            assert executor.submit(everything).result(SECONDS) == wanted, method


def joblib_parents() -> None:
    from joblib import Parallel, delayed

    wanted = everything()
    assert Parallel(n_jobs=2, timeout=SECONDS)(delayed(everything)() for _ in range(2)) == [wanted] * 2


def many_threads() -> None:
    """Several threads at once, from the very first compiling on."""
    with ThreadPoolExecutor(4) as executor:
        found = set(executor.map(everything, range(4)))
    assert found == {everything()}


def next_to_code_of_the_user() -> None:
    """The user's own parallel code runs while networks are trained."""
    import numba

    @numba.njit(parallel=True, nogil=True)
    def total(x):
        found = 0.0
        for i in numba.prange(len(x)):
            found += np.sin(x[i])
        return found

    x = np.ones(100_000)
    expected, found = total(x), []
    thread = threading.Thread(target=lambda: found.append(everything()))
    thread.start()
    while thread.is_alive():
        assert np.isclose(total(x), expected)
    thread.join()
    assert found == [everything()]


if __name__ == "__main__":
    globals()[sys.argv[1]]()
