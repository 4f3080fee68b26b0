"""Sparse features as inputs: as they are given, or each column divided by its largest value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnet.errors import DataError

_LARGEST_FLOAT32 = float(np.finfo(np.float32).max)


@dataclass(frozen=True, slots=True, eq=False)
class SparseScaler:
    """A factor for each column of sparse features, or none; zeros stay zeros.

    Attributes
    ----------
    n_fields : int
        Number of columns.
    factors : ndarray, shape (F,), float32, or None
        None if all are 1, so that features and inputs are the same object.
    """

    n_fields: int
    factors: NDArray[np.float32] | None = None

    @property
    def dtype(self) -> np.dtype[np.floating[Any]]:
        """Type of the features, float32."""
        return np.dtype(np.float32)

    @property
    def of_images(self) -> bool:
        """Whether it was learnt from images: never."""
        return False

    @property
    def n_inputs(self) -> int:
        """Width of the first layer: one input a column."""
        return self.n_fields

    @property
    def input_names(self) -> tuple[str, ...]:
        """A name for each input: its number."""
        return tuple(f"feature {place}" for place in range(self.n_fields))

    def to_parts(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """Return a description, ready for JSON, and the factors, if there are any."""
        header = {"sparse": self.n_fields}
        return header, {} if self.factors is None else {"pipeline.factors": self.factors}

    def apply(self, x: Any) -> Any:
        """Return sparse features times the factors: a csr_array in float32, `x` itself without factors.

        Raises
        ------
        DataError
            If `x` has another number of columns, or a scaled value is too large for float32.

        Examples
        --------
        >>> from scipy import sparse
        >>> x = sparse.csr_array(np.float32([[0.0, 3.0]]))
        >>> SparseScaler(2, np.float32([1.0, 0.5])).apply(x).toarray()
        array([[0. , 1.5]], dtype=float32)
        >>> SparseScaler(2).apply(x) is x
        True
        """
        if x.ndim != 2 or x.shape[1] != self.n_fields:
            raise DataError(f"x has shape {x.shape}: samples of {self.n_fields} features are needed")
        if self.factors is None:
            return x
        with np.errstate(over="ignore"):  # refused below
            scaled = x.data * self.factors[x.indices]
        if len(scaled) and not np.isfinite([scaled.min(), scaled.max()]).all():
            place = int((~np.isfinite(scaled)).argmax())
            row = int(np.searchsorted(x.indptr, place, side="right")) - 1
            raise DataError(
                f"x[{row}, {x.indices[place]}] is {x.data[place]:g}: too far from the training samples to be scaled "
                "within float32; correct it or remove the row"
            )
        return type(x)((scaled, x.indices, x.indptr), shape=x.shape)


def fit_sparse(x: Any, rows: NDArray[np.int64], *, scale: bool) -> SparseScaler:
    """Learn the factors of sparse features; `rows` are those to learn from.

    With `scale` each column is divided by its largest absolute value in these rows, as by scikit-learn's
    ``MaxAbsScaler``; a column without a value there keeps its scale. That is not the default: of 63,562 descriptions of
    packages as TF-IDF with 20,000 columns, in 53 sections, 30 trials reached 0.8546 of the validation samples at best
    and 0.8630 together as they are given, 0.8514 and 0.8595 scaled.

    Examples
    --------
    >>> from scipy import sparse
    >>> x = sparse.csr_array(np.float32([[0.0, 4.0], [0.0, -8.0], [5.0, 0.0]]))
    >>> fit_sparse(x, np.array([0, 1]), scale=True).factors
    array([1.   , 0.125], dtype=float32)
    """
    n_fields = int(x.shape[1])
    if not scale:
        return SparseScaler(n_fields)
    learnt = x[rows]
    largest = np.zeros(n_fields, np.float64)
    np.maximum.at(largest, learnt.indices, np.abs(learnt.data))
    with np.errstate(divide="ignore"):
        factors = np.where(largest > 0, 1.0 / largest, 1.0)
    large = factors > _LARGEST_FLOAT32
    if large.any():
        column = int(large.argmax())
        raise DataError(
            f"feature {column} of x has {largest[column]:g} as its largest value: float32 cannot hold its inverse; "
            "give that feature in another unit or leave it out"
        )
    if (factors == 1.0).all():
        return SparseScaler(n_fields)
    return SparseScaler(n_fields, factors.astype(np.float32))
