"""The tables of docs/scale.md, and its picture."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

from _bench import figure_of

Result = Mapping[str, Any]
Figure = Mapping[str, Any]
Rows = Iterable[tuple[str, ...]]

SIMULATED = "simulated workers"
WAYS = {
    "parts of 2 s": ("2 s", "#d55e00"),
    "parts of 10 s": ("10 s", "#59636e"),
}
MANY, BYTES, LEADER = "pretended workers", "bytes", "what the leading process does"
TROUBLE = f"{SIMULATED}, book, parts of 2 s, with trouble"
STOPS = "most workers at 0.9 of their speed"
TRIALS = (10**6, 10**7, 10**8, 10**9)


def sections(result: Result, table: Callable[..., str], machine: str) -> str:
    """Return the section of the page; `table` makes a table of a head and rows."""
    parts = [machine]
    parts.append(table(("engine", *_titles(result)), engine_rows(result)))
    parts.append(table(("the leading process, microseconds", "a part", "a trial", "memory"), leader_rows(result)))
    parts.append(table(("bytes", "order", "reply", "study, with curves", "without curves"), byte_rows(result)))
    parts.append(BILLION)
    parts.append(table(("trials", "study, without curves", "with curves", "leading process"), billion_rows(result)))
    pretended = figures(result, MANY)
    if pretended:
        head = ("workers that pretend", "trials/s", "of what they could", "leading thread, a trial", "trials of a part")
        parts += [PRETENDED, table(head, (pretended_row(figure) for figure in pretended))]
    if any(figure["section"].startswith(SIMULATED) for figure in result["figures"]):
        parts += [PICTURE, SIMULATION, table(("workers", *_ways(result)), simulated_rows(result))]
        parts += [VALIDATION, table(("workers", "simulated", "measured", "off"), compared_rows(result))]
        parts += [TROUBLES, table(("what happens", "efficiency", "what limits it"), trouble_rows(result))]
    return "\n\n".join(parts)


BILLION = """What this makes of a large study of the book's trial; the leading process works so long in all, and can be
done no sooner:"""
PRETENDED = """Workers that pretend to train a trial of the book, for as long as a real one takes, so that the leading
process is the real one:"""
PICTURE = "![Trials a second against workers: simulated, and measured](scale.png)"
SIMULATION = "Simulated: trials a second, and in brackets the share of what the workers could do:"
VALIDATION = "The simulation next to what was measured:"
TROUBLES = "Simulated, with parts of 2 s and a cluster in trouble:"


def figures(result: Result, section: str) -> list[Figure]:
    """Return the figures of a section."""
    return [figure for figure in result["figures"] if figure["section"] == section]


def _titles(result: Result) -> list[str]:
    """Return the titles of the workloads whose rates were measured, in one column each, and that of the start."""
    return [*_workloads(result), "first trial after"]


def _workloads(result: Result) -> list[str]:
    return list(dict.fromkeys(f["section"] for f in result["figures"] if "first_seconds" in f))


def engine_rows(result: Result) -> Rows:
    """One row an engine: its rates, in brackets their share of the rate of threads."""
    workloads = _workloads(result)
    for engine in dict.fromkeys(f["name"] for f in figures(result, workloads[0])):
        of = [figure_of(result, engine, workload) for workload in workloads]
        cells = [_rate(one["value"]) + (f" ({one['of_threads']:.2f})" if "of_threads" in one else "") for one in of]
        yield engine, *cells, f"{of[0]['first_seconds']:.1f} s"


def leader_rows(result: Result) -> Rows:
    """One row an engine: processor time of the leading process for a part and a trial, and its memory."""
    of = {figure["name"]: figure for figure in figures(result, LEADER)}
    for engine in [name.removesuffix(": a part") for name in of if name.endswith(": a part") and ":" in name]:
        if f"{engine}: a trial" in of:
            part, trial, memory = (of[f"{engine}: {name}"] for name in ("a part", "a trial", "memory"))
            yield engine, f"{part['value']:,.0f}", f"{trial['value']:.0f}", f"{memory['value']:,.0f} MB"


def byte_rows(result: Result) -> Rows:
    """One row a workload: bytes of a trial."""
    of = {figure["name"]: figure["value"] for figure in figures(result, BYTES)}
    for workload in dict.fromkeys(name.split(":")[0] for name in of):
        cells = ("order", "reply", "study, with curves", "study, without")
        yield workload, *(f"{of[f'{workload}: {cell}']:,.0f}" for cell in cells)


def billion_rows(result: Result) -> Rows:
    """One row a number of trials: the study's size, and the time of the leading process."""
    of = {figure["name"]: figure["value"] for figure in figures(result, BYTES)}
    trial = figure_of(result, "the search itself: a trial of the book", LEADER)["value"]
    for trials in TRIALS:
        stored = [size(of[f"book: study, {how}"] * trials) for how in ("without", "with curves")]
        yield f"{trials:,}", *stored, time_of(1e-6 * trial * trials)


