"""Searches like those of public bug reports on Optuna, executors, notebooks and streams, which the comments tell."""

from __future__ import annotations

import asyncio
import io
import pickle
import sys
import threading
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastnet
from fastnet.errors import ConfigError, StudyError

X = np.random.default_rng(0).normal(size=(60, 3))
DATA = (X, (X[:, 0] > 0).astype(int))
SPACE = {"learning_rate": "log:1e-3:1e-1"}


def searched(study: Path, **options: Any) -> list[str]:
    given = {"trials": 2, "epochs": 1, "hidden": (), "progress": False, **options}
    return [trial.status for trial in fastnet.search(SPACE, DATA, study=study, **given).trials]


# Executors ------------------------------------------------------------------------------------------------------------


def test_an_executor_that_was_shut_down_is_a_sentence(tmp_path: Path) -> None:  # dask/distributed 6846
    executor = ThreadPoolExecutor(1)
    executor.shutdown()
    with pytest.raises(StudyError, match=r"the executor takes no calls .*continue the study with one that is open"):
        searched(tmp_path / "study", executor=executor)
    assert searched(tmp_path / "study") == ["done", "done"]


def test_a_client_of_dask_is_taken_for_its_executor(tmp_path: Path) -> None:  # dask/distributed 3695
    class Client(Executor):
        def __init__(self, inner: Executor) -> None:
            self._inner = inner

        def submit(self, *_: Any, **__: Any) -> Any:
            return "a future of Dask"

        def get_executor(self) -> Executor:
            return self._inner

    with ThreadPoolExecutor(1) as inner:
        assert searched(tmp_path / "study", executor=Client(inner)) == ["done", "done"]


def test_futures_of_another_kind_are_a_sentence(tmp_path: Path) -> None:  # dask/distributed 3695
    class Odd(Executor):
        def submit(self, *_: Any, **__: Any) -> Any:
            return "no future"

    with pytest.raises(ConfigError, match="executor is a Odd, whose calls return a str"):
        searched(tmp_path / "study", executor=Odd())


def test_a_script_that_runs_itself_again_is_a_sentence(tmp_path: Path) -> None:  # pyBKT-examples 2, distilabel 685
    class Spawning(Executor):
        def submit(self, *_: Any, **__: Any) -> Future[Any]:
            raise RuntimeError("bootstrapping phase\n\n  if __name__ == '__main__':\n    freeze_support()\n")

    with pytest.raises(StudyError, match="run this script again: put the search below") as error:
        searched(tmp_path / "study", executor=Spawning())
    assert "\n" not in str(error.value)


# Streams and threads --------------------------------------------------------------------------------------------------


class Odd:
    """A stream of an application, which can only be written to."""

    def write(self, text: str) -> int:
        return len(text)


def closed() -> io.StringIO:
    stream = io.StringIO()
    stream.close()
    return stream


STREAMS = {
    "tqdm 1593": lambda: None,
    "tqdm 1654": closed,
    "tqdm 794": Odd,
    "tqdm 1797": lambda: io.TextIOWrapper(io.BytesIO(), encoding="ascii"),
}


@pytest.mark.parametrize("report", STREAMS)
def test_a_stream_that_shows_nothing_ends_no_search(report: str, tmp_path: Path, monkeypatch: Any) -> None:
    stream = STREAMS[report]()
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stderr", stream)
        found = searched(tmp_path / "study", progress=True)
    assert found == ["done", "done"]


def test_any_thread_and_a_running_loop_may_search(tmp_path: Path) -> None:  # streamlit 5655, jupyter/notebook 4312
    found: list[list[str]] = []
    thread = threading.Thread(target=lambda: found.append(searched(tmp_path / "thread")))
    thread.start()
    thread.join()

    async def in_a_loop() -> list[str]:
        return searched(tmp_path / "loop")

    assert found == [["done", "done"]] and asyncio.run(in_a_loop()) == ["done", "done"]


# Studies --------------------------------------------------------------------------------------------------------------


def test_few_trials_and_one_value_are_drawn_as_sentences(tmp_path: Path) -> None:  # optuna 6720, 6500; neptune-optuna 8
    pytest.importorskip("plotly")
    for name, space in (("one", SPACE), ("fixed", {"learning_rate": "choice:0.01"})):
        found = fastnet.search(space, DATA, study=tmp_path / name, trials=1, epochs=1, hidden=(), progress=False)
        assert found.plot_importance().layout.annotations[0].text.split()[0] in ("Only", "No")
        assert pickle.loads(pickle.dumps(found)).trials[0].status == "done"


def journal(path: Path, value: float) -> Path:
    optuna = pytest.importorskip("optuna")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    backend = optuna.storages.journal.JournalFileBackend(str(path))
    study = optuna.create_study(storage=optuna.storages.JournalStorage(backend), study_name="x")
    for _ in range(2):
        trial = study.ask({"learning_rate": optuna.distributions.FloatDistribution(1e-3, 1e-1, log=True)})
        if np.isnan(value):
            study.tell(trial, state=optuna.trial.TrialState.FAIL)
        else:
            study.tell(trial, value)
    return path


def test_a_study_without_a_value_has_no_points(tmp_path: Path) -> None:  # optuna 2727, 4465
    pytest.importorskip("optuna")
    with pytest.raises(ConfigError, match="none of the 2 trials of the study has a value"):
        searched(tmp_path / "study", enqueue=journal(tmp_path / "journal.log", np.nan))


def test_a_name_that_is_given_twice_is_refused(tmp_path: Path) -> None:  # cpython 89217
    with pytest.raises(ConfigError, match="learning_rate is given twice"):
        searched(tmp_path / "study", enqueue='{"learning_rate": 0.01, "learning_rate": 0.02}')


def test_a_journal_that_is_cut_off_is_read_to_its_last_whole_line(tmp_path: Path) -> None:  # optuna 5138
    pytest.importorskip("optuna")
    path = journal(tmp_path / "journal.log", 0.5)
    path.write_bytes(path.read_bytes()[:-20])
    assert searched(tmp_path / "study", enqueue=path) == ["done", "done"]
