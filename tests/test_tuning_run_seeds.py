from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fastnet.tuning.run.seeds import FOLD, KEPT, REPEAT, derived_seed, repeat_seed


@given(st.integers(0, 2**64 - 1), st.integers(0, 2**32 - 1), st.integers(0, 1000))
def test_a_seed_of_a_repeat_is_a_seed_and_not_the_studys_own(seed, number, repeat):
    made = repeat_seed(seed, number, repeat)
    assert 0 <= made < 2**64
    assert made != seed
    assert made == repeat_seed(seed, number, repeat)


def test_seeds_of_repeats_differ_and_never_change():
    seeds = {repeat_seed(seed, number, repeat) for seed in range(3) for number in range(50) for repeat in range(10)}
    assert len(seeds) == 1500
    assert repeat_seed(0, 0, 0) == 519667663350245943


def test_purposes_and_numbers_give_different_seeds():
    made = [derived_seed(7, purpose, a, b) for purpose in (FOLD, REPEAT, KEPT) for a in range(20) for b in range(20)]
    assert len(set(made)) == len(made)
    assert derived_seed(7, KEPT, 3) == derived_seed(7, KEPT, 3, 0) != derived_seed(8, KEPT, 3)
