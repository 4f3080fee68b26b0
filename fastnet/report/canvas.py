"""What all pictures share: Matplotlib with settings of our own, colours, axes.

A notebook's backend, a style, a damaged ``matplotlibrc`` or ``text.usetex`` are meant for the user's figures. They
neither change ours nor prevent them from being drawn.
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
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fastnet.errors import failure_as_sentence

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DPI = 150
INK, GREY, FRAME, LINES = "#222222", "#555555", "#8a8a8a", "#e4e4e4"
BLUE, VERMILION = "#0072B2", "#D55E00"
"""By Okabe and Ito: distinct in grey and with every common colour blindness."""

DASHED, DOTTED = (0, (4, 2)), (0, (1, 1.5))
"""Lines that differ without colour."""

_LOADING = threading.Lock()
_NOT_OURS = ("backend", "backend_fallback", "interactive")
"""Settings that only windows need; reading the first would look for a window system."""


def load() -> Any:
    """Import what a picture needs, and return Matplotlib; raise whatever it raises if it is missing or broken."""
    with _LOADING, _quiet():
        if "matplotlib" not in sys.modules:
            _import_anyhow()
        importlib.import_module("matplotlib.figure")
        importlib.import_module("matplotlib.backends.backend_agg")
        importlib.import_module("PIL.Image").preinit()
    return sys.modules["matplotlib"]


def _import_anyhow() -> None:
    """Import Matplotlib, without the user's settings if those make it fail, as an unknown backend does."""
    try:
        importlib.import_module("matplotlib")
    except ImportError:
        raise
    except Exception:
        found = find_spec("matplotlib")
        folder = Path(found.origin or "").parent if found else Path()
        before = {name: os.environ.pop(name, None) for name in ("MPLBACKEND", "MATPLOTLIBRC")}
        for name in [name for name in sys.modules if name.startswith("matplotlib.")]:
            del sys.modules[name]  # remains of the failed attempt
        os.environ["MATPLOTLIBRC"] = str(folder / "mpl-data" / "matplotlibrc")
        try:
            importlib.import_module("matplotlib")
        finally:
            del os.environ["MATPLOTLIBRC"]
            os.environ.update({name: value for name, value in before.items() if value is not None})


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence Matplotlib's warnings about the user's settings and folders, which are not used here."""
    logger = logging.getLogger("matplotlib")
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(before)


@contextmanager
def drawing(path: Path, settings: Mapping[str, Any] | None = None) -> Iterator[None]:
    """Use Matplotlib's defaults, changed by `settings`, inside the block, and restore the user's settings after it.

    Any error of Matplotlib becomes a `FastnetError` that names `path`.

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


def blank(width: float, height: float, **how: Any) -> Figure:
    """Return a white page of the given size in inches."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=DPI, facecolor="white", **how)


def style(axes: Axes, size: int = 8) -> None:
    """Style grid, ticks and frame of axes."""
    axes.grid(axis="y", color=LINES, linewidth=0.6)
    axes.set_axisbelow(True)
    style_ticks(axes, size)
    style_frame(axes)


def style_ticks(axes: Axes, size: int = 8) -> None:
    """Set the colours of ticks and the size of their labels in points."""
    axes.tick_params(colors=INK, labelsize=size, color=FRAME, width=0.7)


def style_frame(axes: Axes) -> None:
    """Keep only the left and the lower side of the frame."""
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(FRAME)
        spine.set_linewidth(0.7)


def set_epochs(axes: Axes, last: float, ticks: int) -> None:
    """Let the axis run from epoch 1 to the last one, with ticks at whole numbers."""
    from matplotlib.ticker import MaxNLocator

    axes.set_xlim(*((1, last) if last > 1 else (0, 2)))
    axes.xaxis.set_major_locator(MaxNLocator(nbins=ticks, integer=True))


def lonely(x: NDArray[Any], y: NDArray[Any]) -> list[int]:
    """Return the points that need a mark because no line shows them: between gaps, or the first if all coincide."""
    shown = np.concatenate([[False], np.isfinite(x) & np.isfinite(y), [False]])
    alone = np.flatnonzero(shown[1:-1] & ~shown[:-2] & ~shown[2:])
    places = np.unique(np.stack([x, y])[:, shown[1:-1]], axis=1)
    return np.flatnonzero(shown[1:-1])[:1].tolist() if places.shape[1] == 1 else alone.tolist()
