"""Measure a study of a million tiny trials: memory and speed of the search, questions to it, its report, resuming it.

    python profiles/load.py --json profiles/results/load.json

The networks are as small as they get (4-4-2 on 64 samples, one epoch), so that whatever grows with the number of trials
shows. Shorter searches in the same way: with TPE and pruning, with stages and a final choice, as a command, and with
the live view. The first trial must be the reference's. Linux only. `profiles/repeats.py` is about many searches.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
from _bench import Report, machine_text, parser, save, say
from _process import Watch, forget_peak, in_background, peak_megabytes, settled, taken

SAMPLES, FEATURES, HIDDEN, BATCH = 64, 4, 4, 16
TRIALS, QUICK_TRIALS = 1_000_000, 4_000
SPACE = {"learning_rate": "log:1e-4:1e-1", "weight_decay": "log:1e-8:1e-3"}
STEPS = (
    *("a large study", "TPE and pruning", "stages", "the command", "the live view", "questions", "commands"),
    *("documents", "continuing"),
)
MORE_TRIALS = 2048
"""Trials that a complete study is continued by."""


def main(arguments: list[str] | None = None) -> None:
    """Run from the command line."""
    made = parser(__doc__)
    made.add_argument("--trials", type=int, metavar="N", help=f"trials of the large study (default: {TRIALS:,})")
    made.add_argument("--folder", type=Path, metavar="DIR", help="keep the studies in DIR, and use those that it has")
    made.add_argument("--only", choices=STEPS, metavar="STEP", help=f"one of {', '.join(STEPS)}; needs --folder")
    options = made.parse_args(arguments)
    report = Report("load", threads=options.threads, quick=options.quick)
    print(machine_text(report.machine), file=sys.stderr)
    trials = options.trials or (QUICK_TRIALS if options.quick else TRIALS)
    with tempfile.TemporaryDirectory() as folder:
        own = Path(folder) / "temporary"  # so that nobody else's files are counted
        own.mkdir()
        os.environ["TMPDIR"] = tempfile.tempdir = str(own)
        profile(report, trials, options.threads, options.folder or Path(folder), options.json, options.only)
    report.finish(options.json)


def profile(
    report: Report, trials: int, threads: int, folder: Path, path: Path | None = None, only: str | None = None
) -> None:
    """Search, verify, and ask everything that a study can be asked, or do one step of it only."""
    with report.warming_up():
        search(8, threads, folder / "warm", fresh=True)
    verify(report, folder / "warm")
    large, few = folder / "large", max(trials // 10, 1000)
    steps: tuple[Callable[[], None], ...] = (
        lambda: searching(report, f"{trials:,} trials", trials, threads, large),
        lambda: searching(
            report, f"{few:,} trials with TPE and pruning", few, threads, folder / "tpe", sampler="tpe",
            pruning="halving", epochs=4),
        lambda: searching(
            report, f"{few:,} trials in three stages, with a final choice", few, threads, folder / "stages", stages=3,
            final=2, repeats=2),
        lambda: command(report, few, threads, folder),
        lambda: live(report, few, threads, folder),
        lambda: questions(report, trials, large),
        lambda: commands(report, trials, large),
        lambda: documents(report, trials, large),
        lambda: continuing(report, trials, threads, large),
    )  # fmt: skip
    for name, step in zip(STEPS, steps, strict=True):
        if only is not None and name != only:
            continue
        say(f"... {name}")
        step()
        if path is not None:  # what was measured until here
            save(report.as_dict(), path)


def data() -> tuple[np.ndarray, np.ndarray]:
    """Return tiny data that a network can learn something from."""
    x = np.random.default_rng(0).normal(size=(SAMPLES, FEATURES)).astype(np.float32)
    return x, (x[:, 0] + x[:, 1] * x[:, 2] > 0).astype(np.int64)


def search(trials: int, threads: int, folder: Path, on_progress: Any = None, **settings: Any) -> Any:
    """Search in the public way."""
    import fastnet

    given = {"hidden": str(HIDDEN), "batch_size": BATCH, "epochs": 1, "final": 0, "ensemble_top": 0, **settings}
    return fastnet.search(
        SPACE, data(), trials=trials, study=folder, jobs=threads, preset="book", progress=False,
        on_progress=on_progress, **given,
    )  # fmt: skip


def verify(report: Report, folder: Path) -> None:
    """End the profile unless the first trial is the reference's."""
    import fastnet
    from fastnet import reference
    from fastnet.data.pipeline.scaling import fit_scaler
    from fastnet.tuning import StoredTrials

    trial, (x, y) = StoredTrials(folder)[0], data()
    parts = fastnet.split(y)
    expected = reference.training.train(
        fit_scaler(x, parts.train).apply(x), y, parts.train, parts.validation, (FEATURES, HIDDEN, 2), batch_size=BATCH,
        epochs=1, stream=trial.id, **trial.params,
    )  # fmt: skip
    error = float(np.abs(trial.curves[0] - expected.train_loss).max())
    if not error <= 1e-4:
        sys.exit(f"the training loss of trial {trial.id} is {error:.3g} away from fastnet.reference")
    report.verified(f"trial {trial.id} against fastnet.reference")


