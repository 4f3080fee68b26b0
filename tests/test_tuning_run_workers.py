from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from fastnet.errors import ConfigError, StudyError
from fastnet.tuning.run import workers
from fastnet.tuning.run.workers import workers_of
from fastnet.tuning.run.workers.pool import Pool


def test_an_engine_that_is_not_known_is_refused_with_the_names_of_those_that_are():
    with pytest.raises(
        ConfigError, match=r"^executor='dusk': there is no engine 'dusk'.*did you mean dask.*, processes"
    ):
        workers_of("dusk")
    with pytest.raises(ConfigError, match=r"take no argument"):
        workers_of("local:4")
    with pytest.raises(ConfigError, match=r"^executor is a int: give the name of an engine"):
        workers_of(4)
    with pytest.raises(ConfigError, match=r"^jobs=0"):
        workers_of("processes", 0)


@pytest.mark.parametrize("name", ["dask", "mpi", "ray"])
def test_a_package_that_is_missing_is_named(name, monkeypatch):
    package = {"dask": "distributed", "mpi": "mpi4py", "ray": "ray"}[name]
    monkeypatch.setitem(__import__("sys").modules, package, None)
    found = workers_of(name)
    with pytest.raises(ConfigError, match=rf"needs .* which is not installed: pip install 'fastnet-mlp\[{name}\]'$"):
        found.start()  # type: ignore[union-attr]


def test_an_entry_point_of_another_package_makes_workers_of_its_argument(monkeypatch):
    class Entry:
        name = "mine"

        def load(self) -> Any:
            return lambda argument, threads: ThreadPoolExecutor(int(argument))

    monkeypatch.setattr(
        workers.metadata, "entry_points", lambda group: [Entry()] if group == "fastnet.executors" else []
    )
    found = workers_of("mine:3")
    assert isinstance(found, Pool) and found._executor._max_workers == 3
    found.close()
    with pytest.raises(StudyError, match="shutdown"):
        found.submit(print)
    with pytest.raises(ConfigError, match=r"choose one of local, processes, dask, mpi, ray, mine, or give"):
        workers_of("other")


def test_workers_given_as_an_object_are_taken_as_they_are():
    pool = Pool(ThreadPoolExecutor(1))
    assert workers_of(pool) is pool
