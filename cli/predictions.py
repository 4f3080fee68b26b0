"""Predictions as columns, and their formats: CSV, JSON Lines and Parquet, a batch of rows at a time."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

from fastnet.sheets import harmless_row

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

    from fastnet.model.predictor import Predictor

FORMATS = ("csv", "json", "parquet")


class Predictions(NamedTuple):
    """The predictions of some samples.

    Attributes
    ----------
    columns : dict of str to sequence
        What identifies the samples, and what is predicted, by name.
    probabilities : dict of str to sequence
        The probability of each class or label, if they are wanted.
    """

    columns: dict[str, Any]
    probabilities: dict[str, Any]

    def flat(self) -> dict[str, Any]:
        """Return all columns, those of probabilities as ``p(name)``."""
        return self.columns | {f"p({name})": values for name, values in self.probabilities.items()}


def predictions(
    model: Predictor,
    answers: npt.NDArray[np.floating[Any]],
    first: int,
    ids: dict[str, pa.Array],
    *,
    probabilities: bool,
) -> Predictions:
    """Arrange a model's answers to samples as columns, after their `ids` or numbers, which begin with `first`.

    The predicted class is in the column ``label``, or in that of the table's target.
    """
    import numpy as np

    from fastnet.model.scores import decided

    names: list[str] = list(model.class_names)
    found: dict[str, Any] = {}
    if model.task == "classification":
        kept = names
        found[_label_name(model)] = [names[k] for k in decided(answers, model.threshold).tolist()]
    else:
        kept = names if model.task == "multilabel" else []
        if model.quantiles:
            names = [f"{name} q{level:g}" for name in names for level in model.quantiles]
        shown = (answers > 0.5).astype(np.int64) if model.task == "multilabel" else answers
        found |= dict(zip(names, shown.T, strict=True))
    number = "sample number" if "sample" in found else "sample"
    identity: dict[str, Any] = dict(ids) or {number: np.arange(first, first + len(answers))}
    found = {f"predicted {name}" if name in identity else name: values for name, values in found.items()}
    chances = dict(zip(kept, answers.T, strict=True)) if probabilities else {}
    return Predictions(identity | found, chances)


def _label_name(model: Predictor) -> str:
    return "label" if model.schema is None else model.schema.targets[0]


def as_text(form: str, batches: Iterable[Predictions]) -> Iterator[str]:
    """Write predictions as CSV with a header, or as an object of JSON for each row; a text for each batch.

    In CSV no text is a formula of a spreadsheet.
    """
    for number, batch in enumerate(batches):
        if form == "json":
            yield "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in _rows(batch))
            continue
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        columns = batch.flat()
        if not number:
            writer.writerow(harmless_row(columns))
        writer.writerows(map(harmless_row, zip(*map(_plain, columns.values()), strict=True)))
        yield text.getvalue()


def _rows(batch: Predictions) -> Iterator[dict[str, Any]]:
    columns = [_plain(values) for values in batch.columns.values()]
    chances = [_plain(values) for values in batch.probabilities.values()]
    for number, cells in enumerate(zip(*columns, strict=True)):
        row = dict(zip(batch.columns, cells, strict=True))
        if chances:
            row["probabilities"] = {name: p[number] for name, p in zip(batch.probabilities, chances, strict=True)}
        yield row


def _plain(values: Any) -> Sequence[Any]:
    """Return Python's own values; float32 as the shortest decimal number that reads back as the same float32."""
    import numpy as np

    if isinstance(values, np.ndarray):
        if values.dtype == np.float32:
            return [float(str(value)) for value in values]
        return values.tolist()  # type: ignore[no-any-return]
    if isinstance(values, list):
        return values
    made = values.to_pylist()
    return [value if isinstance(value, (str, int, float, bool, type(None))) else str(value) for value in made]


def write_parquet(stream: BinaryIO, batches: Iterable[Predictions]) -> None:
    """Write predictions as a Parquet file, whose columns keep their types."""
    import pyarrow as pa
    from pyarrow import parquet

    writer = None
    for batch in batches:
        table = pa.table({name: pa.array(values) for name, values in batch.flat().items()})
        writer = writer or parquet.ParquetWriter(stream, table.schema)
        writer.write_table(table.cast(writer.schema))
    if writer is not None:
        writer.close()
