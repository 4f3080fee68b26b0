"""The split of samples into those that train and those that validate."""

from __future__ import annotations

import hashlib
import operator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastnet.config.training import MAX_SEED
from fastnet.errors import ConfigError, DataError
from fastnet.scalars import plain


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """Which samples train the network and which validate it.

    Attributes
    ----------
    train, validation : ndarray, int64
        Row indices into `Dataset.x`, shuffled; disjoint, and together every row once.
    """

    train: NDArray[np.int64]
    validation: NDArray[np.int64]

    def fingerprint(self) -> str:
        """Return the SHA-256 of both parts, 64 hexadecimal digits."""
        digest = hashlib.sha256()
        for rows in (self.train, self.validation):
            digest.update(f"{len(rows)};".encode() + np.ascontiguousarray(rows, np.int64).tobytes())
        return digest.hexdigest()


def split(y: ArrayLike, *, fraction: float = 0.2, seed: int = 0) -> Split:
    """Hold samples back for validation: shuffled, with the same share of every class.

    Parameters
    ----------
    y : array_like of int, shape (N,)
        Class of each sample, N at least 2.
    fraction : float
        Share of validation samples, in (0, 1).
    seed : int
        Seed of the shuffle, 0 to 2**64 - 1.

    Returns
    -------
    Split
        ``round(fraction * N)`` validation samples, but at least 1 and at most N - 1; the others train.

    Raises
    ------
    ConfigError
        If `fraction` or `seed` is outside its range.
    DataError
        If there are fewer than 2 samples.

    Notes
    -----
    A class of c samples gets ``c * n_validation / N`` validation samples, rounded down or up. The places left over by
    rounding down go first to classes of two or more samples that would have none, then to the largest remainders;
    a class gives its last training sample only if no other class can give one.
    Of the 2 N raw words that Philox4x64 (Salmon et al. 2011) generates from `seed`, the first N draw lots within each
    class and the others order the samples: with the same words for both, each part would begin or end with the classes
    whose places happened to fill first.

    Examples
    --------
    >>> parts = split([0, 0, 0, 0, 1, 1], fraction=0.5)
    >>> len(parts.train), len(parts.validation)
    (3, 3)
    """
    fraction, seed = plain(fraction), plain(seed)
    if isinstance(fraction, bool) or not isinstance(fraction, (int, float)) or not 0.0 < fraction < 1.0:
        raise ConfigError(f"fraction={fraction!r}: must be in (0, 1)")
    if isinstance(seed, bool) or not hasattr(seed, "__index__") or not 0 <= seed <= MAX_SEED:
        raise ConfigError(f"seed={seed!r}: must be a whole number from 0 to {MAX_SEED}")
    _, classes, counts = np.unique(np.asarray(y).ravel(), return_inverse=True, return_counts=True)
    n = len(classes)
    if n < 2:
        raise DataError(f"a split needs at least 2 samples, one to train and one to validate, and has {n}")
    quota = _validation_counts(counts, min(max(round(fraction * n), 1), n - 1))

    lots, keys = np.random.Philox(key=operator.index(seed)).random_raw(2 * n).reshape(2, n)
    by_class = np.lexsort((lots, classes))
    first_of_class = np.cumsum(counts) - counts
    rank = np.empty(n, dtype=np.int64)
    rank[by_class] = np.arange(n) - first_of_class[classes[by_class]]
    order = np.argsort(keys, kind="stable").astype(np.int64)
    validates = (rank < quota[classes])[order]
    return Split(train=order[~validates], validation=order[validates])


def _validation_counts(counts: NDArray[np.int64], n_validation: int) -> NDArray[np.int64]:
    """Share `n_validation` places out among classes of the given sizes."""
    n = int(counts.sum())
    quota, remainder = np.divmod(counts * n_validation, n)
    empties_training = quota + 1 == counts
    absent = (quota == 0) & ~empties_training
    ranking = np.lexsort((-remainder, np.where(absent, 0, np.where(empties_training, 2, 1)), remainder == 0))
    quota[ranking[: n_validation - int(quota.sum())]] += 1
    return quota
