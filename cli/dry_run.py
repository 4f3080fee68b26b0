"""What a search is going to do, in lines to read: for --dry-run, which also measures, and for --verbose."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click
import numpy as np

from fastnet.config import SearchConfig, count_threads
from fastnet.data.dataset import split
from fastnet.tuning import STUDY_FILE, Space, Study
from fastnet.tuning.estimate import Footprint, Speed, epochs_to_train, footprint, measure, rungs
from fastnet.tuning.sampler import sample

from .progress import duration
from .units import format_memory

if TYPE_CHECKING:
    from fastnet.data.dataset import Dataset, Split

MARGIN = 0.3
"""Relative error of the estimated time to reckon with; see `docs/performance.md` for what was measured."""

MEASURED_TRIALS = 10_000
"""Trials ready for the measurement: more than it can train."""


class Task:
    """A search before it runs.

    `folder` is that of a study to carry on, None for a new one.
    """

    def __init__(
        self, dataset: Dataset, config: SearchConfig, *, jobs: int | None, memory: int | None, folder: Path | None
    ) -> None:
        self.dataset = dataset
        self.config = config
        self.threads = count_threads(jobs)
        self.memory = memory
        self.folder = folder
        self.parts = split(dataset.y, fraction=config.validation_fraction, seed=config.train.seed)
        self.stored = self._count_stored()

    def _count_stored(self) -> int:
        """How many of the trials the study holds already."""
        if self.folder is None or not (self.folder / STUDY_FILE).is_file():
            return 0
        with Study.read(self.folder) as study:
            return int((study.stored_ids() < self.config.trials).sum())


def tell_and_measure(task: Task, output_format: str) -> None:
    """Print what the search would do, then what it would take."""
    if output_format != "table":
        raise click.UsageError("--dry-run prints lines to read; leave --format out.")
    for text in describe(task):
        click.echo(text)
    for text in measured(task):
        click.echo(text)


def describe(task: Task) -> Iterator[str]:
    """Data, split, network, training, ranges, trials, schedule and study."""
    config, train, data = task.config, task.config.train, task.dataset
    network = train.network(data.n_features, data.n_classes)
    yield line(
        "data", f"{data.name}, {data.n_samples:,} samples of {data.n_features} features, {data.n_classes} classes"
    )
    yield line("split", split_text(config, task.parts))
    yield line("network", f"{'-'.join(map(str, network.sizes))}, {network.n_parameters:,} parameters")
    yield line(
        "training", f"{train.optimizer}, batch size {train.batch_size}, {train.epochs} epochs, seed {train.seed}"
    )
    ranges = [f"{name} {text}" for name, text in config.space.items()] or ["nothing: trials differ by chance alone"]
    yield from lines("space", ranges)
    yield line("sampler", f"grid of {config.levels} levels" if config.sampler == "grid" else config.sampler)
    yield line("trials", f"{config.trials:,}" + (f", of which {task.stored:,} are stored" if task.stored else ""))
    yield from lines("schedule", list(schedule_text(config)))
    if config.stages > 1:
        yield line("stages", f"{config.stages}, of about {round(config.trials / config.stages):,} trials each")
    yield line("study", "a new folder in studies" if task.folder is None else click.format_filename(task.folder))
    yield line("threads", str(task.threads))


def line(title: str, text: str) -> str:
    return f"{title:9} {text}"


def counted(n: int, what: str) -> str:
    """A number of things: 1 thread, 2 threads."""
    return f"{n:,} {what}{'' if n == 1 else 's'}"


def lines(title: str, texts: Sequence[str]) -> Iterator[str]:
    """Several lines under one title."""
    for index, text in enumerate(texts):
        yield line("" if index else title, text)


def split_text(config: SearchConfig, parts: Split) -> str:
    """How many samples are learnt from and how many validate."""
    n_samples = len(parts.train) + len(parts.validation)
    if config.folds:
        return f"{config.folds} folds of about {round(n_samples / config.folds):,} samples"
    return f"{len(parts.train):,} to train, {len(parts.validation):,} to validate"


def schedule_text(config: SearchConfig) -> Iterator[str]:
    """Which trials end when, and how many epochs that makes."""
    full = config.trials * config.train.epochs * (config.folds or 1)
    if config.pruning == "none":
        yield f"every trial trains {config.train.epochs} epochs: {full:,} in all"
        return
    yield f"of {config.pack_size} trials that are compared with one another, pruning {config.pruning}"
    if config.pruning == "halving":
        table = rungs(config, min(config.pack_size, config.trials))
        steps = ", ".join(f"{trials} to epoch {epochs}" for trials, epochs in table)
        total = epochs_to_train(config, config.trials)
        yield f"{steps}: {total:,} epochs in all, {total / full:.0%} of what they would be without pruning"
    else:
        yield f"from epoch {config.first_epochs} on trials below the median end: at most {full:,} epochs in all"


def measured(task: Task) -> Iterator[str]:
    """Memory and time, from training the first trials for a moment."""
    from fastnet.data.preprocess import fit_scaler
    from fastnet.network import assemble, prepare
    from fastnet.packs import warm_up
    from fastnet.report.figures import preload

    config = task.config
    data = prepare(task.dataset, task.parts, fit_scaler(task.dataset.x, task.parts.train))
    needs = footprint(assemble(config.train, data, parallel=False), config.train.epochs)
    waiting = config.pruning != "none"
    threads = task.threads
    wave = min(config.trials, config.pack_size)
    if task.memory is not None:
        at_once, threads = needs.trials_within(task.memory, threads, waiting=waiting)
        wave = min(wave, at_once)
    preload()  # the picture's libraries belong to the memory of a search
    warm_up(config.train, data)
    speed = measure(data, config.train, first_trials(config), threads)
    yield from memory_lines(needs, speed, wave, threads, waiting=waiting)
    yield line("time", time_text(task, speed, threads))


def first_trials(config: SearchConfig) -> dict[str, np.ndarray]:
    """The searched values of the first trials."""
    space = Space.parse(config.space)
    space.check_used(config.train)
    values = sample(space, config.train.seed, np.arange(min(config.trials, MEASURED_TRIALS)))
    return values or {"learning_rate": np.full(min(config.trials, MEASURED_TRIALS), config.train.learning_rate)}


def memory_lines(needs: Footprint, speed: Speed, wave: int, threads: int, *, waiting: bool) -> Iterator[str]:
    """What a pack takes, by what is known of its arrays, and the whole process by what it had in use."""
    text = f"{format_memory(needs.thread)} on each of {counted(threads, 'thread')}"
    if waiting:
        text += f", {format_memory(needs.kept)} for the weights of each of {counted(wave, 'trial')}"
    yield line("memory", f"{format_memory(needs.pack(wave, threads, waiting=waiting))} for a pack: {text}")
    if speed.memory is not None:
        whole = speed.memory + (wave * needs.kept if waiting else 0)
        yield line("", f"about {format_memory(whole)} for the whole program with data, kernels and pictures")


def time_text(task: Task, speed: Speed, threads: int) -> str:
    """How long it takes, and how that is known."""
    config = task.config
    missing = config.trials - task.stored
    if not missing:
        return "none: every trial is stored"
    epochs = epochs_to_train(config, missing)
    seconds = epochs / speed.epochs_per_second
    if not speed.finished:
        return f"more than {duration(seconds)}: no epoch ended in the {speed.seconds:.0f} s that were measured"
    most = "at most " if config.pruning == "median" else "about "
    low, high = (duration(seconds * factor) for factor in (1 - MARGIN, 1 + MARGIN))
    return (
        f"{most}{duration(seconds)}, likely {low} to {high}: {speed.epochs_per_second:.3g} epochs/s "
        f"measured for {speed.seconds:.1f} s on {counted(threads, 'thread')}"
    )
