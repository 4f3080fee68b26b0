"""Writes the report of a study as one file of HTML that needs nothing else.

Jinja's templates escape everything that comes from a study: names of folders, of data, of choices. The program of
Plotly, which draws the figures in the browser, is a part of the file.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from fastnet._version import __version__
from fastnet.config.metric import METRICS
from fastnet.errors import failure_as_sentence
from fastnet.files import as_path, shown_path, write_result
from fastnet.report import words
from fastnet.report.page import facts, tables
from fastnet.report.page.model import data_of_model, section_of
from fastnet.report.page.ranges import range_cards
from fastnet.tuning.store.folder import REPORT_FILE, is_being_written
from fastnet.tuning.store.study import Study
from fastnet.tuning.trial import TrialResult, known
from fastnet.tuning.view import charts
from fastnet.tuning.view.columns import DIVERGED, Columns
from fastnet.tuning.view.importance import LEAST_TRIALS
from fastnet.tuning.view.spans import spans

_PLACE_OF_PLOTLY = b"<plotly>"

Commands = Callable[[Study, str], Sequence[Mapping[str, Any]]]
"""Returns the commands to show for a study and its folder: each a ``title``, a ``text`` and ``notes``."""


def write_report(folder: Path, path: Path | None = None, *, commands: Commands | None = None) -> Path:
    """Write the report of a study: one self-contained page of HTML for any browser, which loads nothing.

    Parameters
    ----------
    folder : Path
        Folder of the study; a search may be writing to it.
    path : Path, optional
        The file to write instead of ``report.html`` in the folder; it is replaced in one step.
    commands : callable, optional
        Called with the study and its folder; returns the commands to show at the end of the page, each a mapping with
        ``title``, ``text`` and ``notes``.

    Returns
    -------
    Path
        The file written.

    Raises
    ------
    StudyError
        If the study cannot be read.
    FastnetError
        If the report cannot be made, or the file cannot be written; the study is not touched.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as name:
    ...     with Study.open(Path(name) / "s", {"seed": 0}):
    ...         pass
    ...     6_000_000 > len(write_report(Path(name) / "s").read_bytes()) > 1_000_000
    True
    """
    folder = as_path(folder, "folder")
    path = folder / REPORT_FILE if path is None else as_path(path, "path")
    with failure_as_sentence(f"{path}: the report cannot be made"), Study.read(folder) as study:
        content = page_of(study, folder, commands)
    write_result(path, content, "the report cannot be written")
    return path


def page_of(study: Study, folder: Path, commands: Commands | None = None) -> bytes:
    """Return the page of an open study, UTF-8."""
    columns = study.columns()
    best = study.best(tables.MOST_ROWS, curves=False)
    shown = study.best(charts.SHOWN)
    context = context_of(study, folder, columns, best, shown)
    data = json.dumps(data_of(study, columns, shown), ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    context["commands"] = [] if commands is None else commands(study, context["study"])
    page = render("report.html", {**context, "data": _inside_script(data)})
    # As bytes: Plotly's program as text takes four times the memory. What comes from a study has no "<" left.
    head, tail = page.encode("utf-8", "replace").split(_PLACE_OF_PLOTLY)
    return b"".join((head, plotly_script(), tail))


def context_of(
    study: Study, folder: Path, columns: Columns, best: tuple[TrialResult, ...], shown: tuple[TrialResult, ...]
) -> dict[str, Any]:
    """Return the words and tables of the template."""
    settings, stages, runs, final = study.settings, study.stages(), study.runs(), study.final()
    ensemble, inspection = study.ensemble(), study.inspection()
    advice = next((s["report"]["recommendation"] for s in stages if "recommendation" in (s["report"] or {})), None)
    whole = spans([stage["space"] for stage in stages] or [settings.get("space", {})])
    drawn_stages = stages or [{"number": 1, "space": settings.get("space", {}), "report": None}]
    place = shown_path(folder)
    return {
        "version": __version__,
        "study": place,
        "name": study.about.get("data", "a study"),
        "created": study.created.replace("T", " ").replace("+00:00", " UTC"),
        "metric": columns.metric,
        "score": study.score,
        "n_trials": len(columns),
        "n_drawn": len(charts.drawn(columns, columns.order())),
        "n_diverged": int((columns.status == DIVERGED).sum()),
        "n_best": len(shown),
        "curve_step": (charts.curves(shown) or {}).get("step", 0),
        "train_scored": shown[0].train_scored if shown else "exact",
        "cards": facts.cards(columns, best, final, len(study.test_uses())),
        "state": facts.state(columns, stages, final, is_being_written(folder)),
        "advice": advice,
        "facts": [*facts.budget(columns, runs, settings), *facts.setting(study, settings), *facts.machine(runs)],
        "ranges": range_cards(drawn_stages, whole),
        "stages": len(drawn_stages),
        "best": tables.best_table(best, list(columns.params), stages=len(drawn_stages) > 1),
        "final": final,
        "test_use": words.uses_of_test_set(len(study.test_uses())),
        "candidates": None if final is None else tables.candidate_table(final),
        "ensemble": None if ensemble is None else tables.ensemble_table(ensemble),
        "ensemble_words": "" if ensemble is None else facts.ensemble_words(ensemble),
        "kept": "" if final is None else facts.kept_words(final),
        "model": None if inspection is None else section_of(inspection),
        "time": facts.time_words(columns),
        "runs": runs,
        "params": [axis["label"] for axis in charts.axes(whole)],
    }


def data_of(study: Study, columns: Columns, shown: tuple[TrialResult, ...]) -> dict[str, Any]:
    """Return the data that report.js draws."""
    spaces = [stage["space"] for stage in study.stages()] or [study.settings.get("space", {})]
    whole = spans(spaces)
    first = spans(spaces[:1])
    some = columns.take(charts.drawn(columns, columns.order()))
    final, inspection = study.final(), study.inspection()
    return {
        "model": None if inspection is None else data_of_model(inspection),
        "metric": columns.metric,
        "lower": METRICS[columns.metric].sign < 0,
        "most": known(METRICS[study.score].most),
        "trials": len(columns),
        "points": charts.points(some, shown),
        "axes": charts.axes(whole),
        "curves": charts.curves(shown),
        "soFar": charts.best_so_far(columns),
        "bands": charts.bands(columns),
        "divergence": charts.divergence(columns, whole),
        "importance": charts.importances(columns, first),
        "time": facts.time_rows(study.runs(), columns),
        "candidates": [] if final is None else [
            {name: score.get(name) for name in ("trial", "search_value", "values", "mean", "low", "high")}
            for score in final["candidates"]
        ],
    }  # fmt: skip


def preload(trials: int) -> threading.Thread:
    """Start importing what the report of this many trials needs in another thread; a report written sooner waits."""
    thread = threading.Thread(target=_import, args=(trials,), name="fastnet-report")
    thread.start()
    return thread


def _import(trials: int) -> None:
    with contextlib.suppress(Exception):  # writing the report raises it again
        _template("report.html")
        plotly_script()
        if trials >= LEAST_TRIALS:
            importlib.import_module("sklearn.ensemble")


@cache
def plotly_script() -> bytes:
    """Return Plotly's JavaScript, 4.8 MB in UTF-8, without importing the package's Python modules."""
    from importlib.resources import files

    return files("plotly").joinpath("package_data", "plotly.min.js").read_bytes()


@cache
def asset(name: str) -> str:
    """Return one of our own style sheets, programs or templates."""
    from importlib.resources import files

    return files("fastnet.report.page").joinpath("assets", name).read_text(encoding="utf-8")


@cache
def _template(name: str) -> Any:
    from jinja2 import DictLoader, Environment, StrictUndefined

    names = ("report.html", "live.html", "experiments.html")
    environment = Environment(
        loader=DictLoader({each: asset(each) for each in names}), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters["prose"] = prose
    return environment.get_template(name)


def prose(text: str) -> Any:
    """Escape a sentence and keep numbers such as 1e-08, which browsers break at the minus, on one line.

    >>> str(prose("weight decay (1e-08 to <b>)"))
    'weight decay (<span class="nowrap">1e-08</span> to &lt;b&gt;)'
    """
    from markupsafe import Markup, escape

    return Markup(re.sub(r"\d[\d.]*e-\d+", r'<span class="nowrap">\g<0></span>', str(escape(text))))


def render(name: str, context: Mapping[str, Any]) -> str:
    """Fill a template."""
    return str(_template(name).render(context, asset=asset))


def _inside_script(text: str) -> str:
    r"""Escape JSON so that nothing in it can end the element that contains it.

    >>> _inside_script('{"name":"</script><b>"}')
    '{"name":"\\u003c/script\\u003e\\u003cb\\u003e"}'
    """
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text