# Searches -------------------------------------------------------------------------------------------------------------


def searching(report: Report, title: str, trials: int, threads: int, folder: Path, **settings: Any) -> None:
    """Measure a search from its first trial to its end."""
    if (folder / "study.sqlite").is_file():
        say(f"    {folder} is there already")
        return
    before, watch = settled(), Watch()
    forget_peak()
    search(trials, threads, folder, watch, **settings)
    end = watch.since_the_last()
    report.section(title)
    of_search(report, watch, trials, folder)
    report.add("from the last trial to the end", end["wall"], "s", better="lower", processor=end["cpu"])
    report.add("most memory, the end included", peak_megabytes(), "MB", better="lower", before=before.megabytes)
    report.add("memory afterwards", settled().megabytes, "MB", better="lower", before=before.megabytes)


def of_search(report: Report, watch: Watch, trials: int, folder: Path, settled_at: float = 0.1) -> None:
    """Add what a watch has seen; memory may grow for other reasons before this share of the trials is done."""
    seconds = watch.seconds[-1] - watch.seconds[0]
    report.add("rate", (watch.done[-1] - watch.done[0]) / seconds, "trials/s", seconds=seconds)
    for name, low, high in (("second", 0.1, 0.2), ("last", 0.9, 1.0)):
        each = watch.a_trial(low, high)
        report.add(
            f"a trial in the {name} tenth", each["cpu"], "us of processor time", better="lower", wall=each["wall"]
        )
    first, last = watch.of("megabytes", 0.1, 0.2), watch.of("megabytes", 0.9, 1.0)
    report.add("memory in the second tenth", first, "MB", better="lower")
    report.add("memory in the last tenth", last, "MB", better="lower", most=watch.most("megabytes"))
    report.add("growth of memory, a trial", watch.growth(settled_at), "B", better="lower", after=settled_at)
    for name in ("descriptors", "threads", "temporary"):
        figure = {"temporary": "temporary files"}.get(name, name)
        report.add(f"{figure} in the last tenth", watch.of(name, 0.9, 1.0), "", better="lower",
                   second_tenth=watch.of(name, 0.1, 0.2), most=watch.most(name))  # fmt: skip
    report.add("bytes on disk, a trial", size_of(folder) / trials, "B", better="lower")


def command(report: Report, trials: int, threads: int, folder: Path) -> None:
    """Measure `fastnet search` as a process of its own."""
    x, y = data()
    np.savez(folder / "data.npz", x=x, y=y)
    study = folder / "command"
    shutil.rmtree(study, ignore_errors=True)
    given = ["--data", str(folder / "data.npz"), "--trials", str(trials), "--study", str(study)]
    given += ["--hidden", str(HIDDEN), "--batch-size", str(BATCH), "--epochs", "1", "--final", "none", "-q"]
    given += ["--preset", "book", "--jobs", str(threads), "--ensemble-top", "0"]
    given += [word for name, text in SPACE.items() for word in ("--space", f"{name}={text}")]
    watch = Watch()
    process = subprocess.Popen([sys.executable, "-m", "fastnet_cli", "search", *given], stdout=subprocess.DEVNULL)
    most = 0.0
    while process.poll() is None:
        try:
            sample, most = taken(process.pid), peak_megabytes(process.pid)
            done = stored(study)
        except (OSError, StopIteration):  # it has just ended
            continue
        if done and (not watch.done or done > watch.done[-1]):
            watch.note(done, sample)
        time.sleep(0.05)
    if process.returncode:
        sys.exit(f"fastnet search ended with {process.returncode}")
    ended = time.perf_counter()
    report.section(f"fastnet search with {trials:,} trials")
    of_search(report, watch, trials, study, settled_at=0.5)  # what the report needs is imported while trials run
    report.add("from the last trial to the end", ended - watch.seconds[-1], "s", better="lower")
    report.add("most memory, the report included", most, "MB", better="lower")
    report.add("its report", (study / "report.html").stat().st_size / 1e6, "MB", better="lower")


