"""The plan of a search as text: for --verbose, and with a measurement for --dry-run."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fastnet.config.checks import count_threads
from fastnet.config.searching import SearchConfig, as_settings
from fastnet.config.settings import format_memory
from fastnet.config.training import TrainConfig
from fastnet.data.doubts import warn_of_doubts
from fastnet.limits import usable_memory
from fastnet.progress.words import duration
from fastnet.report.text import counted
from fastnet.tuning import STUDY_FILE, Study
from fastnet.tuning.rules.pruning import schedule_of, survivors
from fastnet.tuning.run.assemble import check_split
from fastnet.tuning.run.engine import LocalThreads
from fastnet.tuning.run.estimate import Speed, Wave, epochs_to_train, first_wave, measure
from fastnet.tuning.run.sampler import checked_space
from fastnet.tuning.run.stages import stage_ids
from fastnet.tuning.run.task import Tasks, data_name

if TYPE_CHECKING:
    from fastnet.data.dataset import Dataset
    from fastnet.data.splitting import Split

START_SECONDS = 2.0
"""Time of a search in addition to training: 1.1 s until the kernels are loaded, 0.7 s for the picture at the end."""
MARGIN = 0.3
"""Relative error of the estimated time: five searches of 7 to 18 s took 0.75 to 1.09 of it, and their memory was within
6 % of the estimate."""


class Plan:
    """A search before it runs; `split` overrides its own split, and `folder` is that of a study to continue."""

    def __init__(
        self,
        dataset: Dataset,
        config: SearchConfig,
        *,
        split: Split | None,
        jobs: int | None,
        memory: int | None,
        folder: Path | None,
    ) -> None:
        self.dataset = dataset
        self.config = config
        self.threads = count_threads(jobs)
        self.memory = memory
        self.folder = folder
        checked_space(config)
        check_split(config, split)
        self.splits = self._split() if split is None else [split]
        self.stored = self._count_stored()

    def _split(self) -> list[Split]:
        from fastnet.data.validation import folds_of, further_folds, split_of

        config = self.config
        if config.folds is not None:
            return folds_of(self.dataset, config.folds, config.train.seed)
        parts = split_of(self.dataset, config.validation_fraction, config.train.seed)
        if config.ensemble_folds is not None:
            further_folds(self.dataset, parts, config.ensemble_folds, config.train.seed)  # fails where they cannot be
        return [parts]

    def _count_stored(self) -> int:
        """Return the number of trials that the study already has."""
        if self.folder is None or not (self.folder / STUDY_FILE).is_file():
            return 0
        with Study.read(self.folder) as study:
            return int((study.stored_ids() < self.config.trials).sum())


def print_and_measure(plan: Plan, output_format: str) -> None:
    """Print the plan, then the memory and the time that it takes."""
    if output_format != "table":
        raise click.UsageError("--dry-run prints text only: remove --format.")
    warn_of_doubts(plan.dataset, plan.splits[0])
    engine = LocalThreads(plan.dataset, plan.splits, plan.config)
    tasks = Tasks(plan.config, data_name(plan.dataset, plan.splits, plan.config.train), plan.threads, plan.memory)
    engine.load()
    wave = first_wave(engine, tasks)  # before anything is printed: it fails if the memory is too small
    for text in itertools.chain(describe(plan), measured(plan, engine, tasks, wave)):
        click.echo(text)


def describe(plan: Plan) -> Iterator[str]:
    """Describe data, split, network, training, ranges, trials, schedule and study."""
    config, data = plan.config, plan.dataset
    outputs = f"{data.n_classes} classes" if data.task == "classification" else counted(data.n_outputs, "target")
    yield line("data", f"{data.name}, {data.n_samples:,} samples of {data.n_features} features, {outputs}")
    yield line("split", split_text(config, plan.splits))
    yield line("network", network_text(plan))
    yield line("training", training_text(config))
    ranges = [f"{name} {text}" for name, text in config.space.items()] or ["nothing: trials differ only by chance"]
    yield from lines("space", ranges)
    yield line("sampler", f"grid of {config.levels} levels" if config.sampler == "grid" else config.sampler)
    if config.enqueue:
        yield line("first", counted(len(config.enqueue), "given point"))
    yield line("trials", f"{config.trials:,}" + (f", of which {plan.stored:,} are stored" if plan.stored else ""))
    yield from lines("schedule", list(schedule_text(config)))
    if config.stages > 1:
        yield line("stages", f"{config.stages}, of {config.trials // config.stages:,} trials each")
    if config.final:
        yield line("final", f"the {config.final} best again, {counted(config.repeats, 'fresh seed')} each")
    if config.ensemble_top:
        folds = f", each trained on {config.ensemble_folds} folds" if config.ensemble_folds else ""
        yield line("ensemble", f"the {config.ensemble_top} best combined, {config.ensemble}{folds}")
    yield line("study", "a new folder in studies" if plan.folder is None else click.format_filename(plan.folder))
    yield line("threads", str(plan.threads))


def line(title: str, text: str) -> str:
    return f"{title:9} {text}"


def lines(title: str, texts: Sequence[str]) -> Iterator[str]:
    """Write lines under one title."""
    for index, text in enumerate(texts):
        yield line("" if index else title, text)


def network_text(plan: Plan) -> str:
    """Describe the sizes of the layers, except searched ones."""
    from fastnet.network.samples import network_of

    network = network_of(plan.config.train, plan.dataset, plan.splits[0])
    if {"hidden", "width", "depth"} & set(plan.config.space):
        return f"{network.n_inputs}-(searched)-{network.n_outputs}"
    return f"{network.text}, {network.n_parameters:,} parameters"


def training_text(config: SearchConfig) -> str:
    """Describe optimizer, batches, epochs, seed and changed settings, except searched ones."""
    settings, default = as_settings(config.train), as_settings(TrainConfig(optimizer=config.train.optimizer))
    forms = {"optimizer": "{}", "batch_size": "batch size {}", "epochs": "{} epochs", "seed": "seed {}"}
    others = [name for name in settings if name not in ("hidden", *forms) and settings[name] != default[name]]
    forms |= {name: name.replace("_", " ") + " {}" for name in others}
    return ", ".join(form.format(settings[name]) for name, form in forms.items() if name not in config.space)


def split_text(config: SearchConfig, splits: Sequence[Split]) -> str:
    """Describe the numbers of training and validation samples."""
    parts = splits[0]
    text = f"{len(parts.train):,} to train, {len(parts.validation):,} to validate"
    return text if config.folds is None else f"{config.folds} folds, each {text}"


def schedule_text(config: SearchConfig) -> Iterator[str]:
    """Describe when trials end, and the epochs of all of them."""
    full = config.trials * config.train.epochs * (config.folds or 1)
    if config.pruning == "none":
        yield f"every trial trains {config.train.epochs} epochs: {full:,} in total"
        return
    yield f"{config.pruning} in packs of {min(config.pack_size, config.trials)} trials"
    schedule = schedule_of(config)
    if config.pruning == "halving":
        alive = survivors(schedule, min(config.pack_size, config.trials))
        steps = ", ".join(f"{n} to epoch {epochs}" for n, epochs in zip(alive, schedule.rungs, strict=True))
        total = trial_epochs(config)
        yield f"{steps}: {total:,} epochs in total, {total / full:.0%} of those without pruning"
    else:
        yield f"compared every {counted(config.first_epochs, 'epoch')}: at most {full:,} epochs in total"


def trial_epochs(config: SearchConfig) -> int:
    """Return the epochs of all trials; each stage begins new packs."""
    return sum(epochs_to_train(config, len(ids)) for ids in stage_ids(config.trials, config.stages))


def measured(plan: Plan, engine: LocalThreads, tasks: Tasks, wave: Wave) -> Iterator[str]:
    """Describe memory and time, measured by training the first trials for a moment."""
    from fastnet.report import figures, page

    figures.preload()  # the memory of a search includes Matplotlib's
    page.preload(plan.config.trials)
    speed = measure(engine, tasks)
    yield from lines("memory", list(memory_text(wave, speed)))
    yield line("time", time_text(plan, speed, wave.threads))


def memory_text(wave: Wave, speed: Speed) -> Iterator[str]:
    """Describe the memory of packs that train together, by their arrays, and of the process, as measured."""
    text = f"{format_memory(wave.workspaces)} for {counted(wave.threads, 'thread')}"
    if wave.kept:
        text += f" and {format_memory(wave.kept)} for the weights of {counted(wave.trials, 'trial')}"
        text += f" in {counted(wave.packs, 'pack')}" if wave.packs > 1 else ""
    yield text
    if speed.memory is not None:
        needed, limit = speed.memory + wave.kept, usable_memory()
        most = "" if limit is None or needed < limit / 2 else f", of {format_memory(limit)} available"
        yield f"about {format_memory(needed)} for the whole program with data, kernels and pictures{most}"


def time_text(plan: Plan, speed: Speed, threads: int) -> str:
    """Describe the estimated time, and its measurement."""
    config = plan.config
    missing = config.trials - plan.stored
    if not missing:
        return "none: every trial is stored"
    epochs = trial_epochs(config) * missing / config.trials
    again = config.final * config.repeats + config.ensemble_top * (config.ensemble_folds or 1)
    epochs += again * config.train.epochs * (config.folds or 1)
    seconds = START_SECONDS + epochs / speed.epochs_per_second
    how = f"measured for {speed.seconds:.1f} s on {counted(threads, 'thread')}"
    if not speed.finished:
        return f"more than {duration(seconds)}: no epoch ended when {how}"
    most = "at most" if config.pruning == "median" else "about"
    low, high = (duration(seconds * factor) for factor in (1 - MARGIN, 1 + MARGIN))
    return f"{most} {duration(seconds)}, likely {low} to {high}; {rate_text(speed.epochs_per_second)} epochs/s, {how}"


def rate_text(rate: float) -> str:
    """Write a rate with about three digits.

    >>> rate_text(2890.4), rate_text(54.62), rate_text(0.1234)
    ('2,890', '54.6', '0.123')
    """
    return f"{rate:,.0f}" if rate >= 100 else f"{rate:.3g}"
