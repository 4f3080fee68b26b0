"""Write the figures of README.md and of docs/ from profiles/results; --check only compares them.

    python profiles/readme.py

Each section lies between two markers. A profile without results is left out. No figure in it is typed by hand.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Mapping
from itertools import groupby
from pathlib import Path
from typing import Any

from _accuracy.page import draw as draw_accuracy
from _accuracy.page import split_rows, summary_rows, table_rows
from _accuracy.sets import HALVES
from _accuracy.summary import COMPARED, SUMMARY, times_of
from _bench import RESULTS, ROOT, figure_of, load
from _cluster.page import draw as draw_scale
from _cluster.page import sections as scale_sections
from _networks import FOLDED, SMALL, SMALL_EPOCHS
from _peers.small import FOLD_SEARCH, SMALL_TITLE

README = ROOT / "README.md"
PERFORMANCE = ROOT / "docs" / "performance.md"
ACCURACY = ROOT / "docs" / "accuracy.md"
SCALE = ROOT / "docs" / "scale.md"
HEADLINE = "<!-- headline: written by profiles/readme.py -->", "<!-- end of headline -->"
SECTION = "<!-- performance: written by profiles/readme.py -->", "<!-- end of performance -->"
ACCURACY_SECTION = "<!-- accuracy: written by profiles/readme.py -->", "<!-- end of accuracy -->"
IDEAS_SECTION = "<!-- ideas: written by profiles/readme.py -->", "<!-- end of ideas -->"
HEADS_SECTION = "<!-- heads: written by profiles/readme.py -->", "<!-- end of heads -->"
SCALE_SECTION = "<!-- scale: written by profiles/readme.py -->", "<!-- end of scale -->"
SMALL_SECTION = "<!-- small networks: written by profiles/readme.py -->", "<!-- end of small networks -->"

PROFILES = (
    *("roofline", "trial", "search_scaling", "single_network", "start_up", "tables", "peers", "peers_small"),
    *("accuracy", "ideas", "heads", "cluster"),
)

Result = Mapping[str, Any]
Row = tuple[str, str]


def build(results: Mapping[str, Result]) -> str:
    """Put the section together from the results of the profiles, by name."""
    if not results:
        return NOTHING
    machines = [result["machine"] for name, result in results.items() if name not in ("tables", "cluster")]
    parts = [machine_sentence(machines)] if machines else []
    rows = [row for name, rows_of in ROWS.items() if name in results for row in rows_of(results[name])]
    if rows:
        parts.append(table(("what", "figure"), rows))
    if "tables" in results:
        parts.extend((TABLES, machine_sentence([results["tables"]["machine"]]), tables_table(results["tables"])))
    beside = [part for result in peers_of(results) for part in peers_tables(result)]
    return "\n\n".join([*parts, *([RATIOS, *beside] if beside else []), RERUN])


def headline(results: Mapping[str, Result]) -> str:
    """Put figures together for the README: this project and the fastest two others, and tables next to trees."""
    parts = [headline_peers(result) for result in peers_of(results)]
    if "tables" in results:
        parts.append(headline_tables(results["tables"]))
    return "\n\n".join(parts) or NOTHING


def peers_of(results: Mapping[str, Result]) -> list[Result]:
    """Return the comparisons with others: those of small networks may be of another machine."""
    return [results[name] for name in ("peers", "peers_small") if name in results]


def headline_peers(peers: Result) -> str:
    """Return the table of the fastest others."""
    rows = []
    for section, words in HEADLINES.items():
        figures = sorted((f for f in peers["figures"] if f["section"] == section), key=lambda figure: figure["ratio"])
        own = [f"{digits(f['value'])} {f['unit']}" for f in figures if f["name"] == "fastnet"]
        others = [f"{f['name']} {digits(f['ratio'])}×" for f in figures if f["name"] != "fastnet"]
        if own:
            rows.append((words, own[0], ", ".join(others[:2])))
    return f"{machine_sentence([peers['machine']])}\n\n{table(('work', 'fastnet', 'times as fast as'), rows)}"


def headline_tables(result: Result) -> str:
    """Return the sentence on the errors of searches on tables."""
    mean = figure_of(result, "geometric mean of ratios", "all tables")["value"]
    ratios = {f["section"]: f["value"] for f in result["figures"] if f["name"] == "ratio"}
    better = sum(ratio < 1 for ratio in ratios.values())
    return (
        f"On {len(ratios)} real tables, the model of a search of 60 s (`fastnet search --data FILE --target COLUMN "
        f"--timeout 60s`)\nhas {digits(mean)} times the error of scikit-learn's HistGradientBoosting with its defaults "
        f"on the same test rows: the\ngeometric mean, with the lower error on {better} of the {len(ratios)} tables."
    )


HEADLINES = {
    "Networks of a search, one core": "networks of the book's search (784-100×6-10, 50 epochs), one core",
    "Random search, all cores": "a random search of 200 such networks, all cores",
    "784-512-512-10, batch 128, Adam, all cores": "one network, 784-512-512-10, batch 128, Adam, all cores",
    SMALL_TITLE + SMALL[0].title: f"networks for a table ({SMALL[0].title}, {SMALL_EPOCHS} epochs), one core",
    FOLD_SEARCH: f"a random search with 5 folds ({FOLDED.title}, {SMALL_EPOCHS} epochs), all cores",
}
"""Sections of `peers` that the README shows, and what it calls them."""

NOTHING = "Nothing measured yet: run the scripts in `profiles/`."

RATIOS = """The same work by others, each in the best settings that were found for it (where it says "as shipped", its
libraries choose their instructions by themselves); in brackets, how many times as fast fastnet is:"""

TABLES = """Searches of 60 s on real tables, by `fastnet search --data FILE --target COLUMN --timeout 60s`. The error on
the test rows is the log-loss of classes and the root of the mean squared error of numbers, next to that of
scikit-learn's HistGradientBoosting with its defaults on the same rows. There is one split and one seed for each table,
so a single ratio is uncertain by several per cent; below 1 it is in favour of the search."""

RERUN = """Each figure is the median of repeated runs. Before a script times anything, it compares it with the reference
in plain NumPy. To measure your own machine and write the figures anew:

