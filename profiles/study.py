"""Measure what 100,000 trials cost besides their training: memory over time, bytes of the study, dispatch and storage.

    python profiles/study.py --json profiles/results/study.json

The networks are tiny (64-32-10 on 8 x 8 digits, 10 epochs, batches of 100), so that everything outside the compiled
code weighs as much as it ever can. One search, stored on disk; its first trial must be the reference's.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from _bench import Report, machine_text, parser

HIDDEN, EPOCHS, BATCH = (32,), 10, 100
TRIALS, QUICK_TRIALS = 100_000, 2_000
CHECKED_EPOCHS = 3
COPIED = 1000
"""Trials written at a time to the study without curves."""


class Watch:
    """Notes how much memory the process takes as trials are done, and how long storing takes."""

    def __init__(self) -> None:
        self.done: list[int] = []
        self.megabytes: list[float] = []
        self.stored_seconds = 0.0
        self._seen = -1

    def __call__(self, progress: Any) -> None:
        """Take a sample; to be given as `on_progress`."""
        if not progress.compiling and progress.done != self._seen:
            self._seen = progress.done
            self.done.append(progress.done)
            self.megabytes.append(resident_bytes() / 1e6)

    def timing(self, append: Any) -> Any:
        """Wrap `Study.append` so that its time is counted."""

        def timed(*arguments: Any, **named: Any) -> None:
            started = time.perf_counter()
            append(*arguments, **named)
            self.stored_seconds += time.perf_counter() - started

        return timed

    def between(self, low: float, high: float) -> float:
        """Return the median memory, in MB, while this part of the trials was done."""
        done = np.array(self.done) / self.done[-1]
        some = np.array(self.megabytes)[(done >= low) & (done <= high)]
        return float(np.median(some)) if len(some) else self.megabytes[-1]


def main(arguments: list[str] | None = None) -> None:
    """Run from the command line."""
    made = parser(__doc__)
    made.add_argument(
        "--trials", type=int, metavar="N", help=f"trials (default: {TRIALS:,}; {QUICK_TRIALS:,} if quick)"
    )
    options = made.parse_args(arguments)
    report = Report("study", threads=options.threads, quick=options.quick)
    print(machine_text(report.machine), file=sys.stderr)
    trials = options.trials or (QUICK_TRIALS if options.quick else TRIALS)
    with tempfile.TemporaryDirectory() as folder:
        profile(report, trials, options.threads, Path(folder))
    report.finish(options.json)


def profile(report: Report, trials: int, threads: int, folder: Path) -> None:
    """Search, verify, and tell what it took."""
    import fastnet
    from fastnet.tuning import Study

    dataset = fastnet.load("digits")
    with report.warming_up():
        search(dataset, 8, threads, folder / "warm")
    verify(report, dataset, folder / "warm")
    watch = Watch()
    append = Study.append
    Study.append = watch.timing(append)  # type: ignore[method-assign]
    try:
        result = search(dataset, trials, threads, folder / "s", watch)
    finally:
        Study.append = append  # type: ignore[method-assign]
    searching = result.wall_seconds - result.compile_seconds
    report.section(f"{trials:,} trials of {'-'.join(map(str, (64, *HIDDEN, 10)))}, {EPOCHS} epochs")
    report.add("rate", result.trials_per_second, "trials/s", better="higher", seconds=searching)
    report.add("outside compiled code, of the time", result.outside_share, "of 1", better="lower")
    report.add("storing, of the time", watch.stored_seconds / searching, "of 1", better="lower",
               us_a_trial=1e6 * watch.stored_seconds / trials)  # fmt: skip
    first, last = watch.between(0.1, 0.2), watch.between(0.9, 1.0)
    report.add("memory after a tenth of the trials", first, "MB", better="lower")
    report.add("memory at the end", last, "MB", better="lower", peak=max(watch.megabytes))
    report.add("growth from there to the end, a trial", 1e6 * (last - first) / (0.8 * trials), "B", better="lower")
    report.section("the study on disk")
    bare = without_curves(folder / "s", folder / "bare")
    report.add("bytes a trial, without curves", bytes_of(bare) / trials, "B", better="lower")
    report.add("bytes a trial, with curves", bytes_of(folder / "s") / trials, "B", better="lower")
    started = time.perf_counter()
    result.best(20)
    report.add("finding the best 20", 1e3 * (time.perf_counter() - started), "ms", better="lower")
    for form in ("csv", "jsonl", "parquet"):
        report.add(f"export as {form}", 1e6 * export_seconds(bare, form) / trials, "us a trial", better="lower")


def search(dataset: Any, trials: int, threads: int, folder: Path, watch: Watch | None = None) -> Any:
    """Search for a learning rate and a weight decay."""
    import fastnet
    from fastnet.tuning import run_study

    train = fastnet.TrainConfig(hidden=HIDDEN, batch_size=BATCH, epochs=EPOCHS)
    config = fastnet.SearchConfig(trials=trials, train=train, final=0)
    return run_study(dataset, config, folder=folder, jobs=threads, on_progress=watch)


def verify(report: Report, dataset: Any, folder: Path) -> None:
    """End the profile unless the first trial is the reference's."""
    import fastnet
    from fastnet import reference
    from fastnet.data.pipeline.scaling import fit_scaler
    from fastnet.tuning import StoredTrials

    trial = StoredTrials(folder)[0]
    parts = fastnet.split(dataset.y)
    x = fit_scaler(dataset.x, parts.train).apply(dataset.x)
    expected = reference.training.train(
        x, dataset.y.astype(np.int64), parts.train, parts.validation, (dataset.n_features, *HIDDEN, dataset.n_classes),
        batch_size=BATCH, epochs=CHECKED_EPOCHS, stream=trial.id, **trial.params,
    )  # fmt: skip
    error = float(np.abs(trial.curves[0, :CHECKED_EPOCHS] - expected.train_loss).max())
    if not error <= 1e-4:
        sys.exit(f"the training loss of trial {trial.id} is {error:.3g} away from fastnet.reference")
    report.verified(f"{CHECKED_EPOCHS} epochs of trial {trial.id} against fastnet.reference")


def without_curves(folder: Path, target: Path) -> Path:
    """Write the trials of a study to another that keeps no curves, as a search does that is told to keep none."""
    import itertools

    from fastnet.tuning import Study

    times = {"wall_seconds": 0.0, "compile_seconds": 0.0, "compiled_seconds": 0.0}
    with Study.read(folder) as study, Study.open(target, study.settings, about=study.about, curves=False) as copy:
        run = copy.begin_run({})
        trials = study.iter_trials()
        while some := list(itertools.islice(trials, COPIED)):
            copy.append(some, run=run, **times)
    return target


def bytes_of(folder: Path) -> int:
    """Return the size of everything in a folder."""
    return sum(path.stat().st_size for path in folder.iterdir())


def export_seconds(folder: Path, form: str) -> float:
    """Time an export to nowhere."""
    from fastnet.tuning import Study
    from fastnet.tuning.store.export import write_trials

    started = time.perf_counter()
    with Study.read(folder) as study, open(os.devnull, "wb") as nowhere:
        write_trials(study, nowhere, format=form)
    return time.perf_counter() - started


def resident_bytes() -> int:
    """Return the memory that this process takes, or where only that is told, the most it has taken."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        import resource

        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most if sys.platform == "darwin" else 1024 * most


if __name__ == "__main__":
    main()
