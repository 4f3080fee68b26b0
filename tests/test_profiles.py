"""The profiles: their report, their README, what they verify. What they measure is no matter for a test."""

from __future__ import annotations

import doctest
import json
import subprocess
import sys
from functools import partial
from importlib import import_module
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[1]
PROFILES = ROOT / "profiles"
SCRIPTS = (
    *("roofline", "trial", "search_scaling", "single_network", "start_up", "study", "export", "estimators"),
    *("cluster", "load", "repeats"),
)

ABOUT = {
    "processor": "Abacus 9", "architecture": "beads", "cores": 4, "caches": {"L1": 32768}, "lanes": 8,
    "features": ["fma"], "threads": 2, "system": "Linux x86_64", "python": "3.11.0", "numpy": "2.0", "numba": "0.68",
    "llvmlite": "0.50", "fastnet": "0.1", "commit": "abc",
}  # fmt: skip


@pytest.fixture
def profile(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Import a module of the folder `profiles`, which is not installed."""
    monkeypatch.setattr(sys, "path", [str(PROFILES), *sys.path])
    return import_module


@pytest.fixture
def report(profile: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """An empty report of a machine that is always the same."""
    bench = profile("_bench")
    monkeypatch.setattr(bench, "machine", lambda threads: dict(ABOUT))
    return bench.Report("trial")


def result(name: str, figures: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    """What a report saves."""
    return {
        "profile": name, "quick": False, "machine": ABOUT, "warm_up_seconds": 1.0, "verified": [], "figures": figures
    } | more  # fmt: skip


def figure(section: str, name: str, value: float, unit: str, better: str = "lower", **extra: Any) -> dict[str, Any]:
    return {"section": section, "name": name, "value": value, "unit": unit, "better": better, **extra}


# The report -----------------------------------------------------------------------------------------------------------


def test_report_comes_back_from_json(report: Any, profile: Any, tmp_path: Path, capsys: Any) -> None:
    bench = profile("_bench")
    report.section("products")
    report.add("forward", 0.75, "of peak", low=0.7, high=0.8, us=np.float64(23.4567891))
    report.verified("forward against the reference")
    path = tmp_path / "deeper" / "trial.json"
    report.finish(path)
    back = bench.load(path)
    assert bench.figure_of(back, "forward") == {
        "section": "products", "name": "forward", "value": 0.75, "unit": "of peak", "better": "higher", "low": 0.7,
        "high": 0.8, "us": 23.4568,
    }  # fmt: skip
    assert (back["machine"], back["verified"], back["quick"]) == (ABOUT, ["forward against the reference"], False)
    printed = capsys.readouterr().out
    assert "Abacus 9" in printed and "verified: forward against the reference" in printed
    assert "0.7500  of peak  0.7000 to 0.8000  23.46" in printed


def test_report_without_figures_is_json_too(report: Any, profile: Any, tmp_path: Path) -> None:
    report.finish(tmp_path / "none.json")
    assert profile("_bench").load(tmp_path / "none.json")["figures"] == []


def test_report_takes_a_name_once_and_knows_two_directions(report: Any) -> None:
    report.add("forward", 1.0, "ms")
    with pytest.raises(ValueError, match="twice"):
        report.add("forward", 2.0, "ms")
    with pytest.raises(ValueError, match="higher"):
        report.add("backward", 2.0, "ms", better="more")


def test_columns_of_a_table_are_aligned(profile: Any) -> None:
    rows = [figure("", "a", 1.0, "ms", low=0.5, high=2.0), figure("", "longer", 12345.6, "samples/s", share=0.5)]
    lines = profile("_bench").table(rows).splitlines()
    assert lines[1] == "a        1.000  ms         0.5000 to 2.000"
    assert lines[2] == "longer  12,346  samples/s                   0.5000"


def test_timing_tells_median_spread_and_rate(profile: Any) -> None:
    timing = profile("_bench").Timing((4.0, 1.0, 2.0, 8.0, 3.0))
    assert (timing.median, timing.best) == (3.0, 1.0)
    assert timing.scaled(1e3) == pytest.approx({"value": 3000.0, "low": 1400.0, "high": 6400.0})
    assert timing.rate(6.0) == pytest.approx({"value": 2.0, "low": 6 / 6.4, "high": 6 / 1.4})


def test_calls_are_timed_in_turn_with_one_count_each(profile: Any) -> None:
    called: list[tuple[str, int]] = []

    def work(name: str, n: int) -> None:
        called.append((name, n))
        sum(range(n))

    timings = profile("_bench").interleaved([partial(work, name) for name in "ab"], repeats=3, at_least=1e-4)
    assert [len(timing.seconds) for timing in timings] == [3, 3]
    assert [name for name, _ in called[-6:]] == list("ababab")
    assert len({n for name, n in called[-6:] if name == "a"}) == 1


def test_machine_says_what_a_reader_needs_and_nothing_private(profile: Any) -> None:
    about = profile("_bench").machine(3)
    assert about["threads"] == 3 and about["lanes"] in (4, 8, 16) and about["processor"] and about["numba"]
    assert str(Path.home()) not in json.dumps(about) and str(ROOT) not in json.dumps(about)


@pytest.mark.parametrize("name", ["readme", "search_scaling", "start_up", "trial", "_networks"])
def test_examples_of_the_profiles_run(profile: Any, name: str) -> None:
    found = doctest.testmod(profile(name))
    assert found.attempted and not found.failed


# The README -----------------------------------------------------------------------------------------------------------

TRIAL = result(
    "trial",
    [
        figure("MNIST: one trial", "whole trial", 123.4, "ms"),
        figure("dense random data, no zeros skipped: one trial", "whole trial", 246.8, "ms", of_peak=0.756,
               peak_gflops=101.3),
    ],
)  # fmt: skip
PEERS = result(
    "peers",
    [
        figure("Networks of a search, one core", "slowest", 1.0, "trials/s", "higher", ratio=6.0),
        figure("Networks of a search, one core", "slow", 1.5, "trials/s", "higher", ratio=4.0),
        figure("Networks of a search, one core", "slower", 1.2, "trials/s", "higher", ratio=5.0),
        figure("Networks of a search, one core", "fastnet", 6.0, "trials/s", "higher", ratio=1.0),
    ],
)


TABLES = result(
    "tables",
    [
        figure("churn", "ensemble", 0.45, "log-loss", "lower"), figure("churn", "model", 0.47, "log-loss", "lower"),
        figure("churn", "trees", 0.5, "log-loss", "lower"), figure("churn", "ratio", 0.9, "", "lower"),
        figure("churn", "trials", 1234.0, ""),
        figure("price", "model", 30.0, "rmse", "lower"), figure("price", "trees", 25.0, "rmse", "lower"),
        figure("price", "ratio", 1.2, "", "lower"), figure("price", "trials", 7.0, ""),
        figure("all tables", "geometric mean of ratios", 1.0392, "", "lower"),
    ],
)  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path, profile: Any) -> Path:
    readme = profile("readme")
    for saved in (TRIAL, PEERS, TABLES):
        profile("_bench").save(saved, tmp_path / f"{saved['profile']}.json")
    pages = {
        "README.md": [readme.HEADLINE],
        "performance.md": [readme.SECTION, readme.SMALL_SECTION],
        "accuracy.md": [readme.ACCURACY_SECTION, readme.IDEAS_SECTION, readme.HEADS_SECTION],
        "scale.md": [readme.SCALE_SECTION],
    }
    for name, markers in pages.items():
        sections = "\n\n".join(f"{begin}\nold\n{end}" for begin, end in markers)
        (tmp_path / name).write_text(f"# head\n\n{sections}\n\ntail\n", encoding="utf-8")
    return tmp_path


def arguments(folder: Path, *more: str) -> list[str]:
    pages = ["--readme", str(folder / "README.md"), "--page", str(folder / "performance.md")]
    pages += ["--accuracy", str(folder / "accuracy.md"), "--scale", str(folder / "scale.md")]
    return ["--results", str(folder), *pages, *more]


def test_readme_shows_the_results_and_nothing_else_changes(profile: Any, folder: Path) -> None:
    readme = profile("readme")
    assert readme.main(arguments(folder)) == 0
    readme_text = (folder / "README.md").read_text(encoding="utf-8")
    words = readme.HEADLINES["Networks of a search, one core"]
    assert (
        readme_text.startswith("# head\n\n<!--") and readme_text.endswith("-->\n\ntail\n") and "old" not in readme_text
    )
    assert f"| {words} | 6 trials/s | slow 4×, slower 5× |" in readme_text and "slowest" not in readme_text
    assert "On 2 real tables" in readme_text and "has 1.04 times the error" in readme_text
    assert "lower error on 1 of the 2 tables" in readme_text
    text = (folder / "performance.md").read_text(encoding="utf-8")
    assert "| churn | log-loss | 0.45 | 0.5 | 0.9 | 1,234 |\n| price | RMSE | 30 | 25 | 1.2 | 7 |" in text
    assert "| geometric mean |  |  |  | 1.04 |  |" in text
    assert text.startswith("# head\n\n<!--") and text.endswith("-->\n\ntail\n") and "\nold\n" not in text
    assert "Measured on 4 cores of Abacus 9 (beads, 8 floats a vector)" in text
    assert "| 123 ms |" in text and "| 247 ms, 76 % of the core's multiply-add peak (101 GFLOP/s) |" in text
    rows = [line for line in text.splitlines() if line.startswith(("| fastnet |", "| slow"))]
    assert rows == ["| fastnet | 6 |", "| slow | 1.5 (4×) |", "| slower | 1.2 (5×) |", "| slowest | 1 (6×) |"], (
        "fastest first"
    )


def test_ideas_are_listed_best_first(profile: Any, folder: Path) -> None:
    readme, bench = profile("readme"), profile("_bench")
    of = {"better": "lower", "low": 0.9, "high": 1.1, "single": 1.0, "tables": 7}
    tried = [figure("summary", name, value, "of as it is", **of) for name, value in (("slow", 1.02), ("quick", 0.957))]
    bench.save(TRIAL | {"profile": "ideas", "figures": tried}, folder / "ideas.json")
    assert readme.main(arguments(folder)) == 0
    rows = "| quick | 0.957 (0.900 to 1.100) | 1.000 | 7 |\n| slow | 1.020 (0.900 to 1.100) | 1.000 | 7 |"
    assert rows in (folder / "accuracy.md").read_text(encoding="utf-8")


def test_heads_are_compared_with_one(profile: Any, folder: Path) -> None:
    readme, bench = profile("readme"), profile("_bench")
    more = {"better": "lower", "aside": 0.95, "averaged": 0.98, "time": 2.75}
    bench.save(TRIAL | {"profile": "heads", "figures": [figure("summary", "4 heads", 0.9, "of 1 head", **more)]},
               folder / "heads.json")  # fmt: skip
    assert readme.main(arguments(folder)) == 0
    assert "| 4 heads | 0.900 | 0.950 | 0.980 | 2.8 |" in (folder / "accuracy.md").read_text(encoding="utf-8")


def test_small_networks_get_tables_of_their_own(profile: Any, folder: Path) -> None:
    readme, bench = profile("readme"), profile("_bench")
    shape = readme.SMALL[0]
    of_trial = f"{shape.title}: one trial"
    phases = f"{shape.title}, Adam: by phase"
    small = [
        figure(of_trial, "Adam", 54.0, "ms", of_peak=0.481, us_a_step=29.0, step_of_sgd=1.4),
        figure(of_trial, "Adam, running scores", 40.0, "ms", us_a_step=30.0, step_of_sgd=1.44, exact_of_running=1.35),
        figure(of_trial, "Adam, encoded", 80.0, "ms", us_a_step=60.0, step_of_sgd=1.3, of_plain=1.48),
        figure(phases, "update, first layer", 5.0, "ms", of_trial=0.125),
        figure(phases, "update, other layers", 10.0, "ms", of_trial=0.25),
        figure(phases, "evaluation, loss", 2.0, "ms", of_trial=0.05),
        figure(phases, "transposes", 0.4, "ms", of_trial=0.01),
    ]
    title = readme.SMALL_TITLE + shape.title
    others = [figure(title, name, value, "trials/s", "higher", ratio=20 / value)
              for name, value in (("fastnet", 20.0), ("slow", 10.0))]  # fmt: skip
    folds = [figure(readme.FOLD_SEARCH, name, value, "configurations/s", "higher", ratio=3 / value)
             for name, value in (("fastnet", 3.0), ("RandomizedSearchCV", 0.2))]  # fmt: skip
    bench.save(TRIAL | {"figures": TRIAL["figures"] + small}, folder / "trial.json")
    bench.save(PEERS | {"figures": PEERS["figures"] + others + folds}, folder / "peers.json")
    assert readme.main(arguments(folder)) == 0
    text = (folder / "performance.md").read_text(encoding="utf-8")
    above, _, below = text.partition(readme.SMALL_SECTION[0])
    assert f"| {shape.title} | 54 ms | 48 % | 30 µs | 1.44× | 1.35× | 1.48× |" in below
    assert f"| {shape.title} | 0.0 % | 0.0 % | 38 % | 5.0 % | 0.0 % | 1.0 % | 0.0 % | 0.0 % |" in below
    assert "|  | fastnet | slow |" in below and f"| {shape.title} | 20 | 10 (2×) |" in below
    assert shape.title not in above and "| RandomizedSearchCV | 0.2 (15×) |" in above
    headline = (folder / "README.md").read_text(encoding="utf-8")
    assert "| 20 trials/s | slow 2× |" in headline and "| 3 configurations/s | RandomizedSearchCV 15× |" in headline

    elsewhere = {"machine": PEERS["machine"] | {"processor": "Another One"}, "figures": others + folds}
    bench.save(PEERS, folder / "peers.json")
    bench.save(PEERS | elsewhere, folder / "peers_small.json")
    assert readme.main(arguments(folder)) == 0
    for page in ("README.md", "performance.md"):
        text = (folder / page).read_text(encoding="utf-8")
        assert "Another One" in text and "RandomizedSearchCV" in text.partition("Another One")[2]


def test_readme_check_tells_old_from_new(profile: Any, folder: Path, capsys: Any) -> None:
    readme = profile("readme")
    before = (folder / "README.md").read_bytes()
    assert readme.main(arguments(folder, "--check")) == 1
    assert (folder / "README.md").read_bytes() == before
    said = capsys.readouterr().err
    assert "README.md does not show" in said and "performance.md does not show" in said
    readme.main(arguments(folder))
    assert readme.main(arguments(folder, "--check")) == 0


def test_readme_takes_no_quick_results_and_needs_its_markers(profile: Any, folder: Path) -> None:
    readme, bench = profile("readme"), profile("_bench")
    bench.save(TRIAL | {"quick": True}, folder / "trial.json")
    with pytest.raises(SystemExit, match="trial: measured with --quick"):
        readme.main(arguments(folder))
    bench.save(TRIAL, folder / "trial.json")
    (folder / "README.md").write_text("# head\n", encoding="utf-8")
    with pytest.raises(SystemExit, match="markers"):
        readme.main(arguments(folder))


# What the profiles verify and count -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SCRIPTS)
def test_profile_has_the_common_options(name: str) -> None:
    done = subprocess.run([sys.executable, PROFILES / f"{name}.py", "--help"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert {"--json", "--quick", "--threads"} <= set(done.stdout.replace(",", " ").split())


@pytest.fixture
def kernels(profile: Any) -> ModuleType:
    return profile("_kernels")


def test_kernels_of_a_layer_are_verified_and_repeated(kernels: ModuleType) -> None:
    bench = kernels.Bench(kernels.Shape(7, 13, 11))
    for case in (bench.forward(), bench.input_gradient(), bench.weight_update("adam"), bench.transpose()):
        case.work(3)
        assert case.flops == (2 * 7 * 13 * 11 if case.name != "transpose" else 0)


def test_a_wrong_kernel_ends_the_profile(kernels: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels.reference.activation, "relu", lambda z: z)
    with pytest.raises(SystemExit, match=r"away from fastnet\.reference"):
        kernels.Bench(kernels.Shape(7, 13, 11)).forward()


def test_peak_counts_its_own_operations(profile: Any) -> None:
    peak = profile("_peak")
    assert peak.FLOPS == 2 * peak.CHAINS * peak.CHAIN_STEPS * peak.LANES
    after_one, steps = peak.multiply_adds(1), peak.CHAIN_STEPS
    chains = np.arange(peak.CHAINS, dtype=np.float64)
    for _ in range(steps):
        chains = chains * np.float64(np.float32(0.999)) + 1
    assert after_one == pytest.approx(chains.sum(), rel=1e-5), "every chain makes every step"
    _, n_bytes = peak.read_work(10_000)
    assert 0 < n_bytes <= 10_000


def test_operations_of_a_trial_are_those_of_its_products(profile: Any) -> None:
    trial = profile("trial")
    case = book_case(trial)
    asked = sum(trial.operations(case, ahead=False).values())
    assert asked == pytest.approx(18.862e9, rel=1e-3), "200 steps of 100 samples and 50 evaluations of 500"
    saved = 49 * 100 * 2 * sum(a * b for a, b in zip(trial.SIZES[:-1], trial.SIZES[1:], strict=True))
    assert asked - sum(trial.operations(case).values()) == saved
    running = book_case(trial, train_score="running")
    assert not running.ahead and not book_case(trial, dropout=0.5).ahead
    found, exact = trial.operations(running), trial.operations(case)
    assert found["evaluation, first layer"] == exact["evaluation, first layer"] / 5, "validation is a fifth of both"
    assert found["input gradient"] == exact["input gradient"]


def book_case(trial: ModuleType, **settings: Any) -> Any:
    """The book's trial, on data of which only the numbers of samples matter."""
    from fastnet.config.training import TrainConfig
    from fastnet.kernels.host import TILE_ROWS

    config = TrainConfig(hidden=trial.SIZES[1:-1], batch_size=trial.BATCH, epochs=trial.EPOCHS, **settings)
    rows = np.zeros(trial.VALIDATION + TILE_ROWS)
    data = SimpleNamespace(n_inputs=784, n_outputs=10, n_train=trial.TRAINING, validation_rows=rows)
    return trial.Case("book", config, data)


@pytest.fixture
def stages(profile: Any) -> Any:
    """Stages of which evaluation and objective alone have clocks: those of the others take long to compile."""
    from fastnet.kernels import step

    class Some(profile("_clocks").Stages):  # type: ignore[misc]
        def _compile(self, which: int, role: str, phases: dict[str, str], **constants: Any) -> Any:
            if which == step.EVALUATE:
                return super()._compile(which, role, phases, **constants)
            return SimpleNamespace(address=step.stage(which))

    return Some(["squared-error"])


def test_small_trials_are_verified_and_reported_next_to_each_other(
    profile: Any, report: Any, stages: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial, networks = profile("trial"), profile("_networks")
    monkeypatch.setattr(trial, "QUICK_SECONDS", 0.0)
    shape = networks.Shape("tiny", 160, 5, (9, 7), 1, 32, regression=True)
    trial.small_trials(report, shape, stages, quick=True)
    found = report.as_dict()
    kinds = [f"{name}{encoded}" for encoded in ("", ", encoded") for name in ("Adam", "SGD")]
    assert len(found["verified"]) == 8 and all("reference" in check for check in found["verified"])
    whole = {f["name"]: f for f in found["figures"] if f["section"] == f"{shape.title}: one trial"}
    assert list(whole) == [f"{kind}{scores}" for kind in kinds for scores in ("", ", running scores")]
    assert {"of_peak", "us_a_step", "step_of_sgd"} <= whole["Adam"].keys()
    assert "exact_of_running" in whole["SGD, running scores"] and "of_plain" in whole["SGD, encoded"]
    for kind in kinds:
        phases = {f["name"]: f["value"] for f in found["figures"] if f["section"] == f"{shape.title}, {kind}: by phase"}
        assert {"loss", "evaluation, random numbers, order of an epoch", trial.INITIAL, "not in any phase"} <= set(
            phases
        )
        assert phases["loss"] > 0


def test_a_trial_unlike_the_reference_ends_the_profile(profile: Any, report: Any, monkeypatch: Any) -> None:
    trial, networks = profile("trial"), profile("_networks")
    case = next(trial.small_cases(networks.Shape("tiny", 160, 5, (9,), 2, 32)))
    curves = np.zeros((4, 20))
    with pytest.raises(SystemExit, match=r"away from fastnet\.reference"):
        trial.verify(report, case, curves, curves)
    with pytest.raises(SystemExit, match="other learning curves"):
        trial.verify(report, case, curves, curves + 1)


def test_shapes_are_read_by_name(profile: Any) -> None:
    trial, networks = profile("trial"), profile("_networks")
    assert trial.shapes_of("small,book,64x2") == (*trial.SHAPES, "book")
    assert {shape.name for shape in networks.SMALL} == set(trial.SHAPES)
    with pytest.raises(SystemExit):
        trial.main(["--shape", "65x2"])


def test_a_shape_has_whole_batches_and_targets_of_its_task(profile: Any) -> None:
    networks = profile("_networks")
    for shape in networks.SMALL:
        assert shape.n_train % shape.batch == 0
        x, y = networks.numbers(shape)
        assert x.shape == (shape.n_samples, shape.n_features)
        assert y.shape == ((len(x), 1) if shape.regression else (len(x),))
        if not shape.regression:
            assert np.bincount(y).min() > 0.02 * len(y) and len(np.bincount(y)) == shape.n_outputs
    data = networks.prepared_table(networks.SMALL[0], encoded=True)
    assert data.coded is not None and data.n_inputs == 20 * 17, "16 bins and the number itself"


def test_imports_are_summed_by_package(profile: Any) -> None:
    lines = [
        "import time: self [us] | cumulative | imported package",
        "import time:      2000 |       2000 |     json.decoder",
        "import time:      4000 |       6000 |   json",
        "import time:     20000 |      26000 | fastnet_cli.main",
        "import time:      1000 |       1000 | fastnet",
        "import time:       100 |        100 | tiny",
        "a warning of some kind",
    ]
    found = profile("start_up").by_package("\n".join(lines))
    assert list(found) == ["fastnet", "standard library", "others"]
    assert found["fastnet"] == (pytest.approx(0.021), 2) and found["others"] == (pytest.approx(0.0001), 1)