def pretended_row(figure: Figure) -> tuple[str, ...]:
    """Return the row of a number of pretended workers."""
    return (
        figure["name"].split()[0], _rate(figure["value"]), f"{100 * figure['efficiency']:.0f} %",
        f"{figure['leader_us_a_trial']:.0f} µs", f"{figure['part_trials']:.0f}",
    )  # fmt: skip


def _ways(result: Result) -> list[str]:
    return [f"parts: {WAYS[way][0]}" for way in _present(result)]


def _present(result: Result, workload: str = "book") -> list[str]:
    sections = {figure["section"] for figure in result["figures"]}
    return [way for way in WAYS if f"{SIMULATED}, {workload}, {way}" in sections]


def simulated_rows(result: Result, workload: str = "book") -> Rows:
    """One row a number of workers; the last says how far each way reaches."""
    of = {way: figures(result, f"{SIMULATED}, {workload}, {way}") for way in _present(result, workload)}
    for row in zip(*of.values(), strict=True):
        if row[0]["name"] == STOPS:
            yield STOPS, *(f"{figure['value']:,.0f}" for figure in row)
        else:
            yield row[0]["name"].split()[0], *(f"{_rate(f['value'])} ({percent(f['efficiency'])})" for f in row)


def compared_rows(result: Result) -> Rows:
    """One row a measurement that was simulated."""
    for workload in ("book", "table"):
        for figure in figures(result, f"{SIMULATED}, {workload}, next to measured ones"):
            simulated, measured = _rate(figure["value"]), _rate(figure["measured"])
            yield f"{workload}: {figure['name']}", simulated, measured, f"{100 * figure['off']:+.0f} %"


def trouble_rows(result: Result) -> Rows:
    """One row a kind of trouble."""
    for figure in figures(result, TROUBLE):
        yield figure["name"], percent(figure["value"]), figure["limit"]


def _rate(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def percent(share: float) -> str:
    """Write an efficiency; above one is the noise of few parts.

    >>> percent(0.104), percent(1.02)
    ('10 %', '100 %')
    """
    return f"{100 * min(1.0, share):.0f} %"


def size(n_bytes: float) -> str:
    """Write bytes in a unit.

    >>> size(3.2e8), size(2.04e12)
    ('320 MB', '2.04 TB')
    """
    unit, text = next(((10**e, text) for e, text in ((12, "TB"), (9, "GB")) if n_bytes >= 10**e), (10**6, "MB"))
    return f"{n_bytes / unit:.3g} {text}"


def time_of(seconds: float) -> str:
    """Write a time in a unit.

    >>> time_of(65.0), time_of(65e3)
    ('1.1 min', '18 h')
    """
    for unit, text in ((86400.0, "days"), (3600.0, "h"), (60.0, "min")):
        if seconds >= unit:
            return f"{seconds / unit:.2g} {text}"
    return f"{seconds:.2g} s"


def draw(result: Result, path: Path) -> None:
    """Draw trials a second against workers, a panel for each workload: simulated ones as lines, measured as dots."""
    from matplotlib.figure import Figure as Page

    workloads = [workload for workload in ("book", "table") if _present(result, workload)]
    page = Page(figsize=(1.0 + 4.4 * len(workloads), 3.8), dpi=160, layout="constrained", facecolor="white")
    for place, workload in enumerate(workloads):
        axes = page.add_subplot(1, len(workloads), place + 1)
        for way in _present(result, workload):
            label, colour = WAYS[way]
            of = [f for f in figures(result, f"{SIMULATED}, {workload}, {way}") if f["name"] != STOPS]
            axes.plot([number_of(f) for f in of], [f["value"] for f in of], color=colour, label=f"parts: {label}")
        ideal = of[0]["value"] / number_of(of[0])
        ends = [number_of(of[0]), number_of(of[-1])]
        axes.plot(ends, [ideal * n for n in ends], color="#b7bfc8", linewidth=1, zorder=0, label="no waiting")
        measured = figures(result, f"{SIMULATED}, {workload}, next to measured ones")
        dots = [(number_of(f), f["measured"]) for f in measured]
        axes.plot(*zip(*dots, strict=True), "o", color="#1f2328", markersize=5, label="measured")
        axes.set(xscale="log", yscale="log", xlabel="workers", ylabel="trials/s")
        axes.set_title(workload, loc="left", fontsize=11, weight="bold")
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(fontsize=8, frameon=False)
    made = BytesIO()
    page.savefig(made, format="png", metadata={"Software": None})
    path.write_bytes(made.getvalue())


def number_of(figure: Figure) -> int:
    """Return the number of workers that a figure is named after.

    >>> number_of({"name": "10,000 workers, pretended"})
    10000
    """
    return int(str(figure["name"]).split()[0].replace(",", ""))
