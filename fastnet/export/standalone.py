"""Predict with a trained model of fastnet, by NumPy alone.

The file `weights.npz` next to this one holds all that the model learnt. In Python 3.11 or later,

    python predict.py rows.csv --probabilities

prints a prediction for each row of a CSV file, and in a program

    from predict import predict, predict_proba

    predict({"age": [39, None], "job": ["clerk", "driver"]})

takes a dict of columns, each a sequence of cells (numbers, texts, dates, None for a missing one), in any order; columns
that the model does not use are ignored. A model that was trained on an array takes an array, (N, F).
"""

from __future__ import annotations

import csv
import json
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

MISSING = frozenset(
    (
        *("", "?", "na", "n/a", "nan", "-nan", "null", "none", "nil", "-", "--", ".", "missing", "<na>", "nat", "\\n"),
        *("#n/a", "#na", "#n/a n/a", "#div/0!", "#value!", "#ref!", "#name?", "#num!", "#null!"),
        *("1.#ind", "-1.#ind", "1.#qnan", "-1.#qnan", "0000-00-00", "0000-00-00 00:00:00"),
    )
)
"""Texts, in lower case, that stand for a missing value."""

TRUTHS = (frozenset(("0", "false", "f", "no", "n", "off")), frozenset(("1", "true", "t", "yes", "y", "on")))
"""Texts, in lower case, that mean false, and those that mean true."""

DAY = 86400.0
LEAST = float(np.finfo(np.float32).tiny)

_PLAIN = re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?", re.ASCII)
_GROUPS = re.compile(r"[^\d.]*\d{1,3}(\.\d{3})+(,\d*)?[^\d.]*", re.ASCII)
_DECORATED = re.compile(
    "[-+]?[$€£¥]?[\\s\u00a0\u202f]?[-+]?(\\d{1,3}([,'’ \u00a0\u202f]\\d{3})+|\\d+)(\\.\\d*)?[\\s\u00a0\u202f]?[%€$£]?",
    re.ASCII,
)
_WHOLE = re.compile(r"([-+]?\d+)\.0+", re.ASCII)


def predict(x: Any) -> Array:
    """Predict each row: its class, its numbers or quantiles, or its labels of 0 and 1."""
    return _model().predict(x)


def predict_proba(x: Any) -> Array:
    """Return the probability of each class, or of each label, in the order of ``class_names`` in the description."""
    return _model().predict_proba(x)


@cache
def _model() -> Program:
    return Program(Path(__file__).with_name("weights.npz"))


