from __future__ import annotations

from concurrent.futures import BrokenExecutor, Future, ThreadPoolExecutor
from typing import Any

import pytest

import fastnet
from fastnet.errors import StudyError
from fastnet.tuning.run import worker
from fastnet.tuning.run.workers.pool import USUAL_WIDTH, Pool


def test_an_executor_is_as_wide_as_it_says_and_one_thread_each():
    class Some:
        def __init__(self, **how: int) -> None:
            vars(self).update(how)

        def submit(self, function: Any, *arguments: Any) -> Future[Any]:
            raise NotImplementedError

    assert Pool(Some()).width() == USUAL_WIDTH and Pool(Some()).threads == 1
    assert Pool(Some(_max_workers=7)).width() == 7 and Pool(Some(num_workers=5), 2).threads == 2
    threads = Pool(ThreadPoolExecutor(5))
    assert threads.width() == 1 and threads.threads == 0, "its threads are one worker's"


def test_a_broken_executor_ends_the_search_with_a_sentence():
    pool = Pool(ThreadPoolExecutor(1))
    assert pool.is_loss(BrokenExecutor("gone")) and pool.is_loss(ConnectionError()) and not pool.is_loss(ValueError())
    pool.renew(ConnectionError())
    with pytest.raises(StudyError, match=r"^the executor is broken \(gone\): all trials that ended are stored"):
        pool.renew(BrokenExecutor("gone"))


def test_threads_of_this_process_keep_no_data_of_a_search_that_has_ended(tiny_dataset, tmp_path):
    before = list(worker._loaded)
    with ThreadPoolExecutor(1) as executor:
        result = fastnet.search(
            data=tiny_dataset, trials=3, hidden="4", epochs=2, final=0, study=tmp_path / "s", executor=executor, jobs=1
        )
    assert len(result.trials) == 3 and list(worker._loaded) == before