```bash
for name in roofline trial search_scaling single_network start_up; do
    python profiles/$name.py --json profiles/results/$name.json
done
python profiles/tables.py FOLDER --json profiles/results/tables.json
python -m pip install '.[bench]' && python profiles/peers.py --json profiles/results/peers.json
python profiles/peers.py --only small,folds --json profiles/results/peers_small.json
python profiles/readme.py
```"""


def machine_sentence(machines: list[Mapping[str, Any]]) -> str:
    """Name the machine, or the machines, that the figures are of."""
    described = dict.fromkeys(
        f"{about['cores']} core{'s' * (about['cores'] > 1)} of {about['processor']} ({about['architecture']}, "
        f"{about['lanes']} floats a vector)\nunder {about['system']}, with Python {about['python']}, NumPy "
        f"{about['numpy']} and Numba {about['numba']}"
        for about in machines
    )
    return f"Measured on {'; and on '.join(described)}."


# What each profile tells ----------------------------------------------------------------------------------------------


def trial_rows(result: Result) -> Iterable[Row]:
    """The book's trial on one core."""
    images = figure_of(result, "whole trial", "MNIST: one trial")
    yield "one trial of the book's search (784-100×6-10, 50 epochs) on one core", duration(images)
    dense = figure_of(result, "whole trial", "dense random data, no zeros skipped: one trial")
    share = f"{duration(dense)}, {percent(dense['of_peak'])} of the core's multiply-add peak"
    yield "the same on dense random data with no zero skipped", f"{share} ({digits(dense['peak_gflops'])} GFLOP/s)"


def roofline_rows(result: Result) -> Iterable[Row]:
    """The dense products as shares of the peak."""
    for layer in ("100 x 100, batch 100", "512 x 512, batch 128", "1024 x 1024, batch 256"):
        shares = []
        for name in ("forward", "input gradient", "weight gradient + sgd"):
            shares.append(percent(figure_of(result, name, layer)["value"]))
        layer = layer.replace(" x ", "×")
        yield f"{layer}: forward, input gradient and update, of the multiply-add peak", ", ".join(shares)


def scaling_rows(result: Result) -> Iterable[Row]:
    """Trials per second of a search."""
    sections = dict.fromkeys(figure["section"] for figure in result["figures"])
    for section in sections:
        one, *_, most = [figure for figure in result["figures"] if figure["section"] == section] * 2
        rates = f"{digits(one['value'])} trials/s on one core"
        if most["name"] != one["name"]:
            rates += f", {digits(most['value'])} on {most['name'].split()[0]} ({digits(most['times_one'])}×)"
        yield f"search, {section}", rates
    outside = max(figure["outside_compiled"] for figure in result["figures"])
    yield "of a search's time, outside compiled code (at most, short searches)", percent(outside)