class Program:
    """A model as its file describes it.

    Attributes
    ----------
    about : dict
        The description: tasks, names, columns of the table and how they are read.
    """

    def __init__(self, path: Path) -> None:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        self.about: dict[str, Any] = json.loads(str(arrays.pop("description")))
        described = self.about.get("members", [self.about])
        self.members: list[tuple[dict[str, Any], dict[str, Array]]] = []
        for number, one in enumerate(described):
            begin = f"members.{number}." if "members" in self.about else ""
            own = {name.removeprefix(begin): array for name, array in arrays.items() if name.startswith(begin)}
            self.members.append((one, own))
        self.first_alike = [self._first_alike(number) for number in range(len(described))]
        self.counts: list[int] = self.about.get("weights", [1])
        self.objective: str = described[0].get("objective", "cross-entropy")
        self.n_levels = max(len(described[0].get("quantiles", [])), 1)

    @property
    def task(self) -> str:
        """What it predicts: ``classification``, ``multilabel`` or ``regression``."""
        return {"cross-entropy": "classification", "binary-cross-entropy": "multilabel"}.get(
            self.objective, "regression"
        )

    def predict(self, x: Any) -> Array:
        """Predict as the function of this name does."""
        answers = self.answers(x)
        if self.task == "classification":
            classes: Array = np.array(self.about["classes"])
            return classes[self.decided(answers)]
        if self.task == "multilabel":
            labels: Array = (answers > 0.5).astype(np.int64)
            return labels
        n_targets = len(self.about["class_names"])
        shape = [n_targets] if n_targets > 1 else []
        shape += [self.n_levels] if self.objective == "pinball" else []
        numbers: Array = answers.reshape(len(answers), *shape)
        return numbers

    def predict_proba(self, x: Any) -> Array:
        """Return probabilities as the function of this name does."""
        if self.task == "regression":
            raise ValueError("this model predicts numbers, which have no probabilities: use predict")
        return self.answers(x)

    def decided(self, answers: Array) -> Array:
        """Return the position of the predicted class: the most probable, or by a threshold the second of two."""
        decided: Array = np.argmax(answers, axis=1)
        if "threshold" in self.about:
            decided = (answers[:, 1].astype(np.float64) >= self.about["threshold"]).astype(np.int64)
        return decided

    def answers(self, x: Any) -> Array:
        """Return probabilities, (N, O) float32, or numbers, (N, K) float64 in their own units."""
        features = features_of(self.about["table"], x) if "table" in self.about else self._array(x)
        inputs: dict[int, Array] = {}
        answers = []
        for (one, own), alike in zip(self.members, self.first_alike, strict=True):
            if alike not in inputs:
                inputs[alike] = inputs_of(one.get("pipeline", {}), own, features)
            answers.append(network_answers(one, own, inputs[alike], self.n_levels))
        if "members" not in self.about:
            return answers[0]
        total = sum(count * each.astype(np.float64) for count, each in zip(self.counts, answers, strict=True))
        mean = (np.asarray(total) / sum(self.counts)).astype(answers[0].dtype)
        return corrected(self.about, mean, limits_of(self.members), self.n_levels)

    def _first_alike(self, number: int) -> int:
        """Return the first network that reads the same inputs."""
        read = [
            {name: array for name, array in own.items() if name.startswith(("pipeline.", "scaler."))}
            for _, own in self.members[: number + 1]
        ]
        for place, arrays in enumerate(read):
            same = self.members[place][0].get("pipeline") == self.members[number][0].get("pipeline")
            if (
                same
                and arrays.keys() == read[-1].keys()
                and all(
                    arrays[name].dtype == array.dtype and np.array_equal(arrays[name], array)
                    for name, array in read[-1].items()
                )
            ):
                return place
        return number

    def _array(self, x: Any) -> Array:
        """Return samples in the type that the scaling is in."""
        array = np.asarray(x.toarray() if hasattr(x, "toarray") else x)
        double = any(own["scaler.offset"].dtype == np.float64 for _, own in self.members if "scaler.offset" in own)
        return array.reshape(len(array), -1).astype(np.float64 if double else np.float32)


# Cells ----------------------------------------------------------------------------------------------------------------


def features_of(table: Mapping[str, Any], columns: Mapping[str, Any]) -> Array:
    """Read the features of a table, (N, F) float32: numbers, and positions of levels; NaN where one is missing."""
    described = {column["name"]: column for column in table["columns"]}
    values: dict[str, Array] = {}
    features = []
    for field in table["fields"]:
        name = field["column"]
        if name not in columns:
            raise ValueError(f"column {name!r} is missing")
        if name not in values:
            values[name] = column_values(described[name], columns[name])
        given, part = values[name], field["name"].removeprefix(f"{name}.")
        if described[name]["kind"] == "date":
            given = given / DAY - field["offset"] if field["name"] == name else part_of(given, part)
        else:
            given = given - field["offset"]
        features.append(given.astype(np.float32))
    return np.stack(features, axis=1)


