"""The comparison with other libraries: its parts that need no library, and `compare.py`, on fixed results."""

from __future__ import annotations

import json
import subprocess
import sys
import warnings
from collections.abc import Iterator
from copy import deepcopy
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import sklearn

from fastnet.reference.rules import initial_state
from fastnet.reference.training import Rule, train_step

PROFILES = Path(__file__).resolve().parents[1] / "profiles"

MACHINE = {
    "processor": "Some Processor", "architecture": "znver3", "cores": 2, "caches": {"L1": 32768}, "lanes": 8,
    "features": ["avx2"], "threads": 2, "system": "Linux x86_64", "python": "3.11.7", "numpy": "2.4.6",
    "numba": "0.68.1", "llvmlite": "0.50.0", "fastnet": "0.1.0", "commit": "abc",
}  # fmt: skip


@pytest.fixture(autouse=True)
def settings_of_scikit_learn() -> Iterator[None]:
    """What a peer sets for its own process must not reach the tests after it."""
    with warnings.catch_warnings(), sklearn.config_context():
        yield


@pytest.fixture(scope="module")
def profiles() -> Iterator[SimpleNamespace]:
    """The modules under test; they import their neighbours by bare names, so the folder is on the path for a while."""
    sys.path.insert(0, str(PROFILES))
    try:
        import _bench
        import _networks
        import compare
        import peers
        from _peers import catalog, chart, process, small, task, with_fastnet, with_numpy

        yield SimpleNamespace(
            bench=_bench, compare=compare, peers=peers, catalog=catalog, chart=chart, process=process, task=task,
            with_numpy=with_numpy, with_fastnet=with_fastnet, small=small, networks=_networks,
        )  # fmt: skip
    finally:
        sys.path.remove(str(PROFILES))


def figure(section: str, name: str, value: float, unit: str = "trials/s", better: str = "higher") -> dict[str, Any]:
    spread = {"low": 0.98 * value, "high": 1.02 * value}
    return {"section": section, "name": name, "value": value, "unit": unit, "better": better, **spread}


def result() -> dict[str, Any]:
    one, cold = "Networks of a search, one core", "Whole search, one core, nothing cached"
    figures = [
        figure(one, "fastnet", 6.0) | {"ratio": 1.0},
        figure(one, "NumPy, lean float32", 2.0) | {"ratio": 3.0},
        figure(cold, "NumPy, lean float32", 40.0, "s", "lower") | {"ratio": 2.0},
        figure(cold, "fastnet", 20.0, "s", "lower") | {"ratio": 1.0},
    ]
    return {
        "profile": "peers", "quick": False, "machine": dict(MACHINE), "warm_up_seconds": 1.0, "verified": ["a"],
        "figures": figures, "notes": ["data: MNIST"],
    }  # fmt: skip


def written(folder: Path, name: str, content: object) -> str:
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return str(path)


# compare.py -----------------------------------------------------------------------------------------------------------


def test_gain_is_above_one_for_better_figures_of_either_kind(profiles: SimpleNamespace) -> None:
    new = result()
    new["figures"][0]["value"] = 9.0
    new["figures"][3]["value"] = 10.0
    gains = {(row.section[:5], row.name): row.gain for row in profiles.compare.rows_of(result(), new)}
    assert gains["Netwo", "fastnet"] == 1.5
    assert gains["Whole", "fastnet"] == 2.0
    assert gains["Netwo", "NumPy, lean float32"] == 1.0


@pytest.mark.parametrize(
    ("place", "value", "threshold", "expected"),
    [
        (0, 5.5, "10", 0),
        (0, 5.3, "10", 1),
        (0, 5.3, "15", 0),
        (3, 21.9, "10", 0),
        (3, 23.0, "10", 1),
        (0, 5.99, "0", 1),
    ],
)
def test_compare_fails_past_the_threshold_only(
    profiles: SimpleNamespace, tmp_path: Path, capsys: pytest.CaptureFixture[str], place: int, value: float,
    threshold: str, expected: int,
) -> None:  # fmt: skip
    new = result()
    new["figures"][place]["value"] = value
    files = [written(tmp_path, "old.json", result()), written(tmp_path, "new.json", new)]
    assert profiles.compare.main([*files, "--threshold", threshold]) == expected
    out = capsys.readouterr().out
    assert ("worse" in out.lower().rpartition("\n4 figures")[0]) == bool(expected)
    assert f"4 figures, {expected} worse by more than {threshold} %" in out


