from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from tasks import packs_of

from fastnet.config.training import TrainConfig
from fastnet.errors import DataError
from fastnet.tuning.rules.pruning import Full
from fastnet.tuning.run import worker
from fastnet.tuning.run.pack import run_pack
from fastnet.tuning.run.prepared import PreparedData
from fastnet.tuning.run.task import joined
from fastnet.tuning.run.wire import Contents, order_of, packed
from fastnet.tuning.run.worker import carry_out, own_threads


@pytest.fixture(autouse=True)
def empty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "_loaded", type(worker._loaded)())


@pytest.fixture
def contents(tiny_dataset, splits) -> Contents:
    return Contents(tiny_dataset.without_test(), splits, TrainConfig())


def order(dataset, contents: Contents, sizes=(8, 4), **how):
    task = joined(packs_of(dataset, contents.splits, sizes))
    return order_of(replace(task, data=contents.name), threads=2, **how)


def test_a_worker_without_the_data_asks_for_them_and_keeps_them(tiny_dataset, contents):
    first = order(tiny_dataset, contents)
    asked = carry_out(first)
    assert asked.needs_data and not asked.outcomes and asked.worker.endswith(f":{os.getpid()}")
    done = carry_out(first, packed(contents))
    again = carry_out(first)
    assert not done.needs_data and done.threads == 2 and done.seconds > 0
    assert [o.curves.tobytes() for o in done.outcomes] == [o.curves.tobytes() for o in again.outcomes]


def test_a_worker_trains_what_the_same_task_trains_here(tiny_dataset, contents):
    held = PreparedData(contents.dataset, contents.splits)
    found = order(tiny_dataset, contents)
    expected = run_pack(found.task(1))
    outcomes = carry_out(found, packed(contents)).outcomes
    assert [p for outcome in outcomes for p in outcome.positions] == list(expected.positions)
    assert b"".join(outcome.curves.tobytes() for outcome in outcomes) == expected.curves.tobytes()
    assert held.name == contents.name


def test_packs_that_do_not_fit_into_memory_together_train_one_after_the_other(tiny_dataset, contents, monkeypatch):
    expected = carry_out(order(tiny_dataset, contents), packed(contents)).outcomes
    monkeypatch.setattr(PreparedData, "fitting", lambda data, packs: 1)
    [one, two] = carry_out(order(tiny_dataset, contents)).outcomes
    assert one.positions == tuple(range(8)) and two.positions == tuple(range(8, 12))
    assert one.curves.tobytes() + two.curves.tobytes() == b"".join(o.curves.tobytes() for o in expected)


def test_an_order_whose_time_is_up_returns_what_has_ended(tiny_dataset, contents):
    found = order(tiny_dataset, contents, (64,), seconds=0.3)
    long = found._replace(schedule=Full(20_000), common=replace(found.common, epochs=20_000))
    [outcome] = carry_out(long, packed(contents)).outcomes
    assert not outcome.complete and len(outcome.positions) < 64


def test_a_worker_of_another_build_trains_nothing(tiny_dataset, contents):
    other = order(tiny_dataset, contents)
    reply = carry_out(other._replace(build=other.build._replace(numpy="1.0")), packed(contents))
    assert not reply.outcomes and not reply.needs_data and reply.build != other.build._replace(numpy="1.0")


def test_data_that_changed_on_the_way_or_are_those_of_another_search_are_refused(tiny_dataset, contents):
    data = bytearray(packed(contents))
    data[data.index(tiny_dataset.x.tobytes()) + 7] ^= 1
    with pytest.raises(DataError, match=r"^the data of a search arrived damaged \([0-9,]+ bytes\): send them again$"):
        carry_out(order(tiny_dataset, contents), bytes(data))
    other = packed(replace(contents, splits=contents.splits[:1]))
    with pytest.raises(
        DataError, match=r"^the data that arrived have the hash [0-9a-f]{64}, and [0-9a-f]{64} was sent"
    ):
        carry_out(order(tiny_dataset, contents), other)


def test_further_folds_share_what_was_learnt_of_the_first_with_or_without_it(tiny_dataset, contents, splits):
    first, more = replace(contents, splits=splits[:1]), replace(contents, splits=splits[:1], further=splits[1:])
    found = order(tiny_dataset, contents, (4,))._replace(data=more.name)
    alone = carry_out(found, packed(more)).outcomes
    worker._loaded.clear()
    carry_out(order(tiny_dataset, contents, (4,))._replace(data=first.name), packed(first))
    shared = carry_out(found, packed(more)).outcomes
    assert alone[0].curves.tobytes() == shared[0].curves.tobytes()
    assert list(worker._loaded) == [first.name, more.name]


def test_a_worker_keeps_the_data_that_it_used_last(tiny_dataset, contents, splits):
    several = [replace(contents, splits=splits[:n], config=TrainConfig(objective=o))
               for n in (1, 2) for o in ("auto", "cross-entropy")]  # fmt: skip
    for one in several:
        carry_out(order(tiny_dataset, contents, (2,))._replace(data=one.name), packed(one))
    assert len(worker._loaded) == worker.MOST_LOADED and several[0].name not in worker._loaded


def test_one_order_at_a_time(tiny_dataset, contents, monkeypatch):
    running: list[int] = []
    most: list[int] = []
    outcomes = worker._outcomes

    def counted(*arguments):
        running.append(1)
        most.append(len(running))
        yield from outcomes(*arguments)
        running.pop()

    monkeypatch.setattr(worker, "_outcomes", counted)
    found = order(tiny_dataset, contents)
    with ThreadPoolExecutor(3) as executor:
        list(executor.map(lambda _: carry_out(found, packed(contents)), range(6)))
    assert most == [1] * 6


def test_ranks_of_one_machine_share_its_cores_unless_they_are_bound(monkeypatch):
    monkeypatch.setattr(worker, "usable_cores", lambda: 8)
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    assert own_threads() == 8
    monkeypatch.setenv("OMPI_COMM_WORLD_LOCAL_SIZE", "4")
    assert own_threads() == 2
    monkeypatch.setattr(worker, "usable_cores", lambda: 3)
    assert own_threads() == 3