def column_values(column: Mapping[str, Any], cells: Any) -> Array:
    """Read the cells of a column: numbers, seconds of dates, or positions in its levels, -1 for an unknown one."""
    array = cells if isinstance(cells, np.ndarray) else np.array(list(cells), dtype=object)
    if column["kind"] == "date":
        seconds = seconds_of(array, column["formats"] or ["ISO 8601"])
        return np.where(np.isin(np.floor(seconds / DAY) * DAY, column["sentinels"]), np.nan, seconds)
    if column["kind"] == "number":
        numbers = numbers_of(array, column["decimal"])
        numbers[np.isin(numbers, column["sentinels"]) | ~np.isfinite(numbers)] = np.nan
        return numbers
    lower = column["kind"] == "boolean"
    places = {level.lower() if lower else level: float(place) for place, level in enumerate(column["levels"])}
    sides = [next((k for k, texts in enumerate(TRUTHS) if text in texts), None) for text in places]
    if lower and sorted(sides, key=str) == [0, 1]:
        places = {text: float(sides.index(k)) for k, texts in enumerate(TRUTHS) for text in texts}
    found = []
    for text in map(text_of, array.tolist()):
        known = text if text is None else _WHOLE.sub(r"\1", text) if _WHOLE.fullmatch(text) else text
        found.append(np.nan if known is None else places.get(known.lower() if lower else known, -1.0))
    return np.array(found, np.float64)


def text_of(cell: Any) -> str | None:
    """Return a cell as text, whole numbers without a decimal point; None if it is missing."""
    if cell is None:
        return None
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    text = str(cell).strip()
    return None if text.lower() in MISSING else text


def numbers_of(cells: Array, decimal: str) -> Array:
    """Read cells as numbers, texts also with thousands separated, a currency or a percent sign; NaN for others."""
    if cells.dtype.kind in "iufb":
        return cells.astype(np.float64)
    return np.array([_number(cell, decimal) for cell in cells.tolist()], np.float64)


def _number(cell: Any, decimal: str) -> float:
    if isinstance(cell, (int, float, np.number)):
        return float(cell)
    text = text_of(cell) or ""
    if decimal == ",":
        text = (text.replace(".", "") if _GROUPS.fullmatch(text) else text).replace(",", ".")
    text = text.replace("\u2212", "-")
    if not _PLAIN.fullmatch(text) and _DECORATED.fullmatch(text):
        text = re.sub("[$€£¥%,'’\\s\u00a0\u202f+]", "", text, flags=re.ASCII)
    return float(text) if _PLAIN.fullmatch(text) else np.nan


def seconds_of(cells: Array, formats: Sequence[str]) -> Array:
    """Read cells as dates: Unix time in seconds, UTC; NaN for what is none."""
    if cells.dtype.kind == "M":
        whole = cells.astype("datetime64[s]")
        return np.where(np.isnat(whole), np.nan, whole.astype(np.int64).astype(np.float64))
    return np.array([_seconds(cell, formats) for cell in cells.tolist()], np.float64)


def _seconds(cell: Any, formats: Sequence[str]) -> float:
    if isinstance(cell, date) and cell == cell:  # NaT is not equal to itself
        when = cell if isinstance(cell, datetime) else datetime(cell.year, cell.month, cell.day)
        return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()
    text = text_of(cell) if isinstance(cell, str) else None
    for each in formats if text else ():
        assert text is not None
        try:
            when = datetime.fromisoformat(text) if each == "ISO 8601" else datetime.strptime(text, each)
        except ValueError:
            continue
        if each != "ISO 8601" or "-" in text:
            return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()
    return np.nan


def part_of(seconds: Array, part: str) -> Array:
    """Return a part of dates: year, month, day, weekday (0 for Monday) or hour."""
    known = ~np.isnan(seconds)
    days = np.floor(seconds[known] / DAY)
    whole = days.astype(np.int64).astype("datetime64[D]")
    months = whole.astype("datetime64[M]")
    found: dict[str, Array] = {
        "year": months.astype(np.int64) // 12 + 1970,
        "month": months.astype(np.int64) % 12 + 1,
        "day": (whole - months.astype("datetime64[D]")).astype(np.int64) + 1,
        "weekday": (days.astype(np.int64) + 3) % 7,
        "hour": np.floor((seconds[known] - days * DAY) / 3600.0),
    }
    made = np.full(len(seconds), np.nan)
    made[known] = found[part]
    return made


