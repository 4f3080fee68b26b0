from __future__ import annotations

import pickle
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tasks import packs_of

from fastnet.config.training import TrainConfig
from fastnet.errors import DataError, StudyError
from fastnet.tuning.rules.pruning import Full
from fastnet.tuning.run.task import Outcome, Task, Unfinished, data_name, joined
from fastnet.tuning.run.wire import MOST_WAITED, Contents, Reply, build_here, check_reply, order_of, packed, unpacked


def test_an_order_is_its_task_again(tiny_dataset, splits):
    task = joined(packs_of(tiny_dataset, splits))
    layered = replace(task.configs[1], hidden=(4, 4), dropout=(0.1, 0.2), early_stopping=2)
    task = replace(task, configs=(task.configs[0], layered, *task.configs[2:]), keep=True, stop_by="loss", memory=2**20)
    order = pickle.loads(pickle.dumps(order_of(task, threads=0)))
    again = order.task(3)
    assert again.configs == task.configs and again.ids.tolist() == task.ids.tolist()
    for name in ("data", "schedule", "sizes", "memory", "keep", "stop_by"):
        assert getattr(again, name) == getattr(task, name)
    assert again.threads == 3 and order.build == build_here()
    assert set(order.changes) == {"learning_rate", "hidden", "dropout", "early_stopping"}


def test_trials_that_differ_in_nothing_cost_nothing(tiny_dataset, splits):
    [task] = packs_of(tiny_dataset, splits, (8,))
    alike = replace(task, configs=(task.configs[0],) * 8)
    order = order_of(alike, threads=1)
    assert order.changes == {} and order.task(1).configs == alike.configs


def test_a_trial_takes_few_bytes(tiny_dataset, splits):
    [few], [many] = packs_of(tiny_dataset, splits, (10,)), packs_of(tiny_dataset, splits, (1010,))
    sizes = [len(pickle.dumps(order_of(task, threads=1))) for task in (few, many)]
    assert (sizes[1] - sizes[0]) / 1000 < 40  # its number and its rate; the configuration itself would be 600


def test_time_on_the_way_counts_unless_the_clocks_disagree(tiny_dataset, splits):
    [task] = packs_of(tiny_dataset, splits, (4,))
    order = order_of(task, threads=1, seconds=10.0)
    assert 9.0 < order.seconds_left <= 10.0
    late = order._replace(sent=time.time() - 4.0)
    assert 5.0 < late.seconds_left < 6.01
    for sent in (time.time() + 100.0, time.time() - MOST_WAITED - 100.0):
        assert order._replace(sent=sent).seconds_left == 10.0


@pytest.mark.parametrize("place", ["memory", "file", "array"])
def test_data_arrive_as_they_were_sent_without_their_test_part(place, tiny_dataset, splits, tmp_path):
    contents = Contents(tiny_dataset.without_test(), splits, TrainConfig())
    data = packed(contents)
    path = tmp_path / "data"
    path.write_bytes(data)
    parcel: bytes | Path | np.ndarray = {"memory": data, "file": path, "array": np.frombuffer(data, np.uint8)}[place]
    again = unpacked(parcel)
    assert again.dataset.x.tobytes() == tiny_dataset.x.tobytes() and not again.dataset.x.flags.writeable
    assert again.dataset.x_test is None and again.dataset._fingerprint == ""
    assert again.name == contents.name == data_name(tiny_dataset.without_test(), splits, TrainConfig())
    assert replace(contents, further=splits[:1]).name != contents.name


def test_data_that_changed_on_the_way_are_refused_before_they_are_unpickled(
    tiny_dataset, splits, monkeypatch, tmp_path
):
    whole = packed(Contents(tiny_dataset.without_test(), splits, TrainConfig()))
    monkeypatch.setattr(pickle, "loads", None)  # an error if it is called
    for place in (0, 31, 32, 40, 48, whole.index(tiny_dataset.x.tobytes()) + 7, len(whole) - 1):
        changed = bytearray(whole)
        changed[place] ^= 1
        with pytest.raises(
            DataError, match=r"^the data of a search arrived damaged \([\d,]+ bytes\): send them again$"
        ):
            unpacked(bytes(changed))
    for part in (b"", whole[:10], whole[:-1], whole + b"x"):
        (tmp_path / "data").write_bytes(part)
        for parcel in (part, tmp_path / "data"):
            with pytest.raises(DataError, match="arrived damaged"):
                unpacked(parcel)


@pytest.mark.parametrize(
    "change",
    [
        {"positions": (0, 4)},
        {"positions": (-1, 1)},
        {"positions": (1, 1)},
        {"positions": ("0", 1)},
        {"positions": (0.0, 1)},
        {"positions": (False, 1)},
        {"status": ("done",)},
        {"status": ("done", "fine")},
        {"curves": np.zeros((2, 4, 3), np.float32)},
        {"curves": np.zeros((2, 4, 2))},
        {"seconds": np.array([0.1, np.nan])},
        {"seconds": np.array([0.1, -1.0])},
        {"seconds": np.array(["a", "b"])},
        {"unfinished": (Unfinished(9, np.zeros((4, 2), np.float32), ()),)},
        {"unfinished": (Unfinished(1, np.zeros((4, 9), np.float32), ()),)},
    ],
)
def test_a_reply_that_does_not_belong_to_its_trials_is_refused(change):
    task = Task(data="d", ids=np.arange(4), configs=(TrainConfig(epochs=2),) * 4, schedule=Full(2), sizes=(4,))
    sound = Outcome(
        positions=(0, 1), status=("done", "stopped"), curves=np.zeros((2, 4, 2), np.float32), seconds=np.zeros(2)
    )
    other = replace(sound, positions=(2, 3))
    check_reply(Reply(worker="host:1", build=build_here(), outcomes=(sound, other)), task)
    for outcomes in ((replace(sound, **change),), (other, replace(sound, **change)), (sound, sound)):
        with pytest.raises(StudyError, match=r"^the worker host:1 returned results that do not belong"):
            check_reply(Reply(worker="host:1", build=build_here(), outcomes=outcomes), task)
    with pytest.raises(StudyError, match="replied with a dict"):
        check_reply({}, task)
