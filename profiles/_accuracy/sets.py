"""The tables of `accuracy.py`, their outer splits, and which of them may decide about defaults.

A default is chosen by the tables that decide. Nothing is decided by the others: what they show is what a new table
shows. The division was written down before the first of the measurements in docs/accuracy.md. Of the tables that
decide, all had taken part in a decision before; of those put aside, none.
"""

from __future__ import annotations

import csv
import gzip
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

DECIDING = ("adult", "bikeshare", "california", "credit_data", "diamonds", "magic", "phoneme", "splice", "wa_churn")
ASIDE = ("ames", "letter", "loans_full", "marketing", "breast_cancer", "diabetes", "digits")

HALVES = {"all tables": DECIDING + ASIDE, "tables put aside": ASIDE, "tables that decide": DECIDING}
"""Tables whose figures are put together, by what they are called."""

TEST_SHARE = VALIDATION_SHARE = 0.2
MOST_LEVELS = 255
"""Categories that boosted trees take; a column with more is read as numbers."""


@dataclass(frozen=True)
class Table:
    """One table: its target, and columns that hold the target."""

    target: str
    classes: bool
    leaks: tuple[str, ...] = ()


TABLES = {
    "adult": Table("income", True),
    "ames": Table("Sale_Price", False),
    "bikeshare": Table("bikers", False, ("casual", "registered")),
    "breast_cancer": Table("target", True),
    "california": Table("MedHouseVal", False),
    "credit_data": Table("Status", True),
    "diabetes": Table("target", False),
    "diamonds": Table("price", False),
    "digits": Table("target", True),
    "letter": Table("target", True),
    "loans_full": Table("interest_rate", False),
    "magic": Table("target", True),
    "marketing": Table("target", True),
    "phoneme": Table("target", True),
    "splice": Table("target", True),
    "wa_churn": Table("churn", True),
}

FROM_SKLEARN = ("breast_cancer", "diabetes", "digits")


def split_into(folder: Path, tables: Path, name: str, number: int) -> None:
    """Write train.csv and test.csv, as their rows stand in the table, and data.npz, what other libraries read.

    The rows that test are a fifth, of classes the same share of each; `number` is the seed.
    """
    import fastnet

    header, rows = _rows(tables, name)
    table = TABLES[name]
    leaks = {header.index(leak) for leak in table.leaks}
    kept = [place for place in range(len(header)) if place not in leaks]
    header, rows = [header[k] for k in kept], [[row[k] for k in kept] for row in rows]
    target = header.index(table.target)
    train, test = _halves(np.array([row[target] for row in rows]), TEST_SHARE, number, table.classes)
    for part, chosen in (("train", train), ("test", test)):
        with (folder / f"{part}.csv").open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([header, *(rows[row] for row in chosen.tolist())])
    data = fastnet.load(folder / "train.csv", target=table.target, test=folder / "test.csv")
    y, y_test = (part if table.classes else part[:, 0] for part in (data.y, data.y_test))
    learn, validate = _halves(y, VALIDATION_SHARE, number, table.classes)
    np.savez(
        folder / "data.npz", x=data.x, y=y, x_test=data.x_test, y_test=y_test, learn=learn, validate=validate,
        kinds=[field.kind for field in data.fields], levels=[len(field.levels) for field in data.fields],
        n_classes=data.n_classes,
    )  # fmt: skip


def _rows(tables: Path, name: str) -> tuple[list[str], list[list[str]]]:
    if name in FROM_SKLEARN:
        from sklearn import datasets

        found = getattr(datasets, f"load_{name}")(as_frame=True).frame
        return [str(column) for column in found.columns], [[str(value) for value in row] for row in found.to_numpy()]
    with gzip.open(tables / f"{name}.csv.gz", "rt", newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    return header, rows


def _halves(y: NDArray[Any], share: float, seed: int, classes: bool) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    from sklearn.model_selection import train_test_split

    parts = train_test_split(np.arange(len(y)), test_size=share, random_state=seed, stratify=y if classes else None)
    return parts[0], parts[1]


class Prepared:
    """A split as other libraries read it.

    Attributes
    ----------
    x, y, x_test, y_test : ndarray
        Features with NaN for a missing number and -1 for a missing category; classes as whole numbers.
    learn, validate : ndarray
        Rows of x.
    n_classes : int
        0 for numbers.
    """

    def __init__(self, folder: Path) -> None:
        with np.load(folder / "data.npz") as held:
            self.x, self.y, self.x_test, self.y_test = (held[name] for name in ("x", "y", "x_test", "y_test"))
            self.learn, self.validate = held["learn"], held["validate"]
            self.kinds, self.levels = held["kinds"].tolist(), held["levels"].tolist()
            self.n_classes = int(held["n_classes"])

    def for_trees(self, x: NDArray[Any]) -> NDArray[np.float64]:
        """Return features in which everything that is missing is NaN."""
        of_levels = np.array([kind != "number" for kind in self.kinds])
        return np.where(of_levels & (x < 0), np.nan, x.astype(np.float64))

    @property
    def categories(self) -> list[bool]:
        """Which columns trees read as categories."""
        return [
            kind == "category" and levels <= MOST_LEVELS for kind, levels in zip(self.kinds, self.levels, strict=True)
        ]

    def for_networks(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return features and test features as scikit-learn makes them for a network, learnt from the rows that learn.

        Numbers and ordered categories get medians for missing values, an indicator, and the standard scale; the others
        one column for each level that occurs.
        """
        from sklearn.compose import make_column_transformer
        from sklearn.impute import SimpleImputer
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import OneHotEncoder, StandardScaler

        places = range(len(self.kinds))
        numbers = [k for k in places if self.kinds[k] != "category"]
        others = [k for k in places if self.kinds[k] == "category"]
        made = make_column_transformer(
            (make_pipeline(SimpleImputer(strategy="median", add_indicator=True), StandardScaler()), numbers),
            (OneHotEncoder(handle_unknown="ignore", sparse_output=False), others),
            sparse_threshold=0.0,
        )
        parts = self.for_trees(self.x), self.for_trees(self.x_test)
        made.fit(parts[0][self.learn])
        return tuple(made.transform(part).astype(np.float32) for part in parts)  # type: ignore[return-value]
