"""Progress while something runs: when it is shown, how often, how it ends, and that it changes nothing."""

from __future__ import annotations

import io
import subprocess
import sys

import numpy as np
import pytest
from displays import Clock

import fastnet
from fastnet.errors import ConfigError
from fastnet.progress import shown
from fastnet.progress.words import Frame

CONFIG = fastnet.TrainConfig(hidden=(8,), epochs=4, learning_rate=0.1)


class Recorder:
    """A display that keeps what it is given."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.closed = 0

    def draw(self, frame: Frame) -> None:
        self.lines.append(frame.line)

    def close(self) -> None:
        self.closed += 1


@pytest.fixture
def recorder(monkeypatch):
    found = Recorder()
    monkeypatch.setattr(shown, "display_for", lambda progress: found if progress else None)
    return found


def frame(state: int, seconds: float, ended: bool) -> Frame:
    return Frame(f"step {state}", state / 10, ("end" if ended else "ETA",))


def test_it_is_drawn_a_few_times_a_second_and_at_the_end():
    clock, display = Clock(), Recorder()
    one = shown.Shown(display, clock=clock)
    for state in range(20):
        clock.now = state / 16
        one.show(lambda seconds, ended, state=state: frame(state, seconds, ended))
    assert display.lines == [f"step {k} | ETA" for k in (0, 4, 8, 12, 16)]
    clock.now = 75.0
    one.close("interrupted")
    assert display.lines[-1] == "step 19 | 1:15 | interrupted" and display.closed == 1


@pytest.mark.parametrize(
    ("error", "words"), [(KeyboardInterrupt(), "interrupted"), (ValueError("no"), "ended by an error"), (None, "0:00")]
)
def test_it_ends_however_the_block_ends(recorder, error, words):
    given: list[int] = []

    def run() -> None:
        with shown.showing(True, given.append, frame) as each:
            assert each is not None
            each(1)
            if error is not None:
                raise error

    if error is None:
        run()
    else:
        with pytest.raises(type(error)):
            run()
    assert given == [1] and recorder.closed == 1 and recorder.lines[-1].endswith(words)


def test_it_ends_cleanly_before_the_first_state_and_goes_on_if_a_drawing_fails(recorder, monkeypatch):
    with shown.showing(True, None, frame):
        pass
    assert recorder.lines == [] and recorder.closed == 1

    def broken(frame: Frame) -> None:
        raise OSError("no page")

    monkeypatch.setattr(recorder, "draw", broken)
    given: list[int] = []
    with shown.showing(True, given.append, frame) as each:
        assert each is not None
        each(1)
        each(2)
    assert given == [1, 2] and recorder.closed == 2


def test_without_a_display_the_callers_own_callback_is_called_directly():
    given: list[int] = []
    for progress in (False, None):  # no notebook here
        with shown.showing(progress, given.append, frame) as each:
            assert each == given.append
    with shown.showing(None, None, frame) as nothing:
        assert nothing is None


@pytest.mark.parametrize("progress", ["auto", 1, 0, "yes"])
def test_another_value_is_refused(progress, tiny_dataset):
    with pytest.raises(ConfigError, match="must be True, False or None"):
        fastnet.train(tiny_dataset, CONFIG, progress=progress)


def test_a_search_is_shown_and_has_the_same_trials(recorder, tiny_dataset, tmp_path):
    seen: list[int] = []
    settings = {"trials": 8, "hidden": "8", "epochs": 2, "final": 0}
    loud = fastnet.search(
        None, tiny_dataset, study=tmp_path / "a", progress=True, on_progress=lambda s: seen.append(s.done), **settings
    )
    quiet = fastnet.search(None, tiny_dataset, study=tmp_path / "b", progress=False, **settings)
    assert recorder.lines[-1].startswith("trials 8/8 | best val acc:") and seen[-1] == 8 and recorder.closed == 1
    assert [trial.value for trial in loud.trials] == [trial.value for trial in quiet.trials]


def test_a_training_is_shown_and_has_the_same_curves(recorder, tiny_dataset):
    seen: list[int] = []
    loud = fastnet.train(tiny_dataset, CONFIG, progress=True, on_epoch=lambda epoch: seen.append(epoch.epoch))
    quiet = fastnet.train(tiny_dataset, CONFIG, progress=False)
    assert seen == [1, 2, 3, 4] and recorder.lines[-1].startswith("epoch 4/4 | train acc:")
    np.testing.assert_array_equal(loud.curves.validation_loss, quiet.curves.validation_loss)


def test_a_terminal_gets_a_bar_and_its_cursor_back(monkeypatch):
    from rich import console

    written = io.StringIO()
    made = console.Console
    monkeypatch.setattr(console, "Console", lambda stderr: made(file=written, force_terminal=True, width=100))
    display = shown.TerminalDisplay()
    display.draw(Frame("trials 1/4", 0.25, ("best val acc:0.83", "[x] ETA 0:03")))
    display.draw(Frame("trials 4/4", 1.0, ("best val acc:0.84", "0:01")))
    display.close()
    text = written.getvalue()
    assert "trials 1/4" in text and "[x] ETA 0:03" in text and "trials 4/4" in text
    assert text.count("\x1b[?25l") == text.count("\x1b[?25h") == 1


def test_a_process_shows_it_on_standard_error_only_if_asked():
    program = (
        "import fastnet; d = fastnet.take_first(fastnet.load('mnist5k'), 100)\n"
        "c = fastnet.TrainConfig(hidden=(8,), epochs=2)\n"
        "fastnet.train(d, c, progress={})"
    )
    found = {}
    for asked in (True, None):
        command = [sys.executable, "-c", program.format(asked)]
        found[asked] = subprocess.run(command, capture_output=True, text=True, check=True)
    assert found[True].stdout == "" and "epoch 2/2" in found[True].stderr
    assert found[None].stdout == "" and found[None].stderr == ""


def test_html_is_escaped_and_says_its_share():
    made = shown.html_of(Frame("<b>", 0.5, ("<script>",)))
    assert "<script>" not in made and "&lt;script&gt;" in made and 'aria-valuenow="50.0"' in made
