"""Packed arrays are the same again, bit by bit, and small where their values are."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from streams.packed_arrays import pack, unpack

shapes = arrays.array_shapes(min_dims=1, max_dims=2, min_side=1, max_side=60)
decimals = st.builds(lambda digits, places: digits / 10.0**places, st.integers(-(10**6), 10**6), st.integers(0, 6))
odd = st.sampled_from([np.nan, -np.nan, np.inf, -np.inf, -0.0, 5e-324, 2.0**31, -(2.0**31), 0.1 + 0.2, 1e300])
measured = arrays.arrays(np.float64, shapes, elements=st.one_of(decimals, decimals, decimals, odd), fill=decimals)
any_float = arrays.arrays(np.float64, shapes)
whole = st.sampled_from([np.int64, np.uint64, np.int32, np.uint8, np.bool_]).flatmap(lambda kind: arrays.arrays(kind, shapes))


def again(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return unpack(pack(array), array.dtype, array.shape)


@settings(max_examples=300)
@given(st.one_of(measured, any_float, whole))
def test_an_array_is_the_same_again(array):
    back = again(array)
    assert (back.dtype, back.shape, back.tobytes()) == (array.dtype, array.shape, array.tobytes())


@pytest.mark.parametrize(
    ("form", "array"),
    [
        ("decimals", np.random.default_rng(1).normal(50, 10, (5_000, 3)).round(4)),  # a few of them are -0.0 after rounding, or between two decimals
        ("decimals", np.array([-0.0, 36.6] + [0.5] * 98)),
        ("differences", np.arange(1_700_000_000_000, 1_700_000_060_000)),
        ("differences", np.full(1_000, 2**63 - 1)),
        ("lz4", np.random.default_rng(1).normal(size=(5_000, 3))),
        ("lz4", np.full((5_000, 3), np.nan)),
    ],
)
def test_what_suits_an_array_is_chosen_for_it(form: str, array: np.ndarray[Any, Any]):
    packed = pack(array)
    assert packed.form == form
    assert sum(map(len, packed.buffers)) <= (1.01 if array.std() == array.std() and form == "lz4" else 0.6) * array.nbytes
    assert again(array).tobytes() == array.tobytes()


def test_columns_that_do_not_lie_together_are_packed_as_they_are_read():
    array = np.arange(60_000.0).reshape(20, 3_000).T
    assert (again(array) == array).all()
