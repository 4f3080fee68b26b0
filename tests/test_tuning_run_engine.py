from __future__ import annotations

from dataclasses import replace

from tasks import CONFIG, packs_of

from fastnet.tuning.run.engine import LocalThreads


def test_the_threads_of_this_process_run_tasks_and_count_what_compiling_takes(tiny_dataset, splits):
    engine = LocalThreads(tiny_dataset, splits, CONFIG)
    assert engine.compile_seconds == 0.0
    engine.load()
    before = engine.compile_seconds
    packs = packs_of(tiny_dataset, splits, (4, 4, 4))
    assert before > 0 and engine.fitting(packs) == 3
    assert engine.fitting([replace(task, memory=1) for task in packs]) == 1
    ended = []

    def watch(outcome):
        ended.append(outcome.complete)
        return False

    assert list(engine.run([(packs[0], watch), (packs[1], watch)], lambda: 1.0)) == [watch, watch]
    assert ended.count(True) == 2