# From features to inputs ----------------------------------------------------------------------------------------------


def inputs_of(about: Mapping[str, Any], own: Mapping[str, Array], features: Array) -> Array:
    """Return what the first layer reads of (N, F) features, (N, I) float32."""
    if "fields" in about:
        return table_inputs(about, own, features.astype(np.float32))
    if "sparse" in about:
        return features.astype(np.float32) * own.get("pipeline.factors", np.float32(1))
    offset, scale = own["scaler.offset"], own["scaler.scale"]
    scaled: Array = ((features.astype(offset.dtype) - offset) * scale).astype(np.float32)
    return scaled


def table_inputs(about: Mapping[str, Any], own: Mapping[str, Array], x: Array) -> Array:
    """Fill in missing values, scale numbers, and write out bins of numbers and levels of categories."""
    kinds = np.array([field["kind"] for field in about["fields"]])
    missing = np.isnan(x) | ((kinds != "number") & (x < 0))
    values = np.where(missing, own["pipeline.filling"], x.astype(np.float64))
    dense = own["pipeline.dense"]
    scaled = scaled_numbers(own, values[:, dense])
    number = kinds[dense] == "number"
    blocks = [scaled[:, number], missing[:, own["pipeline.indicators"]], scaled[:, ~number]]
    for place, edges in zip(own["pipeline.encoded"].tolist(), parts_of(own, "edges"), strict=True):
        share = (values[:, [place]] - edges[:-1]) / (edges[1:] - edges[:-1])
        blocks.append(np.clip(share, 0.0, 1.0))  # 1 in the bins below the value, 0 in those above
    for level, inputs in zip(about["levels"], parts_of(own, "inputs"), strict=True):
        given, width = x[:, level["column"]], level["n_inputs"]
        lost = np.isnan(given)
        found = inputs[np.where(lost, -1, given).astype(np.int64)]
        found[lost] = width
        blocks.append(found[:, None] == np.arange(width))
    return np.concatenate([block.astype(np.float32) for block in blocks], axis=1)


def scaled_numbers(own: Mapping[str, Array], values: Array) -> Array:
    """Scale numbers: shifted and multiplied, clipped smoothly, or by their rank."""
    z: Array = (values - own["pipeline.offset"]) * own["pipeline.scale"]
    clipped = own["pipeline.clipped"].astype(bool)
    z[:, clipped] /= np.sqrt(1.0 + np.square(z[:, clipped] / 3.0))
    for place, (knots, scores) in enumerate(zip(parts_of(own, "knots"), parts_of(own, "scores"), strict=True)):
        if len(knots):
            z[:, place] = np.interp(values[:, place], knots, scores)
    return z


def parts_of(own: Mapping[str, Array], name: str) -> list[Array]:
    """Divide arrays that are stored end to end."""
    sizes = own[f"pipeline.{name}.sizes"]
    return np.split(own[f"pipeline.{name}"], np.cumsum(sizes)[:-1]) if len(sizes) else []


# The network ----------------------------------------------------------------------------------------------------------


