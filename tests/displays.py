"""A clock and states of a search, for tests of what progress shows."""

from __future__ import annotations

import dataclasses
from typing import Any

from fastnet.tuning import Progress


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def search_state(done: int, **changes: Any) -> Progress:
    state = Progress(done, 10, 0.83, trials_per_second=2.0, eta_seconds=61.0, elapsed_seconds=5.0, compiling=False)
    return dataclasses.replace(state, **changes)
