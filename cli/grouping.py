"""Help in groups: the options that most people need first, then the others by subject."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

GROUPS = {
    "Data": ("data", "data_dir", "samples", "validation_fraction", "validation", "folds"),
    "Table": ("target", "features", "drop", "types", "weights", "group", "time", "test", "task", "numbers"),
    "Network": ("hidden", "activation", "init", "heads", "dropout", "dropout_scaling"),
    "Training": (
        *("epochs", "batch_size", "optimizer", "learning_rate", "schedule", "warmup_epochs", "step_epochs"),
        *("step_factor", "weight_decay", "momentum", "rho", "beta1", "beta2", "epsilon"),
        *("relative_rate", "label_smoothing"),
        *("objective", "quantiles", "huber_delta", "class_weight", "calibration", "threshold"),
        *("early_stopping", "train_score", "networks", "seed"),
    ),
    "Search": (
        *(
            "trials",
            "space",
            "preset",
            "enqueue",
            "sampler",
            "levels",
            "metric",
            "pruning",
            "eta",
            "first_epochs",
            "pack_size",
        ),
        *("stages", "expand", "final", "repeats", "ensemble_top", "ensemble", "ensemble_folds"),
    ),
    "Study": ("study", "after", "fresh", "finish", "timeout", "quality", "memory", "dry_run"),
    "Run": ("jobs", "executor", "config", "print_config"),
    "Output": ("output", "overwrite", "output_format", "live", "quiet", "verbose"),
}
_COLUMN = 24  # width of the names; a longer name gets its own line


class GroupedCommand(click.Command):
    """A command whose help lists its options in groups.

    It uses Click's own hook: importing cloup, which does the same and more, takes longer than the whole help.
    """

    def __init__(self, *args: Any, first: Sequence[str] = (), **how: Any) -> None:
        super().__init__(*args, **how)
        self.first = first

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        records = {param.name: param.get_help_record(ctx) for param in self.get_params(ctx)}
        for title, names in {"Most used": self.first, **GROUPS, "Help": records}.items():
            rows = [record for name in tuple(names) if (record := records.pop(name, None)) is not None]
            if rows:
                with formatter.section(title):
                    formatter.write_dl([(term.ljust(_COLUMN), text) for term, text in rows], col_max=_COLUMN)