def network_answers(about: Mapping[str, Any], own: Mapping[str, Array], value: Array, n_levels: int) -> Array:
    """Return the answers of one network to (N, I) inputs: probabilities, or numbers in their own units."""
    scales, n_heads = [*about["eval_scales"], 1.0], about.get("heads", 1)
    for layer, scale in enumerate(scales):
        weight, bias = own[f"layers.{layer}.weight"], own[f"layers.{layer}.bias"]
        if n_heads > 1 and layer == len(scales) - 1:  # each head has columns of its own
            weight = np.moveaxis(weight.reshape(len(weight), n_heads, -1), 1, 0)
            bias = bias.reshape(n_heads, 1, -1)
        value = value @ weight + bias
        if n_heads > 1 and layer == 0:
            value = value * signs_of(n_heads, value.shape[1])[:, None]
        if layer < len(scales) - 1:
            value = ACTIVATIONS[about["activation"]](value) * np.float32(scale)
    value = value.mean(axis=0) if n_heads > 1 else value
    objective = about.get("objective", "cross-entropy")
    with np.errstate(over="ignore"):
        if objective == "cross-entropy":
            value = softmax(value)
        elif objective == "binary-cross-entropy":
            value = logistic(value)
        elif objective == "poisson":
            value = np.exp(value.astype(np.float64)).astype(np.float32)
        elif objective == "pinball":
            value = ascending(value, n_levels)
        if "targets" in about:
            scale, mean, low, high = (
                np.repeat(own[f"targets.{name}"], n_levels) for name in ("scale", "mean", "low", "high")
            )
            numbers = value.astype(np.float64) * scale + mean
            value = np.clip(np.expm1(numbers) if about["targets"]["log"] else numbers, low, high)
    return corrected(about, value, limits_of([(about, own)]), n_levels)


def signs_of(n_heads: int, width: int) -> Array:
    """Return the signs with which each head sees the units of the first hidden layer, (M, O)."""
    odd = [[bin(head & unit).count("1") % 2 for unit in range(width)] for head in range(n_heads)]
    return 1 - 2 * np.array(odd, np.float32)


def corrected(about: Mapping[str, Any], answers: Array, limits: tuple[Array, Array], n_levels: int) -> Array:
    """Apply the temperature of probabilities, or the shifts of quantiles, that calibration found."""
    if "shifts" in about:
        shifted = ascending(answers + np.array(about["shifts"]), n_levels)
        return np.clip(shifted, *(np.repeat(limit, n_levels) for limit in limits))
    if "temperature" in about:
        logs = np.log(np.maximum(answers.astype(np.float64), LEAST))
        return softmax(logs / about["temperature"]).astype(np.float32)
    return answers


def limits_of(members: Sequence[tuple[Mapping[str, Any], Mapping[str, Array]]]) -> tuple[Array, Array]:
    """Return the least and the largest number that networks answer with, for each target."""
    known = [own for _, own in members if "targets.low" in own]
    if not known:
        return np.zeros(0), np.zeros(0)
    return np.min([own["targets.low"] for own in known], axis=0), np.max([own["targets.high"] for own in known], axis=0)


def ascending(values: Array, n_levels: int) -> Array:
    """Put each `n_levels` values of a row in order."""
    in_order: Array = np.sort(values.reshape(len(values), -1, n_levels), axis=2).reshape(values.shape)
    return in_order


def softmax(z: Array) -> Array:
    """Return probabilities from logits."""
    powers = np.exp(z - z.max(axis=1, keepdims=True))
    probabilities: Array = powers / powers.sum(axis=1, keepdims=True)
    return probabilities


def logistic(z: Array) -> Array:
    """Return 1 / (1 + exp(-z)) without overflow."""
    e = np.exp(-np.abs(z))
    return np.where(z > 0, 1 / (1 + e), e / (1 + e))


def gelu(z: Array) -> Array:
    """Return z times the probability that a standard normal variable lies below it, to 2^-26."""
    a = np.minimum(np.abs(z), np.float32(13.19))
    u = 1 / (1 + np.float32(0.265625) * a)
    p = np.zeros_like(u)
    for factor in TAIL:
        p = p * u + np.float32(factor)
    beyond = np.exp(-a * a / 2) * (p * u)
    return z * np.where(z > 0, 1 - beyond, beyond)


