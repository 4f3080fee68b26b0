"""Matplotlib for pictures in files: the same pictures whatever the user's own settings of Matplotlib are.

A notebook's backend, a style, a damaged ``matplotlibrc`` or ``text.usetex`` are meant for the user's figures. They
neither change ours nor keep them from being drawn.
"""

from __future__ import annotations

import importlib
import logging
import os
import sys
import threading
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from fastnet.errors import failure_as_sentence

_LOADING = threading.Lock()
_NOT_OURS = ("backend", "backend_fallback", "interactive")
"""Settings that only windows need; reading the first one would look for a window system."""


def load() -> Any:
    """Import what a picture needs, and return Matplotlib.

    Raises
    ------
    Exception
        Whatever Matplotlib raises where it is missing or broken, even without the user's settings.

    Examples
    --------
    >>> load().__name__
    'matplotlib'
    """
    with _LOADING, _quiet():
        if "matplotlib" not in sys.modules:
            _import_anyhow()
        importlib.import_module("matplotlib.figure")
        importlib.import_module("matplotlib.backends.backend_agg")
        importlib.import_module("PIL.Image").preinit()
    return sys.modules["matplotlib"]


def _import_anyhow() -> None:
    """Import Matplotlib, and again without the user's settings where those stop it, as an unknown backend does."""
    try:
        importlib.import_module("matplotlib")
    except ImportError:
        raise
    except Exception:
        found = find_spec("matplotlib")
        folder = Path(found.origin or "").parent if found else Path()
        before = {name: os.environ.pop(name, None) for name in ("MPLBACKEND", "MATPLOTLIBRC")}
        for name in [name for name in sys.modules if name.startswith("matplotlib.")]:
            del sys.modules[name]  # halves of the failed attempt
        os.environ["MATPLOTLIBRC"] = str(folder / "mpl-data" / "matplotlibrc")
        try:
            importlib.import_module("matplotlib")
        finally:
            del os.environ["MATPLOTLIBRC"]
            os.environ.update({name: value for name, value in before.items() if value is not None})


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Matplotlib from reporting what it thinks of the user's settings and folders, which are not used here."""
    logger = logging.getLogger("matplotlib")
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(before)


@contextmanager
def drawing(path: Path, settings: Mapping[str, Any] | None = None) -> Iterator[None]:
    """Draw and save inside the block with Matplotlib's own default settings, and put the user's back.

    Parameters
    ----------
    path : Path
        The picture, for the error.
    settings : mapping, optional
        What differs from the defaults.

    Raises
    ------
    FastnetError
        If Matplotlib is missing or raises anything.

    Examples
    --------
    >>> import matplotlib
    >>> with matplotlib.rc_context({"font.size": 50.0}), drawing(Path("a.png")):
    ...     matplotlib.rcParams["font.size"]
    10.0
    """
    with failure_as_sentence(f"{path}: the picture cannot be drawn"):
        matplotlib = load()
        with _quiet(), warnings.catch_warnings(), matplotlib.rc_context():
            warnings.simplefilter("ignore")
            defaults = matplotlib.rcParamsDefault
            matplotlib.rcParams.update({name: defaults[name] for name in defaults if name not in _NOT_OURS})
            matplotlib.rcParams.update(settings or {})
            yield
