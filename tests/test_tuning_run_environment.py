from __future__ import annotations

import os
import platform

import numpy as np

from fastnet.limits import usable_cores
from fastnet.tuning.run import environment


def test_versions_machine_and_threads_are_described():
    found = environment.describe_environment(3)
    assert (found["numpy"], found["python"]) == (np.__version__, platform.python_version())
    assert (found["threads"], found["cores"]) == (3, usable_cores()) and found["cores"] <= (os.cpu_count() or 1)
    assert all(isinstance(value, (str, int)) and value != "" for value in found.values())


def test_what_is_unknown_is_called_so(monkeypatch):
    def missing(name: str) -> str:
        raise environment.metadata.PackageNotFoundError(name)

    def unreadable(self: object, **how: object) -> str:
        raise OSError

    monkeypatch.setattr(environment, "_version_of_numba", environment._version_of_numba.__wrapped__)
    monkeypatch.setattr(environment.metadata, "version", missing)
    monkeypatch.setattr(environment.Path, "read_text", unreadable)
    found = environment.describe_environment(1)
    assert found["numba"] == "unknown"
    assert found["processor"] == (platform.processor() or platform.machine())
