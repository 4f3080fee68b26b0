"""The profile of clusters: its process, pretended workers, its simulation and its page."""

from __future__ import annotations

import doctest
import json
import sys
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
PROFILES = ROOT / "profiles"


@pytest.fixture
def profile(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Import a module of the folder `profiles`, which is not installed."""
    monkeypatch.setattr(sys, "path", [str(PROFILES), *sys.path])
    return import_module


@pytest.fixture
def simulation(profile: Any) -> Any:
    pytest.importorskip("simpy")
    return profile("_cluster.simulation")


def costs(simulation: Any, **changes: float) -> Any:
    usual = {"trial_seconds": 0.1, "spread": 0.05, "part": 1e-3, "trial": 1e-4, "flight": 1e-6, "trial_bytes": 1000.0}
    return simulation.Costs(**(usual | changes))


@pytest.mark.parametrize("name", ["_cluster.simulation", "_cluster.page"])
def test_examples_run(profile: Any, name: str) -> None:
    found = doctest.testmod(profile(name))
    assert found.attempted and not found.failed


# The process ----------------------------------------------------------------------------------------------------------


def run(profile: Any, monkeypatch: pytest.MonkeyPatch, capsys: Any, *arguments: str) -> dict[str, Any]:
    process = profile("_cluster.process")
    remote = import_module("fastnet.tuning.run.remote")
    monkeypatch.setattr(remote, "PART_SECONDS", remote.PART_SECONDS)  # which the process changes
    monkeypatch.setattr(sys, "argv", ["process", *arguments])
    process.main()
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_processes_find_what_threads_find(profile: Any, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    local = run(profile, monkeypatch, capsys, "local", "tiny", "40", "--workers", "1")
    away = run(profile, monkeypatch, capsys, "processes", "tiny", "40", "--workers", "1", "--weigh")
    assert away["best"] == local["best"] and local["outside_us_a_trial"] > 0
    assert away["parts"] > 1 and away["data_bytes"] > 0
    assert 20 < away["order_bytes_a_trial"] < 2000 and 20 < away["reply_bytes_a_trial"] < 2000


def test_pretended_workers_take_the_time_of_trials(profile: Any, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    found = run(profile, monkeypatch, capsys, "pretended", "table", "40", "--workers", "4", "--trial-seconds", "0.05")
    assert found["trial_seconds"] == pytest.approx(0.05, rel=0.11)
    assert found["wall_seconds"] >= 40 * 0.05 * 0.9 / 4, "each worker has one part at a time"
    assert found["rate"] <= 4 / 0.05 * 1.5
    assert found["store_bytes_a_trial"] > 100


# The simulation -------------------------------------------------------------------------------------------------------


def test_few_workers_never_wait(simulation: Any) -> None:
    found = simulation.Simulation(costs(simulation), simulation.Cluster(4)).run()
    assert found.efficiency == pytest.approx(1.0, abs=0.06) and found.busy < 0.05 and found.limit == "nothing"


def test_the_leading_process_bounds_the_rate(simulation: Any) -> None:
    slow = costs(simulation, trial=1e-2, flight=0.0)
    found = simulation.Simulation(slow, simulation.Cluster(100), 2.0).run()
    bound = 1 / (slow.trial + slow.part / found.part_trials)
    assert found.rate == pytest.approx(bound, rel=0.05) and found.limit == "leading process"


def test_longer_parts_relieve_the_leading_process(simulation: Any) -> None:
    dear = costs(simulation, part=2e-2)
    short, long = (
        simulation.Simulation(dear, simulation.Cluster(200), part_seconds).run() for part_seconds in (0.5, 8.0)
    )
    assert short.limit == "leading process" and long.rate > 2 * short.rate


def test_the_network_bounds_the_rate(simulation: Any) -> None:
    heavy = costs(simulation, trial_bytes=1e5)
    found = simulation.Simulation(heavy, simulation.Cluster(10, link=1e6), 2.0).run()
    assert found.rate == pytest.approx(10.0, rel=0.15) and found.limit == "network"


def test_failures_stragglers_and_joins_cost_what_they_must(simulation: Any) -> None:
    def efficiency(**more: float) -> float:
        one = simulation.Simulation(costs(simulation), simulation.Cluster(20, **more), 2.0)
        return float(one.run(seconds=400.0).efficiency)

    failing = efficiency(failure_seconds=300.0, restart_seconds=60.0)
    assert 0.7 < failing < 0.9, "a worker is away for a sixth of the time"
    assert efficiency(stragglers=0.05, slower=10.0) == pytest.approx(1 / 1.45, abs=0.1)
    assert efficiency(join_seconds=50.0) == pytest.approx(1.0, abs=0.05), "measured after they have joined"


def test_a_part_that_hangs_is_sent_again(simulation: Any) -> None:
    stuck = simulation.Cluster(4, stragglers=0.02, slower=1e6)
    found = simulation.Simulation(costs(simulation), stuck, 2.0)
    found.run(seconds=300.0)
    assert any(part.copies for part in found.state.under_way) or found.state.flights > len(found.state.under_way)


# The profile and the page ---------------------------------------------------------------------------------------------


def measured(profile: Any) -> Any:
    """A report as after the measurements, from invented figures."""
    cluster = profile("cluster")
    report = profile("_bench").Report("cluster", threads=2)
    for workload in ("book", "table"):
        report.section(cluster.WORKLOADS[workload].title)
        report.add("threads of one process", 20.0, "trials/s", first_seconds=0.5, of_threads=1.0)
        parts = {"part_seconds": 2.0, "part_trials": 20.0, "spread": 0.05}
        report.add("processes", 19.0, "trials/s", first_seconds=2.0, of_threads=0.95, **parts)
    report.section(cluster.BYTES)
    for workload in ("book", "table"):
        for name, value in (("order", 200), ("reply", 900), ("study, with curves", 1000), ("study, without", 150)):
            report.add(f"{workload}: {name}", value, "B/trial", better="lower")
    report.section(cluster.LEADER)
    for name, value in (("a part", 900.0), ("a trial", 60.0), ("memory", 190.0)):
        report.add(f"processes: {name}", value, "us", better="lower")
    report.add("the search itself: a trial of the book", 70.0, "us", better="lower")
    report.add("waiting: a part under way", 1.0, "us", better="lower")
    report.section(cluster.MANY)
    report.add("10 workers", 99.0, "trials/s", efficiency=0.99, leader_us_a_trial=150.0, part_trials=10.0)
    return report


def test_simulation_is_next_to_what_was_measured(profile: Any, simulation: Any, tmp_path: Path) -> None:
    report, cluster, page = measured(profile), profile("cluster"), profile("_cluster.page")
    cluster.simulate(report, (1, 10, 100))
    result = report.as_dict()
    compared = list(page.compared_rows(result))
    assert [row[0] for row in compared] == [
        "book: 2 workers, processes", "book: 10 workers, pretended", "table: 2 workers, processes"
    ]  # fmt: skip
    text = profile("readme").scale({"cluster": result})
    assert "| processes | 19 (0.95) | 19 (0.95) | 2.0 s |" in text
    assert "| 1,000,000,000 | 150 GB | 1 TB | 19 h |" in text
    assert "| processes | 900 | 60 | 190 MB |" in text and "![Trials" in text
    assert "a worker fails once an hour" in text
    page.draw(result, tmp_path / "scale.png")
    assert (tmp_path / "scale.png").read_bytes().startswith(b"\x89PNG")


def test_simulating_again_keeps_the_measurements(profile: Any, simulation: Any, tmp_path: Path) -> None:
    path, cluster = tmp_path / "cluster.json", profile("cluster")
    report = measured(profile)
    report.section(f"{cluster.SIMULATED}, book, old")
    report.add("old", 1.0, "trials/s")
    report.finish(path)
    cluster.main(["--simulate", "--quick", "--json", str(path)])
    again = profile("_bench").load(path)
    names = {figure["name"] for figure in again["figures"]}
    assert "old" not in names and "10 workers, pretended" in names and again["quick"] is False
    with pytest.raises(SystemExit, match="earlier run"):
        cluster.main(["--simulate", "--json", str(tmp_path / "absent.json")])


def test_engines_that_differ_end_the_profile(profile: Any) -> None:
    cluster, report = profile("cluster"), SimpleNamespace(verified=lambda text: None)
    cluster.same_best(report, "book", {"local": [{"best": [3, 0.5]}], "dask": [{"best": [3, 0.5]}]})
    with pytest.raises(SystemExit, match="depends on the engine"):
        cluster.same_best(report, "book", {"local": [{"best": [3, 0.5]}], "dask": [{"best": [4, 0.5]}]})


def test_page_without_results_says_so(profile: Any) -> None:
    readme = profile("readme")
    assert readme.scale({}) == readme.NOTHING
