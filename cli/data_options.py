"""The options that name the data of a command, and how a table is read as a data set."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from fastnet.config.reading import NUMBERS, TASKS, Reading
from fastnet.errors import DataError

from .completion import complete_data
from .naming import flag, with_options
from .notes import note
from .options import DEFAULT_DATA, data_dir_option, load_part
from .parameters import Command, ListType, TextType

if TYPE_CHECKING:
    from fastnet.data.dataset import Dataset
    from fastnet.data.splitting import Split

READING = tuple(field.name for field in fields(Reading))
"""The options of a table, named like the fields of the library's `Reading`."""

MANY = {"number": "numbers", "category": "categories", "ordered": "ordered", "boolean": "booleans", "date": "dates"}
MOST_NOTES = 8


class DataType(click.types.StringParamType):
    """A name or path of data; an environment variable separates several like PATH does."""

    name = "text"
    envvar_list_splitter = os.pathsep


def dataset_options(command: Command) -> Command:
    """Add `--data`, which can be repeated, `--data-dir` and the options of a table."""
    return click.option(
        "--data",
        type=DataType(),
        multiple=True,
        default=(DEFAULT_DATA,),
        show_default=DEFAULT_DATA,
        metavar="NAME|FILE",
        shell_complete=complete_data,
        help="mnist5k or digits (both included), mnist, fashion-mnist, an .npz file with arrays x and y, sparse "
        "samples (.svm, .svmlight, .libsvm, or a SciPy array in an .npz file), or a table: a file in CSV, Parquet or "
        "Arrow format, a folder of them, or - for standard input. Repeat it for several files with the same columns.",
    )(data_dir_option(table_options(command)))


def table_options(command: Command) -> Command:
    """Add the options of a table."""
    for option in reversed(_table_options()):
        command = option(command)
    return command


def validation_data_option(command: Command) -> Command:
    """Add `--validation`."""
    return click.option(
        "--validation",
        type=DataType(),
        metavar="NAME|FILE",
        help="Validate on all training samples of this data set, or on all rows of this table, instead of a part of "
        "--data.",
    )(command)


def _table_options() -> list[Callable[[Command], Command]]:
    return [
        _list_option("target", "COLUMN", "Column of a table to predict; several for several targets."),
        _list_option("features", "COLUMN", "Predict from these columns only.  [default: all]"),
        _list_option("drop", "COLUMN", "Columns not to use."),
        _list_option(
            "types",
            "COLUMN=KIND",
            "Read a column as number, category, ordered, boolean, date or text, whatever its values look like; "
            "ordered:low<mid<high sets the order.",
        ),
        click.option("--weights", metavar="COLUMN", help="Column with each row's weight in losses and scores."),
        click.option("--group", metavar="COLUMN", help="Column with each row's group; no group is divided."),
        click.option(
            "--time", metavar="COLUMN", help="Column with each row's time; the latest rows validate and test."
        ),
        click.option(
            "--test",
            type=TextType(_test),
            metavar="FILE|SHARE|none",
            show_default="0.2",
            help="Test set of a table or of sparse samples: a file, a share of the rows in (0, 1), or none.",
        ),
        click.option(
            "--task",
            type=click.Choice(TASKS),
            default=TASKS[0],
            show_default=True,
            help="What to learn from a table or sparse samples: classes, numbers, or labels of two values each; auto "
            "decides by the target.",
        ),
        click.option(
            "--numbers",
            type=click.Choice(NUMBERS),
            default=NUMBERS[0],
            show_default=True,
            help="How the network reads the numbers of a table; auto is piecewise. Sparse samples are read as they are "
            "by auto; standard divides each column by its largest value.",
        ),
    ]


def _list_option(name: str, metavar: str, text: str) -> Callable[[Command], Command]:
    return click.option(f"--{name}", type=ListType(), multiple=True, callback=_items, metavar=metavar, help=text)


def _items(ctx: click.Context, param: click.Parameter, lists: Iterable[list[str]]) -> tuple[str, ...]:
    return tuple(item for items in lists for item in items)


def _test(text: str) -> float | str:
    """Read the value of `--test`."""
    try:
        return float(text)
    except ValueError:
        return text