def network_rows(result: Result) -> Iterable[Row]:
    """Samples per second of one network."""
    for section in ("784-100-100-10, batch 32", "784-512-512-10, batch 128", "784-1024-1024-10, batch 256"):
        chosen = [f for f in result["figures"] if f["section"] == section and f.get("chosen")]
        for figure in chosen:
            rate = f"{digits(figure['value'])} samples/s, {digits(figure['gflops'])} GFLOP/s"
            yield f"training one network, {section}", f"{rate}, {figure['name']}"


def start_rows(result: Result) -> Iterable[Row]:
    """Seconds before anything happens."""
    first = [f for f in result["figures"] if f["section"].startswith("first search")]
    for figure in first:
        name, _ = figure["name"].split(", ")
        yield f"the very first search on a machine, {name}: compiling", f"{digits(figure['compiling_s'])} s"
    yield "any later search, from the command to its first trial", duration(figure_of(result, "to the first trial"))
    yield "`fastnet --help`", duration(figure_of(result, "fastnet --help"))


ROWS = {
    "trial": trial_rows,
    "roofline": roofline_rows,
    "search_scaling": scaling_rows,
    "single_network": network_rows,
    "start_up": start_rows,
}


def tables_table(result: Result) -> str:
    """Return a row for each table, and the geometric mean of the ratios."""
    sections = dict.fromkeys(figure["section"] for figure in result["figures"])
    rows = []
    for section in sections:
        of = {figure["name"]: figure for figure in result["figures"] if figure["section"] == section}
        if "ratio" in of:
            kept = of.get("ensemble") or of["model"]
            values = (kept["value"], of["trees"]["value"], of["ratio"]["value"])
            trials = f"{of['trials']['value']:,.0f}"
            rows.append((section, {"rmse": "RMSE"}.get(kept["unit"], kept["unit"]), *map(digits, values), trials))
    mean = figure_of(result, "geometric mean of ratios", "all tables")["value"]
    rows.append(("geometric mean", "", "", "", digits(mean), ""))
    return table(("table", "error", "search", "boosted trees", "ratio", "trials"), rows)


def peers_tables(result: Result) -> Iterable[str]:
    """One table for the comparisons of one unit that follow each other; `ratio` is how many times as fast this is."""
    sections = dict.fromkeys(f["section"] for f in result["figures"] if not f["section"].startswith(SMALL_TITLE))
    for unit, titles in groupby(sections, lambda title: first_of(result, title)["unit"]):
        columns = list(titles)
        order = [figure for figure in result["figures"] if figure["section"] == columns[0]]
        order.sort(key=lambda figure: figure["value"], reverse=order[0]["better"] == "higher")
        names = list(dict.fromkeys(f["name"] for f in (*order, *result["figures"]) if f["section"] in columns))
        cells = {(f["name"], f["section"]): rate(f) for f in result["figures"]}
        rows = [(name, *(cells.get((name, title), "") for title in columns)) for name in names]
        yield table((unit, *columns), rows)


def first_of(result: Result, section: str) -> Mapping[str, Any]:
    """Return the first figure of a section."""
    return next(figure for figure in result["figures"] if figure["section"] == section)


def rate(figure: Mapping[str, Any]) -> str:
    """Write a figure, and for a peer how many times as fast this project is.

    >>> rate({"value": 8.6612, "ratio": 1.81}), rate({"value": 15.65, "ratio": 1.0})
    ('8.66 (1.81×)', '15.7')
    """
    ratio = figure.get("ratio", 1)
    return digits(figure["value"]) + (f" ({digits(ratio)}×)" if ratio != 1 else "")


# Small networks -------------------------------------------------------------------------------------------------------


def small_networks(results: Mapping[str, Result]) -> str:
    """Put the tables of small networks together: their trials, where their time goes, and the same by others."""
    parts = []
    if "trial" in results:
        rows = [row for shape in SMALL for row in small_trial_rows(results["trial"], shape.title)]
        parts += [SMALL_TRIALS, table(SMALL_COLUMNS, rows)] if rows else []
        rows = [row for shape in SMALL for row in small_phase_rows(results["trial"], shape.title)]
        parts += [SMALL_PHASES, table(("of a trial with Adam", *GROUPS), rows)] if rows else []
    beside = peers_of(results)[-1:]
    parts += [part for result in beside for part in small_peers(result)]
    machines = [result["machine"] for result in (*([results["trial"]] if "trial" in results else []), *beside)]
    return "\n\n".join([machine_sentence(machines), *parts]) if parts else NOTHING


SMALL_TRIALS = f"""One core, {SMALL_EPOCHS} epochs, a fifth of the samples for validation. The share of the peak counts
multiplications with zeros and not padding; a step is one of Adam without scores; encoded columns hold numbers in 16
bins."""

