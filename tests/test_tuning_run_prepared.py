from __future__ import annotations

from dataclasses import replace

import pytest
from tasks import CONFIG, packs_of

import fastnet
from fastnet.data.validation import stratified_folds
from fastnet.errors import ConfigError
from fastnet.tuning.rules.pruning import Full
from fastnet.tuning.run.pack import run_pack
from fastnet.tuning.run.prepared import PreparedData, prepared_data
from fastnet.tuning.run.task import data_name


def test_data_that_nobody_holds_are_not_found(tiny_dataset, splits):
    [task] = packs_of(fastnet.take_first(tiny_dataset, 80), stratified_folds(tiny_dataset.y[:80], 2), (4,))
    with pytest.raises(KeyError):
        run_pack(task)


def test_data_are_found_by_their_name_while_they_are_held(tiny_dataset, splits):
    data = PreparedData(tiny_dataset, splits)
    assert data.name == data_name(tiny_dataset, splits) and prepared_data(data.name) is data
    assert len(data.folds) == 2 and data.folds[0].n_train == len(splits[0].train)
    name = data.name
    del data
    with pytest.raises(KeyError):
        prepared_data(name)


def test_each_fold_of_a_trial_has_a_seed_of_its_own_and_the_first_that_of_the_study(tiny_dataset, splits):
    data = PreparedData(tiny_dataset, splits)
    [task] = packs_of(tiny_dataset, splits, (3,))
    members = data.members(task)
    assert [member.stream for member in members] == [0, 0, 1, 1, 2, 2]
    assert [member.data for member in members] == data.folds * 3
    seeds = [member.config.seed for member in members]
    assert seeds[::2] == [CONFIG.train.seed] * 3 and len(set(seeds)) == 2


def test_architectures_are_compiled_once_and_memory_limits_the_threads(tiny_dataset, splits):
    data = PreparedData(tiny_dataset, splits)
    [task] = packs_of(tiny_dataset, splits, (4,))
    data.pack(task)
    compiled = data.compile_seconds
    data.pack(task)
    assert data.compile_seconds - compiled < compiled, "the second pack has nothing to compile"
    members = data.members(task)
    assert data.threads_for(replace(task, threads=1), members) == 1
    with pytest.raises(ConfigError, match=r"^memory=1\.00 KiB: 8 networks that wait for each other need .* pack_size"):
        data.threads_for(replace(task, memory=1024), members)
    with pytest.raises(ConfigError, match=r"8 networks that are kept need .* ensemble_top"):
        data.threads_for(replace(task, memory=1024, keep=True, schedule=Full(4)), members)