def reading_of(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of a table that are given, by the names of the fields of `Reading`."""
    chosen = {name: given.get(name) for name in READING}
    return {name: value for name, value in chosen.items() if value not in (None, (), "auto")}


def source_of(data: Sequence[str]) -> str | list[str]:
    """Return what `load` takes for the value of `--data`."""
    return data[0] if len(data) == 1 else list(data)


def source_options(source: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the source of data that a study stores by the names of options; empty if it is not known."""
    given = {name: (source or {}).get(name) for name in ("data", "samples", "data_dir", "validation")}
    given |= {name: ((source or {}).get("reading") or {}).get(name) for name in READING}
    return {name: value for name, value in given.items() if value is not None}


def data_words(options: Mapping[str, Any]) -> list[str]:
    """Write options of data as words of a command line.

    >>> data_words({"data": ["a.csv", "b.csv"], "drop": ["age", "income, net"], "test": 0.3})
    ['--data', 'a.csv', '--data', 'b.csv', '--drop', 'age,"income, net"', '--test', '0.3']
    """
    words = []
    for name, value in options.items():
        several = value if name == "data" and isinstance(value, list) else [value]
        for each in several:
            words += [flag(name), ListType.written(each) if isinstance(each, list) else str(each)]
    return words


def load_described(given: Mapping[str, Any], samples: int | None = None) -> Dataset:
    """Load data as `load_dataset` does, and print on standard error how a table is read."""
    from fastnet.data.dataset import take_first

    dataset = load_dataset(given)
    for line in description(dataset):
        note(line)
    return take_first(dataset, samples) if samples else dataset


def load_dataset(given: Mapping[str, Any]) -> Dataset:
    """Load the data of `dataset_options`, with the progress of a download on standard error."""
    from fastnet.data.registry import load

    from .progress import DownloadDisplay

    with DownloadDisplay() as progress:
        return load(source_of(given["data"]), data_dir=given["data_dir"], progress=progress, **reading_of(given))


def load_validated(given: Mapping[str, Any], samples: int | None = None) -> tuple[Dataset, Split | None]:
    """Load the data, joined with the samples of `--validation` if that is given, and the split into both."""
    from fastnet.data.given import with_validation_given
    from fastnet.data.registry import is_source_of_table
    from fastnet.data.validation import with_validation

    other = given["validation"]
    if other is not None:
        _check_validation_is_named_once()
    dataset = load_described(given, samples)
    if other is None:
        return dataset, None
    if is_source_of_table(other) != (dataset.schema is not None):
        form = "no table" if dataset.schema is not None else "a table"
        raise DataError(f"--validation {other}: is {form}, unlike --data; both must have the same form")
    if dataset.schema is not None:
        return with_validation_given(dataset, other)
    return with_validation(dataset, load_part(other, given["data_dir"], "train", labels=True))


def _check_validation_is_named_once() -> None:
    ctx = click.get_current_context()
    for name in ("validation_fraction", "folds"):
        if ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            raise click.UsageError(f"--validation already names the validation samples: remove {flag(name)}.")


def description(dataset: Dataset) -> list[str]:
    """Describe what was inferred of a table or of sparse samples, in a line and a note for whatever is in doubt."""
    if dataset.sparse:
        return [f"{summary(dataset)} (--task and --test change that)"]
    if dataset.schema is None:
        return []
    notes = [f"Note: {with_options(text)}" for text in dataset.schema.notes]
    if len(notes) > MOST_NOTES:
        more = len(notes) - MOST_NOTES
        notes[MOST_NOTES:] = [f"Note: {more} more notes like these; fastnet data lists all columns."]
    return [f"{summary(dataset)} (--task, --types and --drop change that)", *notes]


def summary(dataset: Dataset) -> str:
    """Describe a data set in one line."""
    from fastnet.data.tables.columns import listed

    schema = dataset.schema
    tested = dataset.n_test
    answer = f"{dataset.n_classes} classes" if dataset.task == "classification" else f"{dataset.n_outputs} targets"
    if schema is None:
        samples = f"{dataset.n_samples} samples, {tested} test samples"
        return f"{dataset.name}: {samples}, {dataset.n_features} features, {answer}"
    kinds = Counter(schema.column(name).kind for name in schema.features_from)
    used = ", ".join(f"{n} {kind if n == 1 else MANY[kind]}" for kind, n in kinds.most_common())
    classes = f", {answer}" if schema.task == "classification" else ""
    return (
        f"{dataset.name}: {dataset.n_samples + tested:,} rows, {len(schema.columns)} columns | {schema.task} of "
        f"{listed(schema.targets)}{classes} | from {used}"
    )
