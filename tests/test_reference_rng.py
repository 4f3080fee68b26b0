"""The random numbers of the reference: known answers, a second implementation in plain Python, and statistics.

Nothing statistical here can fail by chance: the seeds are fixed. The bounds are such that a sound generator misses one
of them for about one seed in ten thousand.
"""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from properties import examples

from fastnet.reference import rng
from fastnet.reference.rng import DROPOUT, INIT, SHUFFLE, SPACE

few = settings(max_examples=examples(50))

WORDS = st.integers(0, 2**32 - 1)
SEEDS = st.integers(0, 2**64 - 1)

KNOWN_ANSWERS = [  # Random123, examples/kat_vectors: counter, key, result of philox4x32 with 10 rounds
    ((0, 0, 0, 0), (0, 0), "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ((0xFFFFFFFF,) * 4, (0xFFFFFFFF,) * 2, "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        "d16cfe09 94fdcceb 5001e420 24126ea1",
    ),
]


def plain_philox(counter, key):
    """One block in Python's own integers."""
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(10):
        high0, low0 = divmod(0xD2511F53 * c0, 2**32)
        high1, low1 = divmod(0xCD9E8D57 * c2, 2**32)
        c0, c1, c2, c3 = high1 ^ c1 ^ k0, low1, high0 ^ c3 ^ k1, low0
        k0, k1 = (k0 + 0x9E3779B9) % 2**32, (k1 + 0xBB67AE85) % 2**32
    return [c0, c1, c2, c3]