SMALL_COLUMNS = (
    "network", "a trial, exact scores", "of the peak", "a step", "a step to SGD's",
    "exact to running scores", "encoded to plain columns",
)  # fmt: skip

SMALL_PHASES = "Where the time goes, with exact scores:"

SMALL_PEERS = """Trials per second on one core with scores after every epoch, except for scikit-learn's `fit`, which
has none; in brackets, how many times as fast fastnet is:"""

GROUPS = {
    "forward": "forward",
    "input gradient": "input gradient",
    "update": "update",
    "scores": "evaluation",
    "loss": "loss",
    "lists, transposes": ("lists of active outputs", "transposes"),
    "random numbers": "random numbers",
    "in no phase": "not in any phase",
}
"""Columns of the table of phases, and how the phases that they sum begin."""


def small_trial_rows(result: Result, title: str) -> Iterable[tuple[str, ...]]:
    """One shape: its trial with Adam, next to SGD, running scores and encoded columns."""
    found = {f["name"]: f for f in result["figures"] if f["section"] == f"{title}: one trial"}
    if not found:
        return
    exact, running, encoded = found["Adam"], found["Adam, running scores"], found["Adam, encoded"]
    ratios = running["step_of_sgd"], running["exact_of_running"], encoded["of_plain"]
    step = f"{digits(running['us_a_step'])} µs"
    yield title, duration(exact), percent(exact["of_peak"]), step, *(f"{digits(ratio)}×" for ratio in ratios)


def small_phase_rows(result: Result, title: str) -> Iterable[tuple[str, ...]]:
    """One shape: the shares of its phases with Adam and plain columns."""
    found = [f for f in result["figures"] if f["section"] == f"{title}, Adam: by phase"]
    if found:
        yield title, *(percent(sum(f["of_trial"] for f in found if f["name"].startswith(b))) for b in GROUPS.values())


def small_peers(result: Result) -> Iterable[str]:
    """A table of all shapes, and a column for each peer."""
    rows: dict[str, dict[str, str]] = {}
    for figure in result["figures"]:
        if figure["section"].startswith(SMALL_TITLE):
            rows.setdefault(figure["section"].removeprefix(SMALL_TITLE), {})[figure["name"]] = rate(figure)
    names = list(dict.fromkeys(name for cells in rows.values() for name in cells))
    if not rows:
        return []
    return [SMALL_PEERS, table(("", *names), [(t, *(cells.get(n, "") for n in names)) for t, cells in rows.items()])]


# Accuracy -------------------------------------------------------------------------------------------------------------


def accuracy(results: Mapping[str, Result]) -> str:
    """Put the tables of what searches find together, for each time."""
    if "accuracy" not in results:
        return NOTHING
    result = results["accuracy"]
    parts = [machine_sentence([result["machine"]])]
    for seconds in times_of(result["figures"]):
        rows, splits = summary_rows(result, seconds), split_rows(result, seconds)
        parts += [f"### {seconds} seconds", table(ACCURACY_COLUMNS, rows)]
        if splits:
            parts.append(table(SPLIT_COLUMNS, splits))
        labels = [row[0] for row in rows]
        head = ("table", "error", *labels, "fastnet: accuracy or R²", "fastnet: trials")
        parts.append(table(head, table_rows(result, seconds, labels)))
    return "\n\n".join(parts)


ACCURACY_COLUMNS = ("contestant", *HALVES, "mean rank", "wins")
SPLIT_COLUMNS = ("split", *(f"to {other}: {half}" for other in COMPARED for half in HALVES), "mean rank")


def ideas(results: Mapping[str, Result]) -> str:
    """Put the table of what was tried in PyTorch together, the best idea first."""
    if "ideas" not in results:
        return NOTHING
    found = [figure for figure in results["ideas"]["figures"] if figure["section"] == SUMMARY]
    rows = [
        (f["name"], f"{f['value']:.3f} ({f['low']:.3f} to {f['high']:.3f})", f"{f['single']:.3f}", f"{f['tables']}")
        for f in sorted(found, key=lambda figure: figure["value"])
    ]
    return table(("idea", "error of four averaged", "of one", "tables"), rows)


def heads(results: Mapping[str, Result]) -> str:
    """Put the errors of single networks with and without several heads together, relative to those with one."""
    if "heads" not in results:
        return NOTHING
    found = [figure for figure in results["heads"]["figures"] if figure["section"] == SUMMARY]
    rows = [
        (f["name"], f"{f['value']:.3f}", f"{f['aside']:.3f}", f"{f['averaged']:.3f}", f"{f['time']:.1f}") for f in found
    ]
    header = "network", "error, tables that decide", "tables put aside", "averaged over seeds, all", "time"
    return table(header, rows)


