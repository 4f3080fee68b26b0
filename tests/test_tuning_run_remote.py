from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tasks import packs_of
from unsteady import EVERYTHING, SPACE, Unsteady, bytes_of

import fastnet
from fastnet.errors import ConfigError, StudyError
from fastnet.tuning.rules.pruning import Full
from fastnet.tuning.run import remote
from fastnet.tuning.run.remote import Part, Ticket, nothing_of
from fastnet.tuning.run.task import joined


@pytest.fixture(scope="module")
def local(tiny_dataset, tmp_path_factory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("local")
    return bytes_of(folder, fastnet.search(SPACE, tiny_dataset, study=folder, **EVERYTHING))


def search(dataset, folder: Path, executor: Any, **how: Any) -> dict[str, Any]:
    return bytes_of(folder, fastnet.search(SPACE, dataset, study=folder, executor=executor, **EVERYTHING | how))


def test_threads_of_an_executor_find_what_the_threads_of_this_process_find(tiny_dataset, local, tmp_path):
    with ThreadPoolExecutor(3) as executor:
        assert search(tiny_dataset, tmp_path, executor) == local


@pytest.mark.parametrize("seed", range(4))
def test_lost_late_repeated_dropped_and_shuffled_parts_change_nothing(seed, tiny_dataset, local, tmp_path, monkeypatch):
    monkeypatch.setattr(remote, "PATIENCE_SECONDS", 0.1)
    monkeypatch.setattr(remote, "PATIENCE", 0.0)
    faults = {"dropped": 0.15, "lost": 0.2, "repeated": 0.3, "late": 0.3}
    with Unsteady(seed, **faults) as executor:
        assert search(tiny_dataset, tmp_path, executor) == local
        assert sum(executor.happened.values()) >= 4, executor.happened


def test_the_data_travel_once_to_a_worker_and_again_if_it_has_lost_them(tiny_dataset, local, tmp_path, monkeypatch):
    from fastnet.tuning.run import worker

    sent: list[bool] = []
    carry_out = worker.carry_out

    def forgetful(order: Any, parcel: Any = None) -> Any:
        if len(sent) == 3:
            worker._loaded.clear()
        sent.append(parcel is not None)
        return carry_out(order, parcel)

    worker._loaded.clear()
    monkeypatch.setattr(remote, "carry_out", forgetful)
    with Unsteady() as executor:
        assert search(tiny_dataset, tmp_path, executor, trials=64) == local
    assert 2 <= sent.count(True) <= 2 * 2 * executor._max_workers, "twice, with the parts ahead of each worker"


def test_a_worker_of_another_version_is_refused_with_a_sentence(tiny_dataset, tmp_path, monkeypatch):
    from fastnet.tuning.run import worker

    other = worker.build_here()._replace(fastnet="0.0.1")
    monkeypatch.setattr(worker, "build_here", lambda: other)
    with (
        ThreadPoolExecutor(1) as executor,
        pytest.raises(ConfigError, match=r"^the worker .*:\d+ has fastnet 0\.0\.1, and .* leads .*; install"),
    ):
        search(tiny_dataset, tmp_path, executor)


def test_a_part_whose_worker_always_dies_ends_the_search_with_a_sentence_and_keeps_the_others(
    tiny_dataset, tmp_path, monkeypatch
):
    from fastnet.tuning.run import worker

    carry_out = worker.carry_out

    def deadly(order: Any, parcel: Any = None) -> Any:
        if 20 in order.ids:
            raise ConnectionError("out of memory")
        return carry_out(order, parcel)

    monkeypatch.setattr(remote, "carry_out", deadly)
    with Unsteady() as executor, pytest.raises(StudyError, match=r"trials 16 to 23 was lost 21 times in a row \(out"):
        search(tiny_dataset, tmp_path, executor, stages=1)
    with fastnet.tuning.Study.read(tmp_path) as study:
        assert 16 <= study.count() <= 56 and 20 not in study.stored_ids()


def test_an_error_of_a_worker_is_the_error_of_the_search(tiny_dataset, tmp_path):
    with (
        ThreadPoolExecutor(1) as executor,
        pytest.raises(ConfigError, match=r"^memory=1\.00 KiB: .* smaller pack_size"),
    ):
        search(tiny_dataset, tmp_path, executor, memory=1024)


def test_a_search_that_is_stopped_keeps_what_has_ended_and_goes_on_elsewhere(tiny_dataset, local, tmp_path):
    calls = []

    def stop(progress: Any) -> None:
        calls.append(progress.done)
        if progress.done >= 8 and max(calls[:-1], default=0) < 8:
            raise KeyboardInterrupt

    with Unsteady() as executor:
        how = EVERYTHING | {"interrupt": "return"}
        part = fastnet.search(SPACE, tiny_dataset, study=tmp_path, executor=executor, on_progress=stop, **how)
    assert part.interrupted and 8 <= len(part.trials) < 64
    with ThreadPoolExecutor(1) as executor:
        assert search(tiny_dataset, tmp_path, executor) == local


def test_a_time_limit_ends_running_parts_and_leaves_time_for_the_choice(tiny_dataset, tmp_path):
    how: dict[str, Any] = {"trials": 20_000, "hidden": "32", "epochs": 50, "final": 1, "repeats": 1}
    with ThreadPoolExecutor(1) as executor:
        result = fastnet.search(SPACE, tiny_dataset, study=tmp_path, executor=executor, timeout=4, **how)
    assert result.interrupted and 0 < len(result.trials) < 20_000 and result.final is not None


def test_a_part_that_a_wrong_estimate_of_the_time_cut_short_is_sent_again(tiny_dataset, local, tmp_path, monkeypatch):
    from fastnet.tuning.run import worker

    orders: list[Any] = []
    carry_out = worker.carry_out

    def cut(order: Any, parcel: Any = None) -> Any:
        orders.append(order)
        return carry_out(order._replace(seconds=0.0) if len(orders) % 3 == 0 else order, parcel)

    monkeypatch.setattr(remote, "carry_out", cut)
    with Unsteady() as executor:
        assert search(tiny_dataset, tmp_path, executor) == local


def test_an_executor_that_takes_nothing_for_a_while_is_asked_again(tiny_dataset, local, tmp_path):
    class Refusing(Unsteady):
        refused = 0

        def submit(self, function: Any, /, *arguments: Any, **named: Any) -> Future[Any]:
            if self.refused < 8:
                self.refused += 1
                raise ConnectionError("not yet")
            return super().submit(function, *arguments, **named)

    with Refusing() as executor:
        assert search(tiny_dataset, tmp_path, executor) == local
    assert executor.refused == 8


def test_no_more_parts_are_under_way_than_workers_can_take(tiny_dataset, tmp_path):
    class Counting(Unsteady):
        most = under_way = 0
        lock = threading.Lock()

        def submit(self, *arguments: Any, **named: Any) -> Future[Any]:
            with self.lock:
                self.under_way += 1
                self.most = max(self.most, self.under_way)
            future = super().submit(*arguments, **named)
            future.add_done_callback(self._end)
            return future

        def _end(self, future: Future[Any]) -> None:
            with self.lock:
                self.under_way -= 1

    with Counting() as executor:
        fastnet.search(
            SPACE, tiny_dataset, study=tmp_path, executor=executor, trials=400, hidden="8", epochs=2, final=0
        )
    assert executor.most == remote.AHEAD * executor._max_workers
    sizes = [len(order.ids) for order in executor.orders]
    assert max(sizes) > remote.FIRST_TRIALS, "parts grow once the time of a trial is known"


def ticket_of(task: Any) -> Ticket:
    return Ticket(task, lambda outcome: False)


def test_parts_hold_every_trial_once_and_never_divide_those_that_are_compared(tiny_dataset, splits):
    pruned = joined(packs_of(tiny_dataset, splits, (4, 4, 2)))
    whole = replace(pruned, schedule=Full(9), sizes=(10,))
    for task, trials, expected in ((whole, 3, [3, 3, 3, 1]), (pruned, 3, [4, 4, 2]), (pruned, 5, [8, 2])):
        ticket, parts = ticket_of(task), []
        while ticket.uncut:
            parts.append(ticket.cut(trials))
        assert [len(part.task.ids) for part in parts] == expected
        assert np.concatenate([part.task.ids for part in parts]).tolist() == task.ids.tolist()
        assert [config for part in parts for config in part.task.configs] == list(task.configs)
        assert [part.place for part in parts] == np.cumsum([0, *expected[:-1]]).tolist()
        assert all(sum(part.task.sizes) == len(part.task.ids) for part in parts)
    assert isinstance(parts[0], Part) and parts[0].task.sizes == (4, 4)


def test_an_outcome_of_nothing_has_the_shape_of_others(tiny_dataset, splits):
    [task] = packs_of(tiny_dataset, splits, (4,))
    assert nothing_of(task).curves.shape == (0, 4, 9) and not nothing_of(task).complete