def plain_word(number, seed, stream, purpose, layer, step):
    """Word `number` of one use, straight from the definition of the counter."""
    counter = (number // 4, step, purpose + 256 * layer, stream)
    return plain_philox(counter, (seed % 2**32, seed // 2**32))[number % 4]


@pytest.mark.parametrize(("counter", "key", "expected"), KNOWN_ANSWERS)
def test_philox_gives_the_published_answers(counter, key, expected):
    assert " ".join(f"{int(word):08x}" for word in rng.philox4x32(*counter, *key)) == expected
    assert " ".join(f"{word:08x}" for word in plain_philox(counter, key)) == expected


@few
@given(st.lists(st.tuples(WORDS, WORDS, WORDS, WORDS), min_size=1, max_size=4), WORDS, WORDS)
def test_philox_on_arrays_equals_plain_integers(counters, k0, k1):
    columns = [np.array(column, dtype=np.uint32) for column in zip(*counters, strict=True)]
    actual = rng.philox4x32(*columns, k0, k1)
    assert all(words.dtype == np.uint32 for words in actual)
    assert np.stack(actual, axis=1).tolist() == [plain_philox(counter, (k0, k1)) for counter in counters]


@few
@given(SEEDS, WORDS, st.sampled_from([INIT, SHUFFLE, DROPOUT, SPACE]), st.integers(0, 1000), WORDS, st.integers(0, 9))
def test_random_words_follow_the_counter(seed, stream, purpose, layer, step, n):
    words = rng.random_words(seed, stream, purpose, layer, step, n)
    assert words.shape == (n,)
    assert words.tolist() == [plain_word(e, seed, stream, purpose, layer, step) for e in range(n)]


def test_random_words_differ_in_every_coordinate():
    base = {"seed": 1, "stream": 1, "purpose": 1, "layer": 1, "step": 1}
    draws = [rng.random_words(**base, n=4)]
    draws += [rng.random_words(**{**base, name: other}, n=4) for name in base for other in (2, 3)]
    draws.append(rng.random_words(**{**base, "seed": 1 + 2**32}, n=4))
    assert len(np.unique(np.concatenate(draws))) == 4 * len(draws)


def test_uniform_never_reaches_its_ends_and_is_exact():
    words = np.array([0, 1, 2**31, 2**32 - 1], dtype=np.uint32)
    expected = [2.0**-33, 3 * 2.0**-33, 0.5 + 2.0**-33, 1 - 2.0**-33]
    assert rng.uniform(words).tolist() == expected


@pytest.mark.parametrize("seed", [0, 1, 2**64 - 1])
def test_uniform_is_uniform_and_uncorrelated(seed):
    n = 200_000
    u = rng.uniform(rng.random_words(seed, 3, SPACE, 0, 0, n))
    assert abs(u.mean() - 0.5) < 4 * math.sqrt(1 / 12 / n)
    counts, _ = np.histogram(u, bins=256, range=(0, 1))
    chi_square = float((((counts - n / 256) ** 2) / (n / 256)).sum())
    assert abs(chi_square - 255) < 4 * math.sqrt(2 * 255)
    for lag in (1, 2, 3, 4):
        correlation = np.corrcoef(u[:-lag], u[lag:])[0, 1]
        assert abs(correlation) < 4 / math.sqrt(n)


@few
@given(st.floats(min_value=1e-300, max_value=1e300))
def test_log_exact_is_the_logarithm(x):
    expected = math.log(x)
    assert abs(rng.log_exact(np.array([x]))[0] - expected) <= 3 * math.ulp(expected)


def test_log_exact_of_powers_of_two():
    e = np.arange(-1000, 1000)
    assert (rng.log_exact(np.ldexp(1.0, e)) == e * math.log(2.0)).all()


@pytest.mark.parametrize(
    ("coefficients", "expected"),
    [
        (rng._NEAR_HALF, 55.8831928806149014439),
        (rng._TAIL, 49.33206503301610289036),
        (rng._FAR_TAIL, 47.52583317549289671629),
    ],
)
def test_coefficients_add_up_to_the_sums_printed_with_them(coefficients, expected):
    # Wichura prints the sum of the mantissas (1 <= mantissa < 10) of each table to catch a slip in copying.
    numerator, denominator = coefficients
    mantissas = [float(f"{c:.17e}".split("e")[0]) for c in numerator + denominator[1:]]
    assert denominator[0] == 1.0
    assert sum(mantissas) == pytest.approx(expected, rel=0, abs=1e-13)


def quantile_error(p, x):
    """Relative error of `x` as the quantile of `p`, by one Newton step on the error function."""
    density = math.exp(-x * x / 2) / math.sqrt(2 * math.pi)
    if p < 0.25:
        miss = math.erfc(-x / math.sqrt(2)) / 2 - p
    elif p > 0.75:
        miss = (1 - p) - math.erfc(x / math.sqrt(2)) / 2
    else:
        miss = math.erf(x / math.sqrt(2)) / 2 - (p - 0.5)
    return abs(miss / density / x)


def test_normal_quantile_inverts_the_error_function():
    generator = np.random.default_rng(0)
    every_branch = [0.075, 0.0750001, 0.925, 0.9249999, math.exp(-25), math.exp(-25.01), 1e-300, 2.0**-33, 1 - 2.0**-33]
    p = np.concatenate([generator.random(20_000), 10.0 ** generator.uniform(-300, -1, 2_000), every_branch])
    x = rng.normal_quantile(p)
    assert max(quantile_error(*pair) for pair in zip(p.tolist(), x.tolist(), strict=True)) < 1e-14


def test_normal_quantile_is_odd_and_rises():
    u = rng.uniform(np.linspace(0, 2**31 - 1, 50_001).astype(np.uint32))
    x = rng.normal_quantile(u)
    assert (x == -rng.normal_quantile(1 - u)).all()
    assert (np.diff(x) > 0).all()
    assert rng.normal_quantile(np.array([0.5])).tolist() == [0.0]


@pytest.mark.parametrize(("init", "deviation"), [("he", math.sqrt(2 / 300)), ("xavier", math.sqrt(2 / 700))])
def test_initial_weights_are_normal(init, deviation):
    w = rng.initial_weights(5, 2, 1, 300, 400, init)
    assert w.shape == (300, 400)
    assert w.dtype == np.float32
    z = np.sort(w.astype(np.float64).ravel() / deviation)
    n = z.size
    assert abs(z.mean()) < 4 / math.sqrt(n)
    assert abs((z**2).mean() - 1) < 4 * math.sqrt(2 / n)
    assert abs((z**3).mean()) < 4 * math.sqrt(15 / n)
    assert abs((z**4).mean() - 3) < 4 * math.sqrt(96 / n)
    cdf = np.array([0.5 * math.erfc(-value / math.sqrt(2)) for value in z[::20]])
    kolmogorov_smirnov = np.abs(cdf - (np.arange(0, n, 20) + 0.5) / n).max()
    assert kolmogorov_smirnov < 2.3 / math.sqrt(n)


@few
@given(SEEDS, WORDS, st.integers(0, 20), st.integers(1, 5), st.integers(1, 5))
def test_initial_weight_takes_the_word_of_its_place(seed, stream, layer, n_in, n_out):
    w = rng.initial_weights(seed, stream, layer, n_in, n_out, "he")
    for i, j in np.ndindex(n_in, n_out):
        word = np.array([plain_word(i * n_out + j, seed, stream, INIT, layer, 0)], dtype=np.uint32)
        expected = np.float32(math.sqrt(2 / n_in) * rng.normal_quantile(rng.uniform(word))[0])
        assert w[i, j] == expected


@few
@given(SEEDS, WORDS, WORDS, st.integers(0, 40))
def test_shuffle_is_a_permutation_made_of_swaps_from_the_end(seed, stream, epoch, n):
    order = rng.shuffle(seed, stream, epoch, n)
    assert order.dtype == np.int64
    assert sorted(order.tolist()) == list(range(n))
    # Undo the swaps, the last one first: the order must go back to 0, 1, 2 ...
    undone = order.tolist()
    for i in range(1, n):
        j = plain_word(n - 1 - i, seed, stream, SHUFFLE, 0, epoch) * (i + 1) // 2**32
        undone[i], undone[j] = undone[j], undone[i]
    assert undone == list(range(n))


def test_shuffle_depends_on_seed_stream_and_epoch_alone():
    orders = [tuple(rng.shuffle(*where, 50)) for where in [(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1)]]
    assert len(set(orders)) == 4
    assert orders[0] == tuple(rng.shuffle(0, 0, 0, 50))


def test_shuffle_finds_every_order_equally_often():
    n = 2400
    orders = [tuple(rng.shuffle(9, 0, epoch, 4)) for epoch in range(n)]
    counts = np.array([orders.count(order) for order in set(orders)])
    assert len(counts) == 24
    chi_square = float((((counts - n / 24) ** 2) / (n / 24)).sum())
    assert abs(chi_square - 23) < 4 * math.sqrt(2 * 23)


@few
@given(SEEDS, WORDS, st.integers(0, 9), WORDS, st.integers(1, 3), st.integers(1, 18), st.floats(0, 1, exclude_max=True))
def test_keep_mask_takes_the_half_word_of_its_place(seed, stream, layer, step, n_rows, n_units, dropout):
    keep = rng.keep_mask(seed, stream, layer, step, n_rows, n_units, dropout)
    blocks_per_row = math.ceil(n_units / 8)
    threshold = min(math.floor(dropout * 65536 + 0.5), 65535)
    for r, j in np.ndindex(n_rows, n_units):
        number = 4 * (r * blocks_per_row + j // 8) + j % 8 // 2
        word = plain_word(number, seed, stream, DROPOUT, layer, step)
        half = word // 65536 if j % 2 else word % 65536
        assert keep[r, j] == (half >= threshold)


@pytest.mark.parametrize("dropout", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_keep_mask_drops_at_its_rate(dropout):
    keep = rng.keep_mask(1, 2, 0, 3, 1000, 203, dropout)
    allowed = 4 * math.sqrt(dropout * (1 - dropout) / keep.size) + 2.0**-17
    assert abs(keep.mean() - (1 - dropout)) <= allowed


@pytest.mark.parametrize(("dropout", "threshold"), [(0.3, 19661), (0.5, 32768), (0.1, 6554), (2.0**-17, 1)])
def test_keep_mask_rounds_its_threshold(dropout, threshold):
    # A million half words take each of the 65,536 values about fifteen times: a threshold off by one is seen.
    words = rng.random_words(3, 0, DROPOUT, 0, 0, 500_000).astype(np.int64)
    halves = np.stack([words % 65536, words // 65536], axis=1).reshape(1000, 1000)
    assert {threshold - 1, threshold} <= set(halves.ravel().tolist())
    assert (rng.keep_mask(3, 0, 0, 0, 1000, 1000, dropout) == (halves >= threshold)).all()


def test_keep_mask_rows_do_not_depend_on_the_number_of_rows():
    whole = rng.keep_mask(1, 2, 3, 4, 20, 13, 0.5)
    assert (rng.keep_mask(1, 2, 3, 4, 7, 13, 0.5) == whole[:7]).all()


def test_keep_mask_of_the_largest_dropout_still_keeps_some():
    assert rng.keep_mask(0, 0, 0, 0, 1000, 1000, math.nextafter(1.0, 0.0)).any()
