"""Counter-based random numbers: each is a pure function of where it is used, so the order of work does not matter.

The generator is Philox4x32-10 of Salmon, Moraes, Dror and Shaw, *Parallel random numbers: as easy as 1, 2, 3*, SC'11.
The key is the 64-bit seed. The counter's four words say what the numbers are for: the block, the step or epoch, the
purpose with the layer, and the stream (the number of the trial). One block gives four words of 32 bits.

Only ``+ - * / sqrt frexp`` are used, which IEEE 754 rounds the same way everywhere; the results are therefore the same
bits on every machine.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

INIT = 1
"""Purpose: initial weights."""
SHUFFLE = 2
"""Purpose: order of the training samples in an epoch."""
DROPOUT = 3
"""Purpose: which hidden units are kept."""
SPACE = 4
"""Purpose: hyperparameters of a trial."""

_MASK32 = np.uint64(0xFFFFFFFF)
_SHIFT32 = np.uint64(32)
_MULTIPLIERS = (np.uint64(0xD2511F53), np.uint64(0xCD9E8D57))
_KEY_STEPS = (0x9E3779B9, 0xBB67AE85)
_ROUNDS = 10

_LN2 = math.log(2.0)  # 0.6931471805599453, the same double in every library
_SQRT_HALF = math.sqrt(0.5)
_LOG_SERIES = tuple(1.0 / (2 * k + 1) for k in range(11))  # 1, 1/3, 1/5 .. 1/21

# Coefficients of PPND16 as printed in Wichura (1988), lowest power first; the denominators begin with 1.
_NEAR_HALF = (
    (
        *(3.3871328727963666080e0, 1.3314166789178437745e2, 1.9715909503065514427e3, 1.3731693765509461125e4),
        *(4.5921953931549871457e4, 6.7265770927008700853e4, 3.3430575583588128105e4, 2.5090809287301226727e3),
    ),
    (
        *(1.0, 4.2313330701600911252e1, 6.8718700749205790830e2, 5.3941960214247511077e3),
        *(2.1213794301586595867e4, 3.9307895800092710610e4, 2.8729085735721942674e4, 5.2264952788528545610e3),
    ),
)
_TAIL = (
    (
        *(1.42343711074968357734e0, 4.63033784615654529590e0, 5.76949722146069140550e0, 3.64784832476320460504e0),
        *(1.27045825245236838258e0, 2.41780725177450611770e-1, 2.27238449892691845833e-2, 7.74545014278341407640e-4),
    ),
    (
        *(1.0, 2.05319162663775882187e0, 1.67638483018380384940e0, 6.89767334985100004550e-1),
        *(1.48103976427480074590e-1, 1.51986665636164571966e-2, 5.47593808499534494600e-4, 1.05075007164441684324e-9),
    ),
)
_FAR_TAIL = (
    (
        *(6.65790464350110377720e0, 5.46378491116411436990e0, 1.78482653991729133580e0, 2.96560571828504891230e-1),
        *(2.65321895265761230930e-2, 1.24266094738807843860e-3, 2.71155556874348757815e-5, 2.01033439929228813265e-7),
    ),
    (
        *(1.0, 5.99832206555887937690e-1, 1.36929880922735805310e-1, 1.48753612908506148525e-2),
        *(7.86869131145613259100e-4, 1.84631831751005468180e-5, 1.42151175831644588870e-7, 2.04426310338993978564e-15),
    ),
)

Words = NDArray[np.uint32]
Doubles = NDArray[np.float64]


def philox4x32(
    c0: Words | int, c1: Words | int, c2: Words | int, c3: Words | int, k0: int, k1: int
) -> tuple[Words, Words, Words, Words]:
    """Turn counters of four words and a key of two into four random words each: ten rounds of Philox4x32.

    One round is ``(c0, c1, c2, c3) <- (hi(M1 c2) ^ c1 ^ k0, lo(M1 c2), hi(M0 c0) ^ c3 ^ k1, lo(M0 c0))``; after each,
    the key advances by the Weyl constants (Salmon et al. 2011, section 3.3). The counters are broadcast.

    >>> [f"{int(word):08x}" for word in philox4x32(0, 0, 0, 0, 0, 0)]
    ['6627e8d5', 'e169c58d', 'bc57ac4c', '9b00dbd8']
    """
    x0, x1, x2, x3 = np.broadcast_arrays(*(np.asarray(c, dtype=np.uint64) for c in (c0, c1, c2, c3)))
    for turn in range(_ROUNDS):
        key0 = np.uint64((k0 + turn * _KEY_STEPS[0]) & 0xFFFFFFFF)
        key1 = np.uint64((k1 + turn * _KEY_STEPS[1]) & 0xFFFFFFFF)
        product0 = x0 * _MULTIPLIERS[0]  # 32 bits by 32 bits: exact in 64
        product1 = x2 * _MULTIPLIERS[1]
        x0, x1, x2, x3 = (
            (product1 >> _SHIFT32) ^ x1 ^ key0,
            product1 & _MASK32,
            (product0 >> _SHIFT32) ^ x3 ^ key1,
            product0 & _MASK32,
        )
    return x0.astype(np.uint32), x1.astype(np.uint32), x2.astype(np.uint32), x3.astype(np.uint32)


def random_words(seed: int, stream: int, purpose: int, layer: int, step: int, n: int) -> Words:
    """Draw the first `n` random words of one use, (n,) uint32: word ``e`` is word ``e % 4`` of block ``e // 4``.

    `seed` is the key, 64 bits; `stream` the number of the trial, 32 bits; `purpose` one of `INIT`, `SHUFFLE`, `DROPOUT`
    and `SPACE`; `layer` is below 2**24; `step` counts steps or epochs.

    >>> random_words(seed=7, stream=0, purpose=INIT, layer=0, step=0, n=6)[:4].tolist() == [
    ...     int(word) for word in philox4x32(0, 0, INIT, 0, 7, 0)
    ... ]
    True
    """
    blocks = np.arange((n + 3) // 4, dtype=np.uint32)
    words = philox4x32(blocks, step, purpose + 256 * layer, stream, seed & 0xFFFFFFFF, seed >> 32)
    return np.stack(words, axis=1).ravel()[:n]


def uniform(words: Words) -> Doubles:
    """Map words to the open interval (0, 1): ``(word + 1/2) / 2**32``, exact in float64.

    >>> uniform(np.array([0x80000000], dtype=np.uint32)) > 0.5
    array([ True])
    """
    return (np.asarray(words).astype(np.float64) + 0.5) * 2.0**-32


def log_exact(x: Doubles) -> Doubles:
    """Compute the natural logarithm of positive numbers, within 3 units in the last place, the same bits everywhere.

    ``x = m 2**e`` with ``sqrt(1/2) <= m < sqrt(2)``; with ``s = (m - 1) / (m + 1)`` and ``z = s**2``,
    ``log(x) = 2 s (1 + z/3 + z**2/5 + ... + z**10/21) + e log(2)``. The first term left out is below 1e-18.

    >>> bool(abs(log_exact(np.array([10.0]))[0] - 2.302585092994046) < 1e-15)
    True
    """
    m, e = np.frexp(x)
    small = m < _SQRT_HALF
    m = np.where(small, 2.0 * m, m)
    exponent = np.where(small, e - 1, e).astype(np.float64)
    s = (m - 1.0) / (m + 1.0)
    return 2.0 * s * _polynomial(_LOG_SERIES, s * s) + exponent * _LN2


def normal_quantile(p: Doubles) -> Doubles:
    """Find the value below which a standard normal variable falls with probability `p`, inside (0, 1).

    PPND16 of Wichura, *Algorithm AS 241: the percentage points of the normal distribution*, Applied Statistics 37
    (1988), pages 477-484, with `log_exact`: a few units in the last place.

    >>> bool(abs(normal_quantile(np.array([0.975]))[0] - 1.959963984540054) < 1e-14)
    True
    """
    p = np.asarray(p, dtype=np.float64)
    q = p - 0.5
    near_half = np.abs(q) <= 0.425
    square = 0.180625 - q * q
    root = np.sqrt(-log_exact(np.minimum(p, 1.0 - p)))
    tail = ~near_half & (root <= 5.0)
    far_tail = ~near_half & (root > 5.0)

    x = np.empty_like(p)
    numerator, denominator = (_polynomial(c, square[near_half]) for c in _NEAR_HALF)
    x[near_half] = q[near_half] * numerator / denominator
    numerator, denominator = (_polynomial(c, root[tail] - 1.6) for c in _TAIL)
    x[tail] = np.where(q[tail] < 0.0, -(numerator / denominator), numerator / denominator)
    numerator, denominator = (_polynomial(c, root[far_tail] - 5.0) for c in _FAR_TAIL)
    x[far_tail] = np.where(q[far_tail] < 0.0, -(numerator / denominator), numerator / denominator)
    return x


def initial_weights(
    seed: int, stream: int, layer: int, n_in: int, n_out: int, init: str, heads: int = 1
) -> NDArray[np.float32]:
    """Draw the initial weights of a layer, (n_in, n_out) float32; weight ``(i, j)`` comes from word ``i * n_out + j``.

    The standard deviation is ``sqrt(2 / n_in)`` with "he" (He et al. 2015) and ``sqrt(2 / (n_in + n_out))`` with
    "xavier" (Glorot and Bengio 2010); of an output layer with the columns of several `heads`, n_out is that of each.
    Initial biases are zero.

    >>> initial_weights(0, 0, 0, 2, 3, "he").shape
    (2, 3)
    """
    deviation = {"he": math.sqrt(2.0 / n_in), "xavier": math.sqrt(2.0 / (n_in + n_out // heads))}[init]
    words = random_words(seed, stream, INIT, layer, 0, n_in * n_out)
    return (deviation * normal_quantile(uniform(words))).astype(np.float32).reshape(n_in, n_out)


def shuffle(seed: int, stream: int, epoch: int, n: int) -> NDArray[np.int64]:
    """Draw the order of `n` samples in an epoch, (n,) int64: Fisher and Yates' shuffle, from the end.

    Place ``i`` swaps with ``(word * (i + 1)) >> 32``; the bias is below ``n / 2**32``.

    >>> sorted(shuffle(seed=0, stream=0, epoch=3, n=5).tolist())
    [0, 1, 2, 3, 4]
    """
    order = list(range(n))
    words = random_words(seed, stream, SHUFFLE, 0, epoch, max(n - 1, 0)).tolist()
    for word, i in zip(words, range(n - 1, 0, -1), strict=True):
        j = (word * (i + 1)) >> 32
        order[i], order[j] = order[j], order[i]
    return np.array(order, dtype=np.int64)


def keep_mask(
    seed: int, stream: int, layer: int, step: int, n_rows: int, n_units: int, dropout: float
) -> NDArray[np.bool_]:
    """Decide which units of a hidden layer are kept in a training step, (n_rows, n_units) bool.

    Each word serves two units, its low half first; a row takes whole blocks, eight units each, and does not depend on
    the number of rows. A unit is kept where its 16 bits are at least ``floor(65536 dropout + 1/2)``, at most 65535.

    >>> keep_mask(0, 0, 0, 0, n_rows=2, n_units=3, dropout=0.0).tolist()
    [[True, True, True], [True, True, True]]
    """
    blocks_per_row = (n_units + 7) // 8
    words = random_words(seed, stream, DROPOUT, layer, step, n_rows * blocks_per_row * 4)
    halves = np.stack([words & np.uint32(0xFFFF), words >> np.uint32(16)], axis=1)
    threshold = min(math.floor(dropout * 65536 + 0.5), 65535)
    return halves.reshape(n_rows, blocks_per_row * 8)[:, :n_units] >= threshold


def _polynomial(coefficients: tuple[float, ...], x: Doubles) -> Doubles:
    """Evaluate a polynomial by Horner's rule, coefficients from the lowest power on."""
    value = np.full_like(x, coefficients[-1])
    for coefficient in reversed(coefficients[:-1]):
        value = value * x + coefficient
    return value
