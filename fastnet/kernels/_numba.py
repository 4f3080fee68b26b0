"""Numba's settings, from environment variables or its configuration file, checked before anything is compiled.

With some settings Numba cannot compile the kernels, and fails with a traceback or by ending the process.
"""

from __future__ import annotations

import os
import warnings
from typing import Any

from fastnet.errors import FastnetError, warn


def check_settings() -> None:
    """Raise `FastnetError` if Numba's settings make it impossible to run compiled kernels."""
    config = _read()
    if config.DISABLE_JIT:
        raise FastnetError("NUMBA_DISABLE_JIT=1 switches off the compiler, which the kernels need; unset it")
    features = [name.strip() for name in (config.CPU_FEATURES or "").split(",")]
    wrong = [name for name in features if name and name[0] not in "+-"]
    if wrong:
        raise FastnetError(
            f"NUMBA_CPU_FEATURES={config.CPU_FEATURES}: {wrong[0]!r} must begin with + or -; correct or unset it"
        )


def _read() -> Any:
    """Import Numba's settings; each variable that Numba cannot read and ignores becomes a warning."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            from numba import config
        except (ValueError, RuntimeError) as error:  # NUMBA_NUM_THREADS=0 gets no further
            given = ", ".join(f"{name}={value}" for name, value in os.environ.items() if name.startswith("NUMBA_"))
            raise FastnetError(
                f"Numba cannot be loaded with {given or 'its settings'}: {error} Correct or unset them"
            ) from error
    unread = [name for name in os.environ if any(f"'{name}'" in str(each.message) for each in caught)]
    for name in unread:
        warn(f"{name}={os.environ[name]}: Numba cannot read this and ignores it")
    return config
