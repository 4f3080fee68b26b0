"""`fastnet doctor`: a description of the machine, and a test of the kernels on it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fastnet.config.settings import format_memory

from .options import data_dir_option, executor_option, format_option, jobs_option
from .results import as_json

if TYPE_CHECKING:
    from fastnet.machine.cache import Cleaned
    from fastnet.machine.selftest import Check
    from fastnet.machine.workers import About


@click.command(name="doctor")
@data_dir_option
@click.option(
    "--clean",
    is_flag=True,
    help="Remove machine code of other versions, processors and sources, and damaged files, from the cache.",
)
@executor_option
@jobs_option
@format_option("Print lines of text, or one line of JSON.", "table", "json")
@click.pass_context
def command(
    ctx: click.Context,
    /,
    data_dir: Path | None,
    clean: bool,
    executor: str | None,
    jobs: int | None,
    output_format: str,
) -> None:
    """Describe the machine and test the kernels on it.

    Prints versions, processor, threads, the cache of machine code and the available data sets, then compares the
    compiled kernels with a reference in plain NumPy: random numbers, forward, gradients, every update rule, every
    activation, and a whole training. This takes about a second once they are compiled. The exit code is 1 if a
    comparison fails.

    With --executor it also starts or finds the workers of that engine and says what each has; the exit code is 1 if a
    search would refuse one.

    \b
    Example:
      fastnet doctor
      fastnet doctor --executor dask:tcp://scheduler:8786
      fastnet doctor --clean
      fastnet doctor --format json
    """
    from fastnet.machine.cache import clean as clean_cache
    from fastnet.machine.cache import look
    from fastnet.machine.doctor import describe
    from fastnet.machine.selftest import self_test
    from fastnet.machine.workers import describe_workers

    cleaned = clean_cache() if clean else None
    if not look().functions:
        click.echo("Compiling the kernels first, which takes a few seconds.", err=True)
    checks = self_test()
    found = describe(data_dir)
    workers = describe_workers(executor, jobs) if executor is not None else []
    if output_format == "json":
        click.echo(as_json(document(found, checks, cleaned, workers)))
    else:
        click.echo("\n".join(lines(found, cleaned, data_dir) + worker_lines(workers) + verdict(checks)))
    if not all(check.passed for check in checks) or any(about.problem for about in workers):
        ctx.exit(1)


def document(
    found: dict[str, Any], checks: list[Check], cleaned: Cleaned | None, workers: list[About]
) -> dict[str, Any]:
    """Return all results for JSON."""
    tests = [
        {"name": check.name, "passed": check.passed, "detail": check.detail, "seconds": round(check.seconds, 6)}
        for check in checks
    ]
    removed = None
    if cleaned is not None:
        removed = {"folders": cleaned.folders, "damaged": cleaned.damaged, "bytes": cleaned.n_bytes}
    found["workers"] = [about.to_dict() for about in workers]
    return {**found, "cleaned": removed, "passed": all(check.passed for check in checks), "tests": tests}


def lines(found: dict[str, Any], cleaned: Cleaned | None, data_dir: Path | None) -> list[str]:
    """Describe the machine, one line for each subject."""
    absent = "not here; downloaded when needed" if data_dir is None else f"not in {click.format_filename(data_dir)}"
    rows, vectors = found["tile"]
    versions = [f"{word} {found[word.lower()]}" for word in ("Python", "NumPy", "Numba", "llvmlite")]
    return [
        line("fastnet", f"{found['fastnet']} | {', '.join(versions)}"),
        line("processor", f"{found['processor']} | {found['system']}, {found['machine']}"),
        line("vectors", f"{found['lanes']} lanes of float32, tile {rows} x {vectors} | {' '.join(found['features'])}"),
        *thread_lines(found),
        *cache_lines(found, cleaned),
        *(
            line("data" if number == 0 else "", f"{name}: {path or absent}")
            for number, (name, path) in enumerate(found["data"].items())
        ),
    ]


def thread_lines(found: dict[str, Any]) -> list[str]:
    """Describe the threads, their limits, and the threading layer."""
    text = f"{found['threads']} on {found['cores']} usable cores | {found['threading_layer']}"
    if found["cpu_quota"] is not None:
        text += f" | CPU quota of {found['cpu_quota']:g} cores"
    if found["memory"] is not None:
        text += f" | at most {format_memory(found['memory'])} of memory"
    reason = found["layer_problem"]
    problem = [] if reason is None else [line("", f"Python's own threads are used: {reason}")]
    return [line("threads", text), *problem]


def worker_lines(workers: list[About]) -> list[str]:
    """Describe the workers of an engine, one line for each."""
    shown = []
    for number, about in enumerate(workers):
        problem = f" | Problem: it has {about.problem}" if about.problem else ""
        threads = f"{about.threads} {'thread' if about.threads == 1 else 'threads'}"
        cores = f"{about.cores} of {about.machine_cores} cores, {threads}"
        text = f"{about.worker} | {cores} | {about.processor} | Python {about.python}{problem}"
        shown.append(line("workers" if number == 0 else "", text))
    return shown


def cache_lines(found: dict[str, Any], cleaned: Cleaned | None) -> list[str]:
    """Describe the cache of machine code, its problems, and its outdated parts."""
    cache = found["cache"]
    if cache is None:
        return [line("cache", f"none: {found['no_cache']}, so every start compiles")]
    held = f"{cache['folder']} | {cache['functions']} functions, {format_memory(cache['bytes'])}"
    if cleaned is not None:
        old = f"removed {cleaned.folders} old folders and {cleaned.damaged} damaged files"
        old += f", {format_memory(cleaned.n_bytes)}"
    else:
        old = f"{cache['old_folders'] or 'no'} old folders next to it"
        if cache["old_folders"]:
            old += f", {format_memory(cache['old_bytes'])}"
        if cache["old_folders"] or cache["damaged"]:
            old += ": fastnet doctor --clean removes old folders and damaged files"
    problem = [] if cache["problem"] is None else [line("", f"Problem: {cache['problem']}")]
    return [line("cache", held), *problem, line("", old)]


def verdict(checks: list[Check]) -> list[str]:
    """Describe the self-test: a line for each comparison, and the result."""
    shown = [
        line("self-test" if number == 0 else "", f"{'OK' if check.passed else 'FAILED':7}{check.name}: {check.detail}")
        for number, check in enumerate(checks)
    ]
    failed = [check.name for check in checks if not check.passed]
    seconds = sum(check.seconds for check in checks)
    if not failed:
        return [*shown, f"OK: the kernels agree with the reference ({seconds:.1f} s)"]
    return [*shown, f"FAILED: {', '.join(failed)}; do not trust the results of this installation"]


def line(name: str, text: str) -> str:
    """Write a line with the name of its subject in a separate column."""
    return f"{name:11}{text}"
