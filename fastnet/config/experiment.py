"""The settings of experiments."""

from __future__ import annotations

from dataclasses import dataclass

from fastnet.config.checks import MAX_EPOCHS, check_count
from fastnet.config.text import parse_count
from fastnet.scalars import make_plain

EXPERIMENTS = (
    *("overfit", "weight-decay", "dropout", "ensemble", "data", "validation", "search"),
    *("initialisation", "optimizers"),
)
"""The experiments of `fastnet.experiments`, in the order of the chapter; those outside it come last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExperimentConfig:
    """The settings that all experiments share.

    Parameters
    ----------
    seeds : int
        Networks trained for each setting, whose differences give the spread; 1 to 1000.
    epochs : int or None
        Passes over the training data, instead of each experiment's own.
    samples : int or None
        Training samples, instead of each experiment's own: 300 in section 6.4, 500 in its search.
    test_samples : int or None
        Test samples evaluated after every epoch, spread evenly over the test set; None or ``"all"`` for all of them.
        2,000 of them measure an accuracy of 0.8 to within 0.01; all 10,000 of MNIST take three times as long.

    Raises
    ------
    ConfigError
        If a value is outside its range.

    Examples
    --------
    >>> ExperimentConfig(seeds=3).test_samples
    2000
    """

    seeds: int = 5
    epochs: int | None = None
    samples: int | None = None
    test_samples: int | None = 2000

    def __post_init__(self) -> None:
        make_plain(self)
        check_count("seeds", self.seeds, high=1000)
        if self.epochs is not None:
            check_count("epochs", self.epochs, high=MAX_EPOCHS)
        if isinstance(self.test_samples, str):
            object.__setattr__(self, "test_samples", parse_count(self.test_samples, "all", of="samples"))
        for name in ("samples", "test_samples"):
            if getattr(self, name) is not None:
                check_count(name, getattr(self, name), low=2)
