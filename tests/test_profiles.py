"""The profiles: their report, their README, what they verify. What they measure is no matter for a test."""

from __future__ import annotations

import doctest
import json
import subprocess
import sys
from functools import partial
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[1]
PROFILES = ROOT / "profiles"
SCRIPTS = ("roofline", "trial", "search_scaling", "single_network", "start_up", "study")

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


@pytest.mark.parametrize("name", ["readme", "search_scaling", "start_up"])
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
    for name, (begin, end) in (("README.md", readme.HEADLINE), ("performance.md", readme.SECTION)):
        (tmp_path / name).write_text(f"# head\n\n{begin}\nold\n{end}\n\ntail\n", encoding="utf-8")
    return tmp_path


def arguments(folder: Path, *more: str) -> list[str]:
    pages = ["--readme", str(folder / "README.md"), "--page", str(folder / "performance.md")]
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
    assert text.startswith("# head\n\n<!--") and text.endswith("-->\n\ntail\n") and "old" not in text
    assert "Measured on 4 cores of Abacus 9 (beads, 8 floats a vector)" in text
    assert "| 123 ms |" in text and "| 247 ms, 76 % of the core's multiply-add peak (101 GFLOP/s) |" in text
    rows = [line for line in text.splitlines() if line.startswith(("| fastnet |", "| slow"))]
    assert rows == ["| fastnet | 6 |", "| slow | 1.5 (4×) |", "| slower | 1.2 (5×) |", "| slowest | 1 (6×) |"], (
        "fastest first"
    )


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
    asked = sum(trial.operations(ahead=False).values())
    assert asked == pytest.approx(18.862e9, rel=1e-3), "200 steps of 100 samples and 50 evaluations of 500"
    saved = 49 * 100 * 2 * sum(a * b for a, b in zip(trial.SIZES[:-1], trial.SIZES[1:], strict=True))
    assert asked - sum(trial.operations(ahead=True).values()) == saved


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