def stored(study: Path) -> int:
    """Return the number of trials that a study has so far."""
    from fastnet.errors import StudyError
    from fastnet.tuning import StoredTrials

    try:
        return len(StoredTrials(study))
    except StudyError:
        return 0


def live(report: Report, trials: int, threads: int, folder: Path) -> None:
    """Measure the live view while a browser asks it every second, next to the same search without it."""
    from fastnet.report.page.live import LiveView

    plain, watch, asked = Watch(), Watch(), [0, 0]
    search(trials, threads, folder / "plain", plain, fresh=True)
    with LiveView(folder / "live") as view:
        over = threading.Event()
        asking = in_background(ask, view.url, over, asked)

        def both(progress: Any) -> None:
            view(progress)
            watch(progress)

        search(trials, threads, folder / "live", both, fresh=True)
        over.set()
        asking.join()
        document = view.document(0, 0)
    report.section(f"the live view during {trials:,} trials")
    each, without = watch.a_trial(0.1, 1.0), plain.a_trial(0.1, 1.0)
    report.add("a trial", each["cpu"], "us of processor time", better="lower", without=without["cpu"])
    report.add("growth of memory, a trial", watch.growth(), "B", better="lower", without=plain.growth())
    report.add("an answer to the page, on average", asked[1] / max(asked[0], 1) / 1e3, "kB", better="lower",
               answers=asked[0])  # fmt: skip
    report.add("points in it at the end", len(document["points"]), "", better="lower")


def ask(url: str, over: threading.Event, asked: list[int]) -> None:
    """Ask for what is new every second, as the page does."""
    import json

    known, generation = 0, 0
    while True:
        with urllib.request.urlopen(f"{url}data?generation={generation}&known={known}") as answer:
            text = answer.read()
        found = json.loads(text)
        known, generation = found["from"] + len(found["points"]), found["generation"]
        asked[0] += 1
        asked[1] += len(text)
        if over.wait(1.0):
            return


# Questions ------------------------------------------------------------------------------------------------------------


def questions(report: Report, trials: int, folder: Path) -> None:
    """Time each question to a study of which a notebook or a service asks many."""
    from fastnet.tuning import StoredTrials, Study

    found = StoredTrials(folder)
    report.section(f"questions to {trials:,} trials")

    def opened(question: Callable[[Any], Any]) -> Callable[[], Any]:
        def answer() -> Any:
            with Study.read(folder) as study:
                return question(study)

        return answer

    middle, end = trials // 2, trials - 1
    asked: Iterable[tuple[str, Callable[[], Any]]] = (
        ("how many trials", lambda: len(found)),
        ("how many diverged", lambda: found.count_status("diverged")),
        ("the best 20 with their curves", lambda: found.best(20)),
        ("the trial in the middle, by its place", lambda: found[middle]),
        ("the last 20 trials", lambda: found[-20:]),
        ("a trial by its number", opened(lambda study: study.trial(end))),
        ("the best value", opened(lambda study: study.best_value())),
        ("settings, stages and runs", opened(lambda study: (study.settings, study.stages(), study.runs()))),
        ("the kinds of the hyperparameters", opened(lambda study: study.param_types())),
        ("the first 100 by value", opened(lambda study: list(study.iter_trials(order="value", limit=100)))),
        ("the first 100 by learning rate",
         opened(lambda study: list(study.iter_trials(order="learning_rate", limit=100)))),
        ("the study in a notebook", opened(lambda study: study._repr_html_())),
        ("the curves of the best as a figure", opened(lambda study: study.plot_curves())),
    )  # fmt: skip
    for name, question in asked:
        timed(report, name, question, "ms", 1e3)