TAIL = (
    *(0.0306695793, -0.142309457, 0.212153271, -0.110621832, 0.13418889),
    *(0.0618205257, 0.102573283, 0.105537042, 0.105988704),
)
"""The normal distribution beyond a is exp(-a²/2) times a polynomial in 1 / (1 + 0.265625 a), the last factor first."""

ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "relu": lambda z: np.maximum(z, np.float32(0)),
    "leaky-relu": lambda z: np.where(z > 0, z, np.float32(0.01) * z),
    "tanh": lambda z: np.asarray(np.tanh(z)),
    "logistic": logistic,
    "gelu": gelu,
    "silu": lambda z: z * logistic(z),
}
"""The activations of hidden layers."""


# The command line -----------------------------------------------------------------------------------------------------


def read_csv(path: str) -> dict[str, list[str]]:
    """Read a CSV file with a line of names, whose cells are separated by commas, semicolons, tabs or bars."""
    with open(path, encoding="utf-8-sig", newline="") as file:
        first = file.readline()
        file.seek(0)
        rows = list(csv.reader(file, delimiter=max(",;\t|", key=first.count)))
    columns: dict[str, list[str]] = {}
    names = [name.strip() for name in rows[0]]
    for k, given in enumerate(names):
        base = name = given or f"column {k + 1}"
        number = 2
        while name in columns or (name != given and name in names):
            name, number = f"{base} ({number})", number + 1
        columns[name] = [row[k] if k < len(row) else "" for row in rows[1:] if row]
    return columns


def written(program: Program, x: Any, *, probabilities: bool) -> Iterable[list[Any]]:
    """Yield a line of names, and the prediction of each row after what identifies it."""
    answers = program.answers(x)
    names: list[str] = program.about["class_names"]
    table = program.about.get("table", {"columns": [], "targets": ["label"]})
    ids = {c["name"]: x[c["name"]] for c in table["columns"] if c["kind"] == "identifier" and c["name"] in x}
    found: dict[str, Iterable[Any]] = {}
    if program.task == "classification":
        found[table["targets"][0]] = [names[k] for k in program.decided(answers)]
    else:
        levels = [f" q{level:g}" for level in program.members[0][0].get("quantiles", [])] or [""]
        shown = (answers > 0.5).astype(np.int64) if program.task == "multilabel" else answers
        found = dict(zip([f"{name}{level}" for name in names for level in levels], shown.T.tolist(), strict=True))
    number = "sample number" if "sample" in found else "sample"
    identity = ids or {number: range(len(answers))}
    found = {f"predicted {name}" if name in identity else name: values for name, values in found.items()}
    if probabilities and program.task != "regression":
        chances = ([float(str(value)) for value in column] for column in answers.T)
        found |= {f"p({name})": values for name, values in zip(names, chances, strict=True)}
    columns = identity | found
    yield [harmless(name) for name in columns]
    for row in zip(*columns.values(), strict=True):
        yield [harmless(cell) for cell in row]


def harmless(cell: Any) -> Any:
    """Return a cell with an apostrophe before a text that a spreadsheet would take for a formula."""
    if not isinstance(cell, str):
        return cell
    text = cell.replace("\r\n", "\n").replace("\r", "\n")
    return f"'{text}" if text.startswith(tuple("=+-@\t\n＝＋－＠")) and not _PLAIN.fullmatch(text) else text


def main(arguments: Sequence[str]) -> int:
    """Print the predictions for the rows of a file."""
    paths = [argument for argument in arguments if not argument.startswith("-")]
    if len(paths) != 1 or {*arguments} - {*paths, "--probabilities"}:
        sys.stderr.write("usage: python predict.py ROWS.csv [--probabilities]\n")
        return 2
    program = _model()
    x: Any = read_csv(paths[0])
    if "table" not in program.about:
        x = np.array([*x.values()], dtype=object).T.astype(np.float64)
    csv.writer(sys.stdout, lineterminator="\n").writerows(
        written(program, x, probabilities="--probabilities" in arguments)
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