# Words ----------------------------------------------------------------------------------------------------------------


def scale(results: Mapping[str, Result]) -> str:
    """Put the section of docs/scale.md together."""
    if "cluster" not in results:
        return NOTHING
    return scale_sections(results["cluster"], table, machine_sentence([results["cluster"]["machine"]]))


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """Write a Markdown table."""
    lines = [f"| {' | '.join(cells)} |" for cells in (head, *rows)]
    return "\n".join([lines[0], "|---" * len(head) + "|", *lines[1:]])


def digits(value: float) -> str:
    """Write a number with three digits.

    >>> digits(0.12345), digits(98.76), digits(213914.0)
    ('0.123', '98.8', '214,000')
    """
    rounded = float(f"{value:.3g}")
    return f"{rounded:,.0f}" if abs(rounded) >= 100 else f"{rounded:.3g}"


def percent(value: float) -> str:
    """Write a share as a percentage.

    >>> percent(0.754), percent(0.0041)
    ('75 %', '0.4 %')
    """
    return f"{100 * value:.0f} %" if value >= 0.1 else f"{100 * value:.1f} %"


def duration(figure: Mapping[str, Any]) -> str:
    """Write a time in milliseconds, or in seconds from one on.

    >>> duration({"value": 1234.0, "unit": "ms"})
    '1.23 s'
    """
    if figure["unit"] == "ms" and figure["value"] >= 1000:
        return f"{digits(figure['value'] / 1000)} s"
    return f"{digits(figure['value'])} {figure['unit']}"


# The file -------------------------------------------------------------------------------------------------------------


def rewritten(page: Path, *sections: tuple[tuple[str, str], str]) -> str:
    """Return a page with the sections between their markers replaced."""
    text = page.read_text(encoding="utf-8")
    for (begin, end), section in sections:
        before, found, rest = text.partition(begin)
        _, ended, after = rest.partition(end)
        if not found or not ended:
            sys.exit(f"{page.name}: the markers {begin} and {end} are missing; put them where the figures belong")
        text = f"{before}{begin}\n\n{section}\n\n{end}{after}"
    return text


def main(arguments: list[str] | None = None) -> int:
    """Write or check the figures; the exit code is 1 where a check finds them out of date."""
    options = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    options.add_argument("--check", action="store_true", help="write nothing, fail where a figure is out of date")
    options.add_argument("--results", type=Path, default=RESULTS, metavar="DIR", help="folder of the JSON files")
    options.add_argument("--readme", type=Path, default=README, metavar="FILE", help="gets the three figures")
    options.add_argument("--page", type=Path, default=PERFORMANCE, metavar="FILE", help="gets all of them")
    options.add_argument("--accuracy", type=Path, default=ACCURACY, metavar="FILE", help="gets those of searches")
    options.add_argument("--scale", type=Path, default=SCALE, metavar="FILE", help="gets those of clusters")
    chosen = options.parse_args(arguments)
    paths = {name: chosen.results / f"{name}.json" for name in PROFILES}
    results = {name: load(path) for name, path in paths.items() if path.is_file()}
    quick = [name for name, result in results.items() if result["quick"]]
    if quick:
        sys.exit(f"{', '.join(quick)}: measured with --quick; measure again without it")
    written = {
        chosen.readme: rewritten(chosen.readme, (HEADLINE, headline(results))),
        chosen.page: rewritten(chosen.page, (SECTION, build(results)), (SMALL_SECTION, small_networks(results))),
        chosen.accuracy: rewritten(
            chosen.accuracy,
            (ACCURACY_SECTION, accuracy(results)),
            (IDEAS_SECTION, ideas(results)),
            (HEADS_SECTION, heads(results)),
        ),
        chosen.scale: rewritten(chosen.scale, (SCALE_SECTION, scale(results))),
    }
    if "cluster" in results and not chosen.check:
        draw_scale(results["cluster"], chosen.scale.with_suffix(".png"))
    if "accuracy" in results and not chosen.check:
        draw_accuracy(results["accuracy"], chosen.accuracy.with_suffix(".png"))
    old = [page for page, text in written.items() if text != page.read_text(encoding="utf-8")]
    for page in old:
        if chosen.check:
            print(f"{page.name} does not show profiles/results: run python profiles/readme.py", file=sys.stderr)
        else:
            page.write_text(written[page], encoding="utf-8")
    return int(chosen.check and bool(old))


if __name__ == "__main__":
    sys.exit(main())
