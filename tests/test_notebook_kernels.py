"""In a real kernel of Jupyter: progress below a cell, and what interrupting the kernel does to a search."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("ipykernel")
pytest.importorskip("jupyter_client")

from fastnet.tuning import Study

LONGEST_END = 15.0
"""Seconds from the interrupt to the end of the cell on a busy machine; alone it takes about a second."""

# In a process of its own: the client of Jupyter leaves event loops and sockets behind, which are warnings here.
RUN = '''
import json, sys, time
from jupyter_client.manager import start_new_kernel

manager, client = start_new_kernel(kernel_name="python3", cwd=sys.argv[1])

def run(code, until=None):
    """Run a cell, interrupt it once a trial was reported if `until` is that word, and return what it showed."""
    asked, sent, found = client.execute(code, stop_on_error=False), None, []
    while True:
        message = client.get_iopub_msg(timeout=120)
        if message["parent_header"].get("msg_id") != asked:
            continue
        kind, content = message["msg_type"], message["content"]
        if kind in ("display_data", "update_display_data"):
            found.append([kind, content["data"], content.get("transient", {}).get("display_id")])
        elif kind == "stream":
            found.append([content["name"], content["text"], None])
            if until is not None and sent is None and until in content["text"]:
                manager.interrupt_kernel()
                sent = time.monotonic()
        elif kind == "error":
            found.append([kind, content["ename"], None])
        elif kind == "status" and content["execution_state"] == "idle":
            return {"shown": found, "seconds": None if sent is None else time.monotonic() - sent}

try:
    print(json.dumps([run(code, until) for code, until in json.loads(sys.argv[2])]))
finally:
    client.stop_channels()
    manager.shutdown_kernel(now=True)
'''

BEGIN = """
import fastnet
data = fastnet.take_first(fastnet.load("mnist5k"), 300)
said = []
def begun(state):
    if state.done >= 5 and not said:
        said.append(True)
        print("begun", flush=True)
space, settings = {"learning_rate": "log:1e-4:1e-1"}, {"hidden": "16", "epochs": 20, "final": 0}
"""


def run(folder: Path, *cells: tuple[str, str | None]) -> list[dict]:
    command = [sys.executable, "-c", RUN, str(folder), json.dumps([(BEGIN, None), *cells])]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stderr[-3000:]
    first, *others = json.loads(done.stdout)
    assert first["shown"] == []
    return others


def errors(cell: dict) -> list[str]:
    return [what for kind, what, _ in cell["shown"] if kind == "error"]


def displays(cell: dict) -> list[list]:
    return [shown for shown in cell["shown"] if shown[0].endswith("display_data")]


SEARCH = "fastnet.search(space, data, trials=100_000, study={!r}, interrupt={!r}, on_progress=begun, **settings)"


@pytest.mark.slow
def test_interrupting_the_kernel_ends_a_search_and_keeps_its_trials(tmp_path: Path) -> None:
    returned, kept, raised, more = run(
        tmp_path,
        ("result = " + SEARCH.format("s", "return"), "begun"),
        ("print(result.interrupted, len(result.trials))", None),
        ("result = None; said.clear(); result = " + SEARCH.format("t", "raise"), "begun"),
        ("print(result, len(fastnet.search(study='t', data=data, finish=True, progress=False).trials))", None),
    )
    assert errors(returned) == [] and returned["seconds"] < LONGEST_END
    assert errors(raised) == ["KeyboardInterrupt"] and raised["seconds"] < LONGEST_END
    for name, cell, first in (("s", kept, "True"), ("t", more, "None")):
        with Study.read(tmp_path / name) as study:
            assert 5 <= study.count() < 100_000
            assert [text for kind, text, _ in cell["shown"] if kind == "stdout"] == [f"{first} {study.count()}\n"]
    assert "interrupted" in displays(raised)[-1][1]["text/plain"]
    assert displays(raised)[-1][1]["text/plain"].startswith("trials ")


def test_progress_is_one_output_that_changes_and_can_be_left_out(tmp_path: Path) -> None:
    code = "result = fastnet.search(space, data, trials=20, study={!r}, progress={}, on_progress=begun, **settings)"
    auto, none, train = run(
        tmp_path,
        (code.format("a", None), None),
        (code.format("b", False), None),
        ("fastnet.train(data, fastnet.TrainConfig(hidden=(16,), epochs=3)); None", None),
    )
    shown = displays(auto)
    assert [kind for kind, *_ in shown][:2] == ["display_data", "update_display_data"]
    assert len({place for *_, place in shown}) == 1 and {kind for kind, *_ in shown[1:]} == {"update_display_data"}
    assert 'role="progressbar"' in shown[-1][1]["text/html"]
    assert shown[-1][1]["text/plain"].startswith("trials 20/20 | best val acc:")
    assert ["stdout", "begun\n", None] in auto["shown"], "the caller's own callback is called, too"
    assert displays(none) == [] and errors(none) == []
    assert displays(train)[-1][1]["text/plain"].startswith("epoch 3/3 | train acc:")
