"""A packed summary is the same summary."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from detectors.packed_counts import PackedCounts

cells = st.one_of(st.integers(0, 300).map(float), st.floats(allow_nan=True), st.sampled_from([0.0, -1.0, 2.0**16, 2.0**32 - 1, 2.0**32, 1e300, np.inf]))


@given(st.lists(cells, max_size=20))
def test_a_vector_survives_whatever_its_cells_hold(vector: list[float]) -> None:
    packed = PackedCounts.of(np.array(vector, float))
    np.testing.assert_array_equal(packed.dense(), vector)
    np.testing.assert_array_equal(packed.squeezed().squeezed().dense(), vector)


def test_small_counts_take_a_byte_each() -> None:
    assert len(PackedCounts.of(np.full(1_000, 255.0)).cells) == 1_000


def test_counts_of_a_few_rows_take_a_few_bits_each() -> None:
    counts = np.bincount(np.random.default_rng(0).integers(0, 1_400, 500), minlength=1_400).astype(float)
    assert len(PackedCounts.of(counts).squeezed().cells) < 500