def test_figures_that_are_only_described_never_fail(profiles: SimpleNamespace) -> None:
    old, new = result(), result()
    old["figures"][0]["better"] = new["figures"][0]["better"] = ""
    new["figures"][0]["value"] = 0.1
    (row, *_) = profiles.compare.rows_of(old, new)
    assert row.gain is None and not row.regressed(0)


def test_compare_tells_what_cannot_be_compared(
    profiles: SimpleNamespace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old, new = result(), deepcopy(result())
    new["figures"][1]["name"] = "JAX vmap"
    new["figures"][2]["unit"] = "ms"
    new["machine"]["processor"] = "Other"
    new["quick"] = True
    assert profiles.compare.main([written(tmp_path, "old.json", old), written(tmp_path, "new.json", new)]) == 0
    out = capsys.readouterr().out
    assert "only in the old: Networks of a search, one core / NumPy, lean float32" in out
    assert "only in the new: Networks of a search, one core / JAX vmap" in out
    assert "other unit: Whole search, one core, nothing cached / NumPy, lean float32: s, then ms" in out
    assert "the processor differs: Some Processor, then Other" in out
    assert "--quick" in out


@pytest.mark.parametrize(
    ("content", "words"),
    [("no json", "is not JSON"), ("[]", "has no figures"), ({"profile": "trial", "figures": []}, "of one profile"),
     ({"profile": "peers", "figures": []}, "no figure in common"), (None, "cannot be read")],
)  # fmt: skip
def test_compare_refuses_in_one_sentence(
    profiles: SimpleNamespace, tmp_path: Path, content: object, words: str
) -> None:
    good = written(tmp_path, "good.json", result())
    bad = str(tmp_path / "absent.json") if content is None else written(tmp_path, "bad.json", content)
    with pytest.raises(SystemExit) as stopped:
        profiles.compare.main([good, bad])
    assert words in str(stopped.value) and "\n" not in str(stopped.value)


def test_compare_runs_as_a_script(tmp_path: Path) -> None:
    new = result()
    new["figures"][0] |= figure("Networks of a search, one core", "fastnet", 3.0)
    files = [written(tmp_path, "old.json", result()), written(tmp_path, "new.json", new)]
    done = subprocess.run(
        [sys.executable, PROFILES / "compare.py", *files], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1, done.stderr
    assert "0.500" in done.stdout and "WORSE" in done.stdout


# The table, the file, the picture -------------------------------------------------------------------------------------


def test_result_survives_its_file_and_becomes_a_table(profiles: SimpleNamespace, tmp_path: Path) -> None:
    profiles.bench.save(result(), tmp_path / "result.json")
    read = profiles.bench.load(tmp_path / "result.json")
    assert read == result()
    text = profiles.bench.text_of(read)
    assert "Some Processor" in text
    (row,) = [line for line in text.splitlines() if line.startswith("fastnet") and "trials/s" in line]
    assert row.split() == ["fastnet", "6.000", "trials/s", "5.880", "to", "6.120", "1.000"]


def test_merged_keeps_the_sections_that_were_not_measured_anew(profiles: SimpleNamespace) -> None:
    old, new = result(), result()
    new["figures"] = [figure("Networks of a search, one core", "fastnet", 7.0)]
    new["verified"], new["notes"] = ["b"], ["data: MNIST", "more"]
    both = profiles.peers.merged(old, new)
    assert [(f["section"][:5], f["name"], f["value"]) for f in both["figures"]] == [
        ("Netwo", "fastnet", 7.0), ("Whole", "NumPy, lean float32", 40.0), ("Whole", "fastnet", 20.0),
    ]  # fmt: skip
    assert both["verified"] == ["a", "b"] and both["notes"] == ["data: MNIST", "more"]


def test_chart_orders_the_best_first(profiles: SimpleNamespace) -> None:
    figures = result()["figures"]
    assert [f["value"] for f in profiles.chart.ordered(figures[:2])] == [6.0, 2.0]
    assert [f["value"] for f in profiles.chart.ordered(figures[2:])] == [20.0, 40.0]


def test_chart_leaves_out_small_networks(profiles: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[str] = []
    monkeypatch.setattr(profiles.chart, "_bars", lambda axes, figures, look: drawn.append(figures[0]["section"]))
    added = result()
    added["figures"].append(figure(profiles.small.sections()[0], "fastnet", 7.0))
    profiles.chart.picture(added, profiles.chart.LIGHT)
    assert drawn == ["Networks of a search, one core", "Whole search, one core, nothing cached"]


def test_chart_is_drawn_for_light_and_dark_pages_with_our_colour(profiles: SimpleNamespace, tmp_path: Path) -> None:
    from matplotlib.colors import to_rgb
    from matplotlib.image import imread

    light, dark = profiles.chart.draw(result(), tmp_path / "new" / "peers.png")
    assert (light.name, dark.name) == ("peers.png", "peers-dark.png")
    for path, look in ((light, profiles.chart.LIGHT), (dark, profiles.chart.DARK)):
        pixels = imread(BytesIO(path.read_bytes()))[..., :3]
        assert pixels.shape[1] == round(profiles.chart.WIDTH * profiles.chart.DPI)
        assert np.allclose(pixels[0, 0], to_rgb(look.page), atol=0.01)
        ours, others = (
            int(np.isclose(pixels, to_rgb(color), atol=0.01).all(axis=2).sum()) for color in (look.ours, look.others)
        )
        # 6 against 2 trials/s, then 20 against 40 s: bars of 1 + 1/2 and of 1/3 + 1 of the longest.
        assert ours / others == pytest.approx(1.5 / (4 / 3), rel=0.05)


# The peers ------------------------------------------------------------------------------------------------------------


def test_what_is_not_installed_is_told(profiles: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(profiles.catalog, "find_spec", lambda name: None)
    assert profiles.catalog.missing("torch") == "not installed: pip install '.[bench]'"
    assert profiles.catalog.missing("numpy") == ""


def test_compiled_peer_needs_a_compiler(profiles: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(profiles.catalog, "find_spec", lambda name: object())
    monkeypatch.setattr(profiles.catalog.shutil, "which", lambda name: None)
    assert "C++ compiler" in profiles.catalog.missing("torch-compile")
    assert profiles.catalog.missing("torch") == ""


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(["--only", "trial,nonsense"], "give some of trial, network"), (["--peers", "caffe"], "give some of fastnet"),
     (["--rounds", "0"], "at least 1"), (["--keep"], "--json"), (["--data-dir", "/nowhere"], "no files of MNIST")],
)  # fmt: skip
def test_command_line_refuses_in_one_sentence(
    profiles: SimpleNamespace, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    with pytest.raises(SystemExit) as stopped:
        profiles.peers.parse(arguments)
    assert stopped.value.code == 2
    assert words in capsys.readouterr().err.splitlines()[-1]


def test_this_project_always_takes_part(profiles: SimpleNamespace) -> None:
    assert profiles.peers.parse(["--peers", "torch,jax"]).peers == ["fastnet", "torch", "jax"]


def test_every_peer_gets_the_same_trials(profiles: SimpleNamespace) -> None:
    one, several = profiles.peers.parts(4, 1, 3), profiles.peers.parts(4, 4, 3)
    assert len(one) == 1 and len(several) == 4
    assert one[0][0] == [rate for rates, _, _ in several for rate in rates]
    assert one[0][1] == [decay for _, decays, _ in several for decay in decays]
    assert all(1e-6 <= rate <= 1e-2 for rate in one[0][0]) and all(1e-8 <= decay <= 1e-4 for decay in one[0][1])


@pytest.mark.parametrize(("accuracy", "loss"), [(0.70, 1.0), (0.80, 1.3), (0.80, 0.7)])
def test_peer_that_learns_otherwise_is_left_out(profiles: SimpleNamespace, accuracy: float, loss: float) -> None:
    checked: list[str] = []
    bench = SimpleNamespace(report=SimpleNamespace(verified=checked.append))
    with pytest.raises(profiles.process.PeerError, match="learns otherwise"):
        profiles.peers.compare(bench, "torch", (accuracy, loss), (0.80, 1.0), 24)
    profiles.peers.compare(bench, "torch", (0.81, 1.01), (0.80, 1.0), 24)
    assert len(checked) == 1 and checked[0].startswith("PyTorch eager: validation accuracy 0.810")


@pytest.fixture(scope="module")
def digits(profiles: SimpleNamespace) -> Any:
    return profiles.task.samples("mnist5k", None, 500)


@pytest.mark.parametrize(("optimizer", "regression"), [("sgd", False), ("sgd", True), ("adam", False), ("adam", True)])
def test_lean_numpy_takes_the_steps_of_the_reference(
    profiles: SimpleNamespace, optimizer: str, regression: bool
) -> None:
    task, with_numpy = profiles.task, profiles.with_numpy
    shape = profiles.networks.Shape("tiny", 150, 9, (13, 7), 1 if regression else 3, 40, regression)
    data, plan = task.table(shape), task.Plan(shape.sizes, 40, 3, optimizer, regression, images=False)
    peer = with_numpy.NumpyPeer(1)
    peer.prepare_trials(data, plan)
    weights = task.he_weights(np.random.default_rng(0), plan.sizes)
    biases = [np.zeros(size, np.float32) for size in plan.sizes[1:]]
    w, b = [weight.astype(float) for weight in weights], [bias.astype(float) for bias in biases]
    rate, decay = 0.05, 0.3
    ours = with_numpy.Sgd(rate, decay) if optimizer == "sgd" else with_numpy.Adam(rate, decay, weights, biases)
    rule = Rule(optimizer, learning_rate=rate, weight_decay=decay)
    states = [
        (initial_state(weight, optimizer), initial_state(bias, optimizer)) for weight, bias in zip(w, b, strict=True)
    ]
    for step, begin in enumerate((0, 40, 80)):
        rows = np.arange(begin, begin + 40)
        np.take(data.x_train, rows, axis=0, out=peer.outputs[0])
        peer._step(weights, biases, data.y_train[rows], ours)
        w, b, states, _ = train_step(
            w, b, states, data.x_train[rows].astype(float), data.y_train[rows], None, 1.0, step + 1, rule,
            objective="squared-error" if regression else "cross-entropy",
        )  # fmt: skip
    for actual, expected in zip(weights + biases, w + b, strict=True):
        np.testing.assert_allclose(actual, expected, atol=2e-5)


@pytest.mark.parametrize("regression", [False, True])
def test_this_project_learns_a_table_as_lean_numpy_does(profiles: SimpleNamespace, regression: bool) -> None:
    small, shape = profiles.small, profiles.networks.Shape("tiny", 200, 5, (12, 12), 2, 32)
    if regression:
        shape = shape._replace(n_outputs=1, regression=True)
    found = []
    for peer in (profiles.with_numpy.NumpyPeer(1), profiles.with_fastnet.FastnetPeer(1)):
        peer.prepare_trials(profiles.task.table(shape), small.plan_of(shape))
        curves = peer.trials(np.full(8, 0.01), np.full(8, 1e-6), 3)
        assert curves.shape == (8, 4, small.SMALL_EPOCHS) and np.isfinite(curves).all()
        found.append(curves[:, [2, 1], -1].astype(float))
    small.compare(shape, "fastnet", found[1], found[0])


def test_small_network_that_learns_otherwise_is_left_out(profiles: SimpleNamespace) -> None:
    small, shape = profiles.small, profiles.networks.SMALL[0]
    expected = 0.4 + 0.01 * np.random.default_rng(0).standard_normal((8, 2))
    small.compare(shape, "torch", expected + 0.01, expected)
    for error in ([0.1, 0.0], [0.0, 0.1], [np.nan, 0.0]):
        with pytest.raises(profiles.process.PeerError, match="learns otherwise"):
            small.compare(shape, "torch", expected + error, expected)
    small.compare(shape, "sklearn-fit", expected + 0.04, expected)  # its single output learns more slowly


def test_sections_of_tables_have_their_places(profiles: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    small = profiles.small
    titles = small.sections()
    assert len(titles) == len(set(titles)) == 9 and titles[-1] == small.FOLD_SEARCH
    new = result()
    new["figures"] = [figure(title, "fastnet", 7.0) for title in reversed(titles)]
    both = profiles.peers.merged(result(), new)
    assert list(dict.fromkeys(f["section"] for f in both["figures"]))[2:] == titles


class Pretending:
    """A team that answers with a given loss, without a process."""

    def __init__(self, loss: float) -> None:
        self.loss, self.closed = loss, False

    def call(self, method: str, *arguments: Any) -> list[Any]:
        return [self.loss]

    def share(self, method: str, arguments: Any) -> tuple[float, list[Any]]:
        if method == "folds":
            return float(arguments[0][0]), [self.loss]
        rates = arguments[0][0]
        spread = self.loss + 0.01 * np.arange(len(rates))
        return 0.5 * len(rates), [[[0.0, loss, loss, 0.0] for loss in spread]]

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def bench(profiles: SimpleNamespace, tmp_path: Path) -> Any:
    """A run whose peers pretend, JAX to something else than the others."""
    from contextlib import nullcontext

    arguments = SimpleNamespace(quick=True, rounds=None)
    report = profiles.bench.Report("peers", threads=1)
    made = SimpleNamespace(arguments=arguments, report=report, folder=tmp_path, threads=1, notes=[], teams=[])
    report.warming_up = nullcontext
    made.note = made.notes.append

    def start(name: str, processes: int, threads: int, home: str = "") -> Pretending:
        made.teams.append(Pretending(0.9 if name == "jax" else 0.5))
        return made.teams[-1]

    def add(name: str, timing: Any, work: float, unit: str, ours: float, **extra: Any) -> None:
        report.add(name, timing.rate(work)["value"], unit, ratio=ours / timing.rate(work)["value"])

    made.start, made.add = start, add
    return made


def test_small_section_times_those_that_learn_alike(profiles: SimpleNamespace, bench: Any) -> None:
    bench.chosen = lambda kind: ["fastnet", "jax", "sklearn-fit"]
    profiles.small.small_section(bench)
    figures = bench.report.as_dict()["figures"]
    assert {f["name"] for f in figures} == {"fastnet", "sklearn-fit"} and len(figures) == 2 * 8
    assert {f["value"] for f in figures} == {2.0}
    assert len(bench.notes) == 8 and all(
        "JAX jit + scan: left out: it learns otherwise" in note for note in bench.notes
    )
    assert all(team.closed for team in bench.teams) and len(bench.report.checks) == 8


def test_folds_section_times_configurations(profiles: SimpleNamespace, bench: Any) -> None:
    bench.chosen = lambda kind: ["fastnet", "jax", "randomized-folds"]
    profiles.small.folds_section(bench)
    figures = bench.report.as_dict()["figures"]
    assert [(f["name"], f["value"], f["section"]) for f in figures] == [
        ("fastnet", 1.0, profiles.small.FOLD_SEARCH), ("randomized-folds", 1.0, profiles.small.FOLD_SEARCH)
    ]  # fmt: skip
    assert "the best accuracy is 0.900, and this project's 0.500" in bench.notes[0]
    assert all(team.closed for team in bench.teams)


@pytest.mark.parametrize("regression", [False, True])
def test_scikit_learn_fits_what_plain_numpy_learns(profiles: SimpleNamespace, regression: bool) -> None:
    pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    from _peers import with_sklearn_tables

    shape = profiles.networks.Shape("tiny", 200, 5, (12, 12), 3, 32)
    if regression:
        shape = shape._replace(n_outputs=1, regression=True)
    data, plan = profiles.task.table(shape), profiles.small.plan_of(shape)
    peer, numpy = with_sklearn_tables.HeFitPeer(1), profiles.with_numpy.NumpyPeer(1)
    values = np.full(8, 0.01), np.full(8, 1e-6), 3
    last = []
    for each in (peer, numpy):
        each.prepare_trials(data, plan)
        last.append(each.trials(*values)[:, [2, 1], -1].astype(float))
    profiles.small.compare(shape, "torch", *last)
    timed = with_sklearn_tables.FitPeer(1)
    timed.prepare_trials(data, plan)
    assert np.isnan(timed.trials(values[0][:1], values[1][:1], 0)).all(), "nothing is scored"


def test_a_process_trains_trials_and_tells_of_failure(profiles: SimpleNamespace, digits: Any, tmp_path: Path) -> None:
    digits.write(tmp_path / "digits.npz")
    team = profiles.process.Team(
        [profiles.process.Process("with_numpy:NumpyPeer", 1, [0], {"OPENBLAS_NUM_THREADS": "1"})]
    )
    try:
        with pytest.raises(profiles.process.PeerError, match="FileNotFoundError"):
            team.call("prepare", "trials", str(tmp_path / "absent.npz"))
        team.call("prepare", "trials", str(tmp_path / "digits.npz"))
        seconds, (last,) = team.share("trials", [([0.1], [1e-6], 0)])
    finally:
        team.close()
    assert seconds > 0 and np.shape(last) == (1, 4)
    assert last[0][3] > 0.5 and last[0][1] > last[0][3]  # it has learnt, and fits what it learnt from better


def test_a_process_that_cannot_start_says_why(profiles: SimpleNamespace) -> None:
    process = profiles.process.Process("with_nothing:Peer", 1, [0], {})
    try:
        with pytest.raises(profiles.process.PeerError, match="with_nothing"):
            process.receive()
    finally:
        process.close()