def commands(report: Report, trials: int, folder: Path) -> None:
    """Time the commands that ask a study, start of the program included."""
    report.section(f"commands on {trials:,} trials")
    asked = {
        "studies ls": [str(folder)],
        "studies show": [str(folder)],
        "studies best": [str(folder), "-n", "20"],
        "studies trials": [str(folder), "--sort", "learning-rate", "--limit", "20"],
        "studies export": [str(folder), "--format", "csv"],
    }
    for name, given in asked.items():
        started = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-m", "fastnet_cli", *name.split(), *given], stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        most = 0.0
        while os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            with contextlib.suppress(OSError, StopIteration):
                most = peak_megabytes(process.pid)
            time.sleep(0.01)
        spent = time.perf_counter() - started
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            sys.exit(f"fastnet {name} ended with {process.returncode}")
        cpu = usage.ru_utime + usage.ru_stime
        more = {"us_a_trial": 1e6 * cpu / trials} if name == "studies export" else {}
        report.add(f"fastnet {name}", 1e3 * spent, "ms", better="lower", processor=1e3 * cpu, most_mb=most, **more)


def documents(report: Report, trials: int, folder: Path) -> None:
    """Time what looks at every trial: figures, the report, a table."""
    import fastnet
    from fastnet.report.page.write import preload
    from fastnet.tuning import StoredTrials, Study

    preload(trials).join()
    page = folder.parent / "report.html"

    def figure(name: str) -> Callable[[], Any]:
        def draw() -> Any:
            with Study.read(folder) as study:
                return getattr(study, name)()

        return draw

    report.section(f"documents of {trials:,} trials")
    for name in ("plot_slices", "plot_coordinates", "plot_history", "plot_importance"):
        timed(report, name, figure(name), "s", 1.0)
    timed(report, "the report", lambda: fastnet.write_report(folder, page), "s", 1.0)
    report.add("its size", page.stat().st_size / 1e6, "MB", better="lower")
    timed(report, "all trials as a table of Arrow", lambda: StoredTrials(folder).to_arrow(), "s", 1.0)
    timed(report, "reading the trials one by one", lambda: sum(1 for _ in StoredTrials(folder).iterate()), "s", 1.0)


def timed(report: Report, name: str, call: Callable[[], Any], unit: str, scale: float) -> None:
    """Add the time of a call, of the processor too, and the memory that it takes at most."""
    before = settled().megabytes
    forget_peak()
    started, cpu = time.perf_counter(), time.process_time()
    call()
    spent, cpu = time.perf_counter() - started, time.process_time() - cpu
    report.add(name, scale * spent, unit, better="lower", processor=scale * cpu,
               extra_mb=max(0.0, peak_megabytes() - before))  # fmt: skip


def continuing(report: Report, trials: int, threads: int, folder: Path) -> None:
    """Measure the study carried on by some more trials."""
    watch, before = Watch(), settled()
    forget_peak()
    started, cpu = time.perf_counter(), time.process_time()
    first: list[float] = []

    def note(progress: Any) -> None:
        if progress.ended and not first:
            first.extend((time.perf_counter() - started, time.process_time() - cpu))
        watch(progress)

    search(trials + MORE_TRIALS, threads, folder, note)
    end = watch.since_the_last()
    report.section(f"continuing {trials:,} trials with {MORE_TRIALS:,} more")
    report.add("to the first new trial", first[0], "s", better="lower", processor=first[1])
    report.add("from the last trial to the end", end["wall"], "s", better="lower", processor=end["cpu"])
    report.add("memory while they train", watch.most("megabytes"), "MB", better="lower", before=before.megabytes)
    report.add("most memory", peak_megabytes(), "MB", better="lower")


def size_of(folder: Path) -> int:
    """Return the size of the study's own files in a folder."""
    return sum(path.stat().st_size for path in folder.glob("study.sqlite*"))


if __name__ == "__main__":
    main()
