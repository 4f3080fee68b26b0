"""Pictures are the same whatever the user's own settings of Matplotlib are, and a broken Matplotlib costs no result."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pytest
from click.testing import CliRunner, Result
from fastnet_cli.main import cli

import fastnet
from fastnet import experiments
from fastnet.errors import FastnetError, FastnetWarning
from fastnet.model.scores import Score
from fastnet.report import best20_figure, ensemble_curve_figure, learning_curve_figure
from fastnet.report.chart import Chart, Panel, Series, UnitsChart
from fastnet.report.drawing import save_figure
from fastnet.tuning import Study
from fastnet.tuning.trial import TrialResult

STYLE: dict[str, Any] = {
    "text.usetex": True,
    "font.family": "no such font",
    "font.size": 30.0,
    "axes.prop_cycle": matplotlib.cycler(color=["red", "green"]),
    "axes.facecolor": "black",
    "axes.grid": True,
    "figure.dpi": 30.0,
    "savefig.dpi": 30.0,
    "savefig.bbox": "tight",
    "savefig.transparent": True,
    "lines.linewidth": 9.0,
    "svg.fonttype": "none",
    "path.sketch": (1.0, 100.0, 2.0),
}
SMALL = ["--data", "digits", "--samples", "100", "--hidden", "4", "--epochs", "2", "--jobs", "1"]


def draw(folder: Path) -> dict[str, str]:
    """Draw one picture of each kind; return the hash of each file."""
    trials = [
        TrialResult.from_curves(
            i, "done", {"learning_rate": 0.01}, np.full((4, 3), 0.5 + i / 10, np.float32), seconds=0
        )
        for i in range(3)
    ]
    best20_figure(trials, folder / "best20.png")
    learning_curve_figure(trials[0], folder / "curve.png")
    ensemble_curve_figure(trials, Score(value=0.75, loss=0.4), folder / "ensemble.png")
    panel = Panel(title="t", x_label="x", y_label="y", series=[Series(label="a", x=[0, 1, 2], y=[1, 0, 2])])
    chart = Chart(name="chart", title="A", subtitle="b", panels=[panel], columns=1)
    units = UnitsChart(name="units", title="A", subtitle="", heads=["a"], pictures=[[[True, False]] * 2], widths=[2, 2])
    for figure in (chart, units):
        for kind in ("png", "svg"):
            save_figure(figure, folder / f"{figure.name}.{kind}")
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What is drawn where nobody has changed anything."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        return draw(tmp_path_factory.mktemp("expected"))


def test_pictures_do_not_depend_on_the_users_style_and_leave_it_alone(tmp_path: Path, expected: dict[str, str]) -> None:
    assert len(expected) == 7
    with matplotlib.rc_context(STYLE):
        before = dict(matplotlib.rcParams)
        assert draw(tmp_path) == expected
        assert dict(matplotlib.rcParams) == before


ENVIRONMENTS: dict[str, tuple[dict[str, str], bytes]] = {
    "a notebook's backend, a damaged file": (
        {
            "MPLBACKEND": "module://matplotlib_inline.backend_inline",
            "MATPLOTLIBRC": "rc",
            "PYTHONWARNINGS": "error,ignore::DeprecationWarning",  # dependencies deprecate one another
        },
        b"\xff\xfe not text",
    ),
    "an odd file, no folder for settings": (
        {"MPLBACKEND": "tkagg", "MATPLOTLIBRC": "rc", "MPLCONFIGDIR": "rc/below a file"},
        b"text.usetex: True\nfont.family: no such font\nno colon\nno.such.key: 1\nlines.linewidth: wide\n",
    ),
}


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_pictures_do_not_depend_on_the_environment(tmp_path: Path, expected: dict[str, str], name: str) -> None:
    variables, content = ENVIRONMENTS[name]
    (tmp_path / "rc").write_bytes(content)
    (tmp_path / "pictures").mkdir()
    source = "import json, sys, test_report_canvas; from pathlib import Path; " + (
        "print(json.dumps(test_report_canvas.draw(Path('pictures'))))"
    )
    # This file imports Matplotlib for its own purposes: the program under test must do so by itself.
    prepared = "import fastnet.report.canvas as canvas; canvas.load(); " + source
    environment = os.environ | variables | {"PYTHONPATH": str(Path(__file__).parent)}
    done = subprocess.run(
        [sys.executable, "-c", prepared], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0 and done.stderr == "", done.stderr
    assert json.loads(done.stdout) == expected


def test_loading_puts_the_environment_back(tmp_path: Path) -> None:
    source = (
        "import os, fastnet.report.canvas as canvas; canvas.load(); "
        "print(os.environ['MPLBACKEND'], 'MATPLOTLIBRC' in os.environ)"
    )
    environment = os.environ | {"MPLBACKEND": "no such backend"}
    environment.pop("MATPLOTLIBRC", None)
    done = subprocess.run([sys.executable, "-c", source], env=environment, capture_output=True, text=True, check=False)
    assert done.stdout == "no such backend False\n", done.stderr


@pytest.fixture(params=["missing", "raising"])
def broken(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """A Matplotlib that cannot draw, in an empty folder; what errors say of it."""
    monkeypatch.chdir(tmp_path)
    if request.param == "missing":
        for name in [name for name in sys.modules if name.partition(".")[0] == "matplotlib"]:
            monkeypatch.delitem(sys.modules, name)
        monkeypatch.setitem(sys.modules, "matplotlib", None)
        return r"\(No module named 'matplotlib"

    def fail(*arguments: Any, **more: Any) -> None:
        raise RuntimeError("no fonts\nat all")

    monkeypatch.setattr("matplotlib.figure.Figure.savefig", fail)
    return r"\(RuntimeError: no fonts\)"


def run(*arguments: str, code: int = 0) -> Result:
    result = CliRunner().invoke(cli, list(arguments))
    assert result.exit_code == code, (result.output, result.exception)
    return result


def test_a_requested_picture_that_cannot_be_drawn_is_an_error(broken: str) -> None:
    trial = TrialResult.from_curves(0, "done", {}, np.full((4, 3), 0.5, np.float32), seconds=0)
    with pytest.raises(FastnetError, match=rf"^a\.png: the picture cannot be drawn {broken}"):
        learning_curve_figure(trial, Path("a.png"))
    assert list(Path().iterdir()) == []


def test_a_training_keeps_its_model_without_the_picture(broken: str) -> None:
    result = run("train", *SMALL, "-o", "m.safetensors")
    assert "model: m.safetensors\n" in result.stdout and "curve:" not in result.stdout
    assert "Note: m.png: the picture cannot be drawn" in result.stderr
    assert fastnet.load_model("m.safetensors").predict(np.zeros((1, 64), np.uint8)).shape == (1,)


def test_a_search_keeps_its_study_and_report_without_the_picture(broken: str) -> None:
    result = run("search", *SMALL, "--trials", "2", "--final", "none", "--study", "s")
    assert result.stdout.startswith("Best-1") and "2 trials (2 new" in result.stdout
    assert "best20.png: the picture cannot be drawn" in result.stderr
    with Study.read(Path("s")) as study:
        assert study.count() == 2
    assert Path("s/report.html").is_file() and not Path("s/best20.png").exists()


def test_a_search_keeps_its_study_without_the_report(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def fail(*arguments: Any) -> None:
        raise ModuleNotFoundError("No module named 'jinja2'")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("fastnet.report.page.write.render", fail)
    result = run("search", *SMALL, "--trials", "2", "--final", "none", "--study", "s")
    assert result.stdout.startswith("Best-1")
    assert "the report cannot be made (No module named 'jinja2')" in result.stderr
    with Study.read(Path("s")) as study:
        assert study.count() == 2
    failed = run("report", "s", code=1)
    assert failed.stderr.endswith("report.html: the report cannot be made (No module named 'jinja2')\n")


def test_an_experiment_keeps_its_numbers_without_the_figures(broken: str) -> None:
    outcome = experiments.run("overfit", "digits", seeds=2, epochs=2, samples=40, jobs=1)
    with pytest.warns(FastnetWarning, match=rf"overfit\.(png|svg): the picture cannot be drawn {broken}"):
        files = experiments.write(outcome, Path("e"))
    assert files == [Path("e/overfit.json")]
    assert json.loads(files[0].read_text(encoding="utf-8"))["claims"] == outcome.to_dict()["claims"]
