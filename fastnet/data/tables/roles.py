"""Which columns of a table are targets, features, weights, groups or times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fastnet.data.tables.columns import Column, listed, no_column
from fastnet.data.tables.naming import plain_name
from fastnet.errors import DataError

LIKELY = ("target", "label", "class", "y", "outcome", "response")
"""Names that targets often have, in lower case."""


@dataclass(frozen=True, slots=True)
class Roles:
    """Names of columns by what they are for.

    Attributes
    ----------
    targets : tuple of str
    features, drop : tuple of str
        Columns to use, all others are then left out; and columns not to use.
    weights, group, time : str or None
    """

    targets: tuple[str, ...]
    features: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()
    weights: str | None = None
    group: str | None = None
    time: str | None = None

    @property
    def in_numbers(self) -> tuple[str, ...]:
        """Columns that are read as numbers where they have some, even if they look like identifiers."""
        return (*self.targets, *(name for name in (self.weights, self.time) if name is not None))

    def unread(self, names: Sequence[str]) -> tuple[str, ...]:
        """Return the columns of a table that nothing is read from."""
        own = {*self.targets, self.weights, self.group, self.time}
        chosen = self.features or [name for name in names if name not in self.drop]
        return tuple(name for name in names if name not in chosen and name not in own)

    def left_out(self, columns: Sequence[Column]) -> dict[str, str]:
        """Return the columns that are no features, each with the reason; the targets are not among them.

        Raises
        ------
        DataError
            If a feature that is named cannot be one, or no feature is left.
        """
        own = {self.weights: "the weight of a row", self.group: "the group of a row", self.time: "the time of a row"}
        reasons: dict[str, str] = {}
        for column in columns:
            if column.name in self.targets:
                continue
            if column.name in self.features:
                if column.left_out:
                    raise DataError(
                        f"feature {column.name!r} is of kind {column.kind} ({column.why}) and cannot be used; choose "
                        "another kind for it in types, or leave it out"
                    )
            elif self.features:
                reasons[column.name] = own.get(column.name, "not among the features chosen")
            elif column.name in own:
                reasons[column.name] = own[column.name]
            elif column.name in self.drop:
                reasons[column.name] = "dropped"
            elif column.left_out:
                reasons[column.name] = f"{column.kind}: {column.why}"
        if len(reasons) + len(self.targets) == len(columns):
            why = listed([f"{name} ({reason})" for name, reason in reasons.items()], most=4)
            raise DataError(
                f"no column is left to predict {listed(self.targets)} from{f'; left out are {why}' if why else ''}; "
                "choose other features, or another kind for one in types"
            )
        return reasons


def likely_target(names: Sequence[str]) -> str:
    """Return the column that is most likely to be predicted: the first with a usual name, or else the last.

    Examples
    --------
    >>> likely_target(["age", "Outcome", "zip"]), likely_target(["age", "zip"])
    ('Outcome', 'zip')
    """
    return next((name for name in names if name.lower() in LIKELY), names[-1])


def roles_of(
    names: Sequence[str],
    targets: str | Sequence[str] | None,
    features: Sequence[str] = (),
    drop: Sequence[str] = (),
    weights: str | None = None,
    group: str | None = None,
    time: str | None = None,
) -> Roles:
    """Check names of columns, and return what each is for.

    Raises
    ------
    DataError
        If no target is given, a column is unknown, or one is named for two purposes.

    Examples
    --------
    >>> roles_of(("a", "b", "c"), "c", drop=["a"]).targets
    ('c',)
    """

    def known(given: str | Sequence[str] | None) -> tuple[str, ...]:
        each = (given,) if isinstance(given, str) else tuple(given or ())
        return tuple(name if name in names else plain_name(name) for name in each)

    chosen = known(targets)
    if not chosen:
        raise DataError(
            f"no target is given: name the column to be predicted as target, such as {likely_target(names)!r}; the "
            f"columns are {listed(names)}"
        )
    own = (("weights", known(weights)), ("group", known(group)), ("time", known(time)))
    named = [("target", chosen), ("features", known(features)), ("drop", known(drop)), *own]
    seen: dict[str, str] = {}
    for role, each in named:
        for name in each:
            if name not in names:
                raise DataError(no_column(role, name, names))
            allowed = role in ("group", "time") and seen.get(name) == "features"
            if name in seen and not allowed:
                twice = f"twice as {role}" if seen[name] == role else f"as {seen[name]} and as {role}"
                raise DataError(f"column {name!r} is named {twice}; name it once")
            seen[name] = role
    single = [next(iter(each), None) for _, each in own]
    return Roles(chosen, known(features), known(drop), *single)
