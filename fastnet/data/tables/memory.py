"""Tables in memory as tables of Arrow, whatever library they are from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from fastnet.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa


def is_frame(source: Any) -> bool:
    """Whether a table is a frame of pandas."""
    return hasattr(source, "columns") and hasattr(source, "iloc")


def as_arrow(source: Any) -> pa.Table:
    """Return a table in memory as one of Arrow, without the index of pandas.

    Columns of Python objects in which texts, numbers and truth values are mixed become text.

    Raises
    ------
    DataError
        If two columns have one name, or a column cannot be one of a table.

    Examples
    --------
    >>> as_arrow({"code": [1, "A", None, 2.0]}).to_pydict()
    {'code': ['1', 'A', None, '2']}
    """
    import pyarrow as pa

    if isinstance(source, Mapping):
        _check_cells(source)
    try:
        return _converted(source)
    except (pa.ArrowException, TypeError, ValueError, KeyError, AttributeError) as error:
        _check_names(source)
        if is_frame(source) or isinstance(source, Mapping):
            return _by_column(source)
        raise DataError(f"the table: cannot be read as a table ({_said(error)})") from None


def _converted(source: Any) -> pa.Table:
    import pyarrow as pa

    return pa.Table.from_pandas(source, preserve_index=False) if is_frame(source) else pa.table(source)


def _check_names(source: Any) -> None:
    names = [str(name) for name in getattr(source, "columns", ())]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise DataError(f"the table: two columns have the name {twice!r}; rename one")


def _check_cells(source: Mapping[Any, Any]) -> None:
    """Refuse single cells in place of columns; a text would be one cell a letter."""
    for name, cells in source.items():
        if isinstance(cells, (str, bytes)) or not (hasattr(cells, "__len__") or hasattr(cells, "__arrow_c_array__")):
            raise DataError(
                f"the table: column {name!r} is {type(cells).__name__}, where a sequence of cells is needed, one a row"
            )


def _by_column(source: Any) -> pa.Table:
    """Convert column by column, those that Arrow refuses as text."""
    import pyarrow as pa

    arrays = {}
    for name in source:
        cells = source[name]
        try:
            arrays[str(name)] = pa.array(cells, from_pandas=True)
        except (pa.ArrowException, TypeError, ValueError) as error:
            arrays[str(name)] = pa.array([_text(cell, name, error) for cell in cells], pa.string())
    lengths = {name: len(array) for name, array in arrays.items()}
    if len(set(lengths.values())) > 1:
        shown = ", ".join(f"{name} {length}" for name, length in list(lengths.items())[:4])
        raise DataError(f"the table: cannot be read as a table: its columns have different lengths ({shown})")
    return pa.table(arrays)


def _text(cell: Any, name: Any, error: BaseException) -> str | None:
    if cell is None or isinstance(cell, str):
        return cell
    if isinstance(cell, bool):
        return str(cell).lower()
    if isinstance(cell, (int, float)):
        return None if cell != cell else str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell)
    if type(cell).__name__ in ("NAType", "NaTType"):
        return None
    if hasattr(cell, "item") and getattr(cell, "ndim", 1) == 0:
        return _text(cell.item(), name, error)
    raise DataError(f"the table: column {name!r} cannot be read ({_said(error)}); convert it, or drop it") from None


def _said(error: BaseException) -> str:
    """Return the first thing that a library says, in one line."""
    words = error.args[0] if error.args and isinstance(error.args[0], str) else str(error)
    return words.splitlines()[0] if words else type(error).__name__
