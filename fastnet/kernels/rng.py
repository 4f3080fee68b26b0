"""Counter-based random numbers: every draw is a pure function of (seed, stream, purpose, position).

Philox4x32-10 of Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3" (SC 2011). The key is the
seed; the counter says what the number is for, so trials, layers, epochs and threads never share a state and any part of
a study can be recomputed alone. All arithmetic is integer or plain float64 (no libm), so that `reference` and every
processor agree to the last bit.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types

from fastnet.kernels._jit import entry, kernel, typed
from fastnet.kernels.memory import I16, I32, I64, address_of, constant, emitted, write

INIT, SHUFFLE, DROPOUT, SPACE = (typed(purpose) for purpose in range(1, 5))
"""Purposes; the layer number times 256 is added."""

_ZERO = typed(0)

_M0, _M1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_W0, _W1 = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)
_LOW, _HALF = np.uint64(0xFFFFFFFF), np.uint64(32)
_UNIT = 2.0**-32
CHUNK = 8
"""Counters taken at once: two AVX2 registers for each of four words, one of AVX-512."""

_CHUNK = 256
_SQRT_HALF = 0.7071067811865476
_LN2 = 0.6931471805599453


@kernel
def philox(c0: int, c1: int, c2: int, c3: int, seed: int) -> tuple[int, int, int, int]:
    """Return the four 32-bit words (as uint64) of one counter value under one 64-bit seed."""
    a, b = np.uint64(c0) & _LOW, np.uint64(c1) & _LOW
    c, d = np.uint64(c2) & _LOW, np.uint64(c3) & _LOW
    k0, k1 = np.uint64(seed) & _LOW, np.uint64(seed) >> _HALF
    for _ in range(10):
        p, q = _M0 * a, _M1 * c
        a, b, c, d = (q >> _HALF) ^ b ^ k0, q & _LOW, (p >> _HALF) ^ d ^ k1, p & _LOW
        k0, k1 = (k0 + _W0) & _LOW, (k1 + _W1) & _LOW
    return a, b, c, d


def _all_lanes(builder: Any, value: Any) -> Any:
    kind = ir.VectorType(I64, CHUNK)
    single = builder.insert_element(ir.Constant(kind, ir.Undefined), value, ir.Constant(I32, 0))
    zeroth = ir.Constant(ir.VectorType(I32, CHUNK), [0] * CHUNK)
    return builder.shuffle_vector(single, ir.Constant(kind, ir.Undefined), zeroth)


def _number(value: Any) -> ir.Constant:
    return ir.Constant(ir.VectorType(I64, CHUNK), [int(value)] * CHUNK)


def _philox(builder: Any, first: Any, c1: Any, c2: Any, c3: Any, seed: Any) -> tuple[Any, Any, Any, Any]:
    """Emit `philox` of `CHUNK` counters at once; its four words are the lower halves of vectors of 64-bit integers.

    A loop over `philox` compiles to scalar code, which waits for its chain of ten multiplications: the bits of
    100 x 100 units took 26 microseconds, as long as the layer's forward product. Upper halves are cleared only where
    they are read; the multiplication of lower halves ignores them.
    """
    low, half = _number(_LOW), _number(_HALF)
    counters = ir.Constant(ir.VectorType(I64, CHUNK), list(range(CHUNK)))
    a = builder.add(_all_lanes(builder, first), counters)
    b, c, d = (_all_lanes(builder, value) for value in (c1, c2, c3))
    key = _all_lanes(builder, seed)
    k0, k1 = key, builder.lshr(key, half)
    for _ in range(10):
        p = builder.mul(_number(_M0), builder.and_(a, low))
        q = builder.mul(_number(_M1), builder.and_(c, low))
        a = builder.xor(builder.xor(builder.lshr(q, half), b), k0)
        c = builder.xor(builder.xor(builder.lshr(p, half), d), k1)
        b, d = q, p
        k0, k1 = builder.add(k0, _number(_W0)), builder.add(k1, _number(_W1))
    return a, b, c, d


@emitted(types.none, *[types.int64] * 4, types.uint64, types.int64)
def philox_words(builder: Any, first: Any, c1: Any, c2: Any, c3: Any, seed: Any, out: Any) -> None:
    """Write the words of the `CHUNK` counters from `first` on as uint32 to an address, all first words first."""
    words = ir.VectorType(I32, CHUNK)
    for n, word in enumerate(_philox(builder, first, c1, c2, c3, seed)):
        write(builder, builder.trunc(word, words), builder.add(out, constant(4 * CHUNK * n)), words, 4)


def _spread(builder: Any, nibbles: Any) -> Any:
    """Emit eight groups of four bits as the lower halves of eight bytes."""
    for shift, mask in ((16, 0x0000FFFF0000FFFF), (8, 0x00FF00FF00FF00FF), (4, 0x0F0F0F0F0F0F0F0F)):
        nibbles = builder.and_(builder.or_(nibbles, builder.shl(nibbles, constant(shift))), constant(mask))
    return nibbles


@emitted(types.int64, *[types.int64] * 4, types.uint64, types.int64)
def philox_bits(builder: Any, first: Any, c1: Any, c2: Any, c3: Any, seed: Any, limit: Any) -> Any:
    """Return eight bits for each of the `CHUNK` counters from `first` on, a byte each, the first in the lowest.

    A bit says whether 16 bits of the counter's words, from the lowest of the first word on, are not below `limit`.
    """
    halves = ir.VectorType(I16, 4 * CHUNK)  # a pair of words side by side in each lane of 64 bits
    single = builder.insert_element(ir.Constant(halves, None), builder.trunc(limit, I16), ir.Constant(I32, 0))
    limits = builder.shuffle_vector(single, single, ir.Constant(ir.VectorType(I32, 4 * CHUNK), [0] * 4 * CHUNK))
    words = _philox(builder, first, c1, c2, c3, seed)
    found = constant(0)
    for n, (low, high) in enumerate((words[:2], words[2:])):
        pair = builder.or_(builder.and_(low, _number(_LOW)), builder.shl(high, _number(_HALF)))
        kept = builder.icmp_unsigned(">=", builder.bitcast(pair, halves), limits)
        four = builder.zext(builder.bitcast(kept, ir.IntType(4 * CHUNK)), I64)  # bits of each counter in turn
        found = builder.or_(found, builder.shl(_spread(builder, four), constant(4 * n)))
    return found


@kernel
def log_exact(x: float) -> float:
    """Return the natural logarithm of a positive float64 by +, -, *, / alone: 2 artanh((m-1)/(m+1)) + e ln 2."""
    m, e = math.frexp(x)
    if m < _SQRT_HALF:
        m, e = m * 2.0, e - 1
    s = (m - 1.0) / (m + 1.0)
    z = s * s
    t = 1.0 / 21.0
    t = t * z + 1.0 / 19.0
    t = t * z + 1.0 / 17.0
    t = t * z + 1.0 / 15.0
    t = t * z + 1.0 / 13.0
    t = t * z + 1.0 / 11.0
    t = t * z + 1.0 / 9.0
    t = t * z + 1.0 / 7.0
    t = t * z + 1.0 / 5.0
    t = t * z + 1.0 / 3.0
    t = t * z + 1.0
    return 2.0 * s * t + e * _LN2


@kernel
def _near_half(q: float) -> float:
    r = 0.180625 - q * q
    a = 2.5090809287301226727e3
    a = a * r + 3.3430575583588128105e4
    a = a * r + 6.7265770927008700853e4
    a = a * r + 4.5921953931549871457e4
    a = a * r + 1.3731693765509461125e4
    a = a * r + 1.9715909503065514427e3
    a = a * r + 1.3314166789178437745e2
    a = a * r + 3.3871328727963666080e0
    b = 5.2264952788528545610e3
    b = b * r + 2.8729085735721942674e4
    b = b * r + 3.9307895800092710610e4
    b = b * r + 2.1213794301586595867e4
    b = b * r + 5.3941960214247511077e3
    b = b * r + 6.8718700749205790830e2
    b = b * r + 4.2313330701600911252e1
    b = b * r + 1.0
    return q * a / b


@kernel
def _tail(r: float) -> float:
    """Return the quantile of e^(-r²), r at most 5: the smallest probability drawn is 2^-33, with r = 4.8."""
    r = r - 1.6
    a = 7.74545014278341407640e-4
    a = a * r + 2.27238449892691845833e-2
    a = a * r + 2.41780725177450611770e-1
    a = a * r + 1.27045825245236838258e0
    a = a * r + 3.64784832476320460504e0
    a = a * r + 5.76949722146069140550e0
    a = a * r + 4.63033784615654529590e0
    a = a * r + 1.42343711074968357734e0
    b = 1.05075007164441684324e-9
    b = b * r + 5.47593808499534494600e-4
    b = b * r + 1.51986665636164571966e-2
    b = b * r + 1.48103976427480074590e-1
    b = b * r + 6.89767334985100004550e-1
    b = b * r + 1.67638483018380384940e0
    b = b * r + 2.05319162663775882187e0
    b = b * r + 1.0
    return a / b


@kernel
def normal_quantile(p: float) -> float:
    """Return the inverse of the normal distribution function: Wichura's PPND16, AS 241 (Appl. Statistics 37, 1988).

    p  from 1.4e-11 to 1 minus that
    """
    q = p - 0.5
    if abs(q) <= 0.425:
        return _near_half(q)
    value = _tail(math.sqrt(-log_exact(min(p, 1.0 - p))))
    return -value if q < 0.0 else value


@kernel
def initial_weights(
    seed: int, stream: int, layer: int, n_in: int, n_out: int, ldw: int, deviation: float, w: np.ndarray
) -> None:
    """Fill the (I, O) part of a padded weight matrix with normal numbers.

    w  (>= I * ldw,) float32, written where i < I and j < O; weight (i, j) is number i * O + j.

    It works in chunks, so that the generator and the middle of the distribution run in vectors and only the tails one
    by one: a third of the time of number after number.
    """
    purpose = INIT + 256 * layer
    words = np.empty((4, CHUNK), np.uint32)
    uniforms = np.empty(_CHUNK, np.float64)
    normals = np.empty(_CHUNK, np.float64)
    i, j = 0, 0
    for begin in range(0, n_in * n_out, _CHUNK):
        for block in range(0, _CHUNK // 4, CHUNK):
            philox_words(begin // 4 + block, _ZERO, purpose, stream, seed, address_of(words))
            for word in range(4):
                for b in range(CHUNK):
                    uniforms[4 * (block + b) + word] = (np.float64(words[word, b]) + 0.5) * _UNIT
        for e in range(_CHUNK):
            normals[e] = _near_half(uniforms[e] - 0.5)
        for e in range(_CHUNK):
            if abs(uniforms[e] - 0.5) > 0.425:
                normals[e] = normal_quantile(uniforms[e])
        for e in range(min(_CHUNK, n_in * n_out - begin)):
            w[i * ldw + j] = np.float32(deviation * normals[e])
            j += 1
            if j == n_out:
                i, j = i + 1, 0


@kernel
def shuffle(seed: int, stream: int, epoch: int, order: np.ndarray) -> None:
    """Shuffle the int64 entries of `order` in place, by Fisher and Yates from the end."""
    words = philox(_ZERO, epoch, SHUFFLE, stream, seed)
    n = order.shape[0]
    for q in range(n - 1):
        slot = q & 3
        if slot == 0:
            words = philox(q >> 2, epoch, SHUFFLE, stream, seed)
        word = words[0] if slot == 0 else words[1] if slot == 1 else words[2] if slot == 2 else words[3]
        i = n - 1 - q
        j = np.int64((word * np.uint64(i + 1)) >> _HALF)
        order[i], order[j] = order[j], order[i]


@entry
def uniforms(seed: int, trials: np.ndarray, purpose: int, index: int) -> np.ndarray:
    """Return one number in (0, 1) per trial: word 0 of block `index`, the trial being the stream."""
    out = np.empty(trials.shape[0], np.float64)
    for t in range(trials.shape[0]):
        out[t] = (np.float64(philox(np.int64(index), _ZERO, np.int64(purpose), trials[t], seed)[0]) + 0.5) * _UNIT
    return out
