"""The context of a network: compiled code reads every field as it was written."""

from __future__ import annotations

from typing import Any, get_type_hints

import numba
import numpy as np
import pytest
from buffers import address
from numba import types

from fastnet.kernels import context
from fastnet.kernels.context import Data, Job, Net, Trial, Work

OPENERS = {
    Net: context.open_net,
    Data: context.open_data,
    Work: context.open_work,
    Trial: context.open_trial,
    Job: context.open_job,
}


def example(bundle: type[Any]) -> Any:
    """A bundle whose arrays have different sizes and whose numbers are all different."""
    values: list[Any] = []
    for place, hint in enumerate(get_type_hints(bundle, include_extras=True).values(), 2):
        kind = getattr(hint, "__metadata__", (None,))[0]
        if isinstance(kind, types.Array):
            shape = range(place, place + kind.ndim)
            values.append((np.arange(np.prod(shape)) % 200).reshape(shape).astype(str(kind.dtype)))
        else:
            values.append(place + 0.5 if hint is float else 2**63 + place if kind == types.uint64 else place)
    return bundle(*values)


def read(opener: Any, row: np.ndarray, names: tuple[str, ...]) -> dict[str, Any]:
    """Read the fields of a bundle in compiled code."""
    namespace = {"numba": numba, "opener": opener}
    fields = ", ".join(f"bundle.{name}" for name in names)
    exec(f"@numba.njit\ndef read(place):\n    bundle = opener(place)\n    return {fields}", namespace)
    return dict(zip(names, namespace["read"](address(row)), strict=True))


@pytest.mark.parametrize("bundle", OPENERS, ids=lambda bundle: bundle.__name__)
def test_every_field_is_read_as_it_was_written(bundle):
    given = example(bundle)
    if bundle is Job:
        row = context.job_row(given)
    else:
        row = np.zeros(context.N_PLACES, np.int64)
        context.fill(row, given)
    fields = read(OPENERS[bundle], row, bundle._fields)
    for name, expected in given._asdict().items():
        found = fields[name]
        if isinstance(expected, np.ndarray):
            assert found.dtype == expected.dtype and np.array_equal(found, expected), name
            assert found.ctypes.data == expected.ctypes.data, f"{name} was copied"
        else:
            assert found == expected, name


def test_bundles_have_places_of_their_own_and_the_trial_comes_last():
    row = np.zeros(context.N_PLACES, np.int64)
    bundles = [example(bundle) for bundle in (Net, Data, Work)]
    context.fill(row, *bundles)
    before = row.copy()
    assert not before[context.FIRST_OF_TRIAL :].any()
    trial = example(Trial)
    context.fill(row, trial)
    assert np.array_equal(row[: context.FIRST_OF_TRIAL], before[: context.FIRST_OF_TRIAL])
    assert len(row) == context.FIRST_OF_TRIAL + len(trial)
    assert row[context.FIRST_OF_TRIAL :].view(np.float64)[Trial._fields.index("beta1")] == trial.beta1
