"""The words in which displays show a search or a training, those of the command line too."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from fastnet.config.metric import DEFAULT_METRIC, METRICS
from fastnet.config.presets import TIMED_TRIALS

COMPILING = ("compiling the kernels", ", or loading them from the cache")
CHOOSING = ("training the best again on fresh seeds", ", then the one to keep")
ENSEMBLING = ("training the best again to combine them", "")
"""What a search does when it trains no trials, in two parts, of which the second may be left out."""

TRAINING = {"exact": "train", "running": "running train"}
"""Name of the training samples' score, by how it was measured."""


class SearchState(Protocol):
    """What is shown of a search, see `fastnet.tuning.Progress`."""

    @property
    def done(self) -> int:
        """Finished trials."""

    @property
    def total(self) -> int:
        """Trials that the study will have."""

    @property
    def best(self) -> float | None:
        """Best value so far."""

    @property
    def trials_per_second(self) -> float:
        """Mean rate."""

    @property
    def eta_seconds(self) -> float | None:
        """Estimated time left."""

    @property
    def compiling(self) -> bool:
        """Whether kernels are being compiled."""

    @property
    def choosing(self) -> bool:
        """Whether the final choice is being made."""

    @property
    def ensembling(self) -> bool:
        """Whether the ensemble is being made."""

    @property
    def stage(self) -> int:
        """The current stage."""

    @property
    def stages(self) -> int:
        """Number of stages."""

    @property
    def rung(self) -> int:
        """The current rung."""

    @property
    def rungs(self) -> int:
        """Number of rungs."""

    @property
    def stopped(self) -> int:
        """Trials that were pruned."""

    @property
    def diverged(self) -> int:
        """Trials that diverged."""


class EpochState(Protocol):
    """What is shown of an epoch, see `fastnet.training.loop.EpochResult`."""

    @property
    def epoch(self) -> int:
        """Its number, from 1."""

    @property
    def train_loss(self) -> float:
        """Loss of the training samples."""

    @property
    def train_score(self) -> float:
        """Score of the training samples."""

    @property
    def validation_loss(self) -> float:
        """Loss of the validation samples."""

    @property
    def validation_score(self) -> float:
        """Score of the validation samples."""

    @property
    def score(self) -> str:
        """Name of the score."""

    @property
    def train_scored(self) -> str:
        """How the training samples were scored."""


def duration(seconds: float | None) -> str:
    """Write a time as minutes and seconds, with hours where there are any.

    >>> duration(75.2), duration(3675), duration(None)
    ('1:15', '1:01:15', '-:--')
    """
    if seconds is None:
        return "-:--"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def scored(part: str, value: float, score: str = DEFAULT_METRIC) -> str:
    """Write a score of a part of the data.

    >>> scored("val", 0.8), scored("test", 0.98125), scored("test", 2.5, "rmse")
    ('val acc:0.80', 'test acc:0.9812', 'test rmse:2.5')
    """
    return f"{part} {METRICS[score].short}:{METRICS[score].text(value)}"


def training_text(epoch: EpochState) -> str:
    """Write the score and the loss of the training samples in an epoch, and how they were scored.

    >>> from fastnet.training.loop import EpochResult
    >>> values = {"train_loss": 0.5, "train_score": 0.8, "validation_loss": 0.6, "validation_score": 0.7}
    >>> [training_text(EpochResult(epoch=1, train_scored=how, **values)) for how in ("exact", "running", "none")]
    ['train acc:0.80, loss:0.5000', 'running train acc:0.80, loss:0.5000', 'train loss:0.5000']
    """
    if epoch.train_scored == "none":
        return f"train loss:{epoch.train_loss:.4f}"
    text = scored(TRAINING[epoch.train_scored], epoch.train_score, epoch.score)
    return f"{text}, loss:{epoch.train_loss:.4f}"


def validation_text(epoch: EpochState) -> str:
    """Write the score and the loss of the validation samples after an epoch."""
    return f"{scored('val', epoch.validation_score, epoch.score)}, loss:{epoch.validation_loss:.4f}"


def best_text(best: float | None, metric: str) -> str:
    """Write the best value of a search.

    >>> best_text(0.8, "accuracy"), best_text(None, "loss")
    ('best val acc:0.80', 'best val loss:-')
    """
    return f"best {scored('val', best, metric)}" if best is not None else f"best val {METRICS[metric].short}:-"


def counts_text(state: SearchState) -> list[str]:
    """Write how many trials did not run to their end, where there are any."""
    counts = {"stopped early": state.stopped, "diverged": state.diverged}
    return [f"{count} {name}" for name, count in counts.items() if count]


def steps_text(state: SearchState) -> list[str]:
    """Write the stage and the rung, where there are several."""
    steps = {"stage": (state.stage, state.stages), "rung": (state.rung, state.rungs)}
    return [f"{name} {number}/{of}" for name, (number, of) in steps.items() if of > 1]


def rate_text(state: SearchState) -> str:
    """Write how fast trials are."""
    return f"{state.trials_per_second:.1f} trials/s"


def ends_text(eta: float | None, left: float | None = None) -> str:
    """Write when a search ends: after the estimated seconds, or sooner by its time limit.

    >>> ends_text(61.0), ends_text(61.0, 30.0), ends_text(None)
    ('ETA 1:01', 'stops in 0:30', 'ETA -:--')
    """
    if left is not None and (eta is None or left < eta):
        return f"stops in {duration(max(left, 0.0))}"
    return f"ETA {duration(eta)}"


@dataclass(frozen=True, slots=True)
class Frame:
    """What a display shows: what is done, as text and as a share from 0 to 1, and facts, the last of them on time."""

    done: str
    share: float
    facts: tuple[str, ...]

    @property
    def line(self) -> str:
        """All of it as text."""
        return " | ".join((self.done, *self.facts))


def frame_of_search(state: SearchState, seconds: float, ended: bool, *, metric: str, limit: float | None) -> Frame:
    """Return what is shown of a search `seconds` after its start, with a time limit in seconds or without.

    Once it has `ended`, the best value is shown, whatever it did last.
    """
    left = None if limit is None else max(limit - seconds, 0.0)
    count, share = f"trials {state.done}/{state.total}", state.done / max(state.total, 1)
    if state.total == TIMED_TRIALS and limit:  # the time ends the search, and no one asked for a number of trials
        count, share = f"trials {state.done}", min(seconds / limit, 1.0)
    for busy, words in ((state.compiling, COMPILING), (state.choosing, CHOOSING), (state.ensembling, ENSEMBLING)):
        if busy and not ended:
            return Frame(count, share, ("".join(words),))
    facts = (best_text(state.best, metric), *counts_text(state), *steps_text(state), rate_text(state))
    return Frame(count, share, (*facts, ends_text(state.eta_seconds, left)))


def frame_of_epoch(epoch: EpochState, seconds: float, ended: bool, *, epochs: int) -> Frame:
    """Return what is shown of a training of so many epochs, `seconds` after its start."""
    left = (epochs - epoch.epoch) * seconds / epoch.epoch
    facts = (training_text(epoch), validation_text(epoch), ends_text(left))
    return Frame(f"epoch {epoch.epoch}/{epochs}", epoch.epoch / epochs, facts)
