"""A packed summary is the same summary."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from detectors.panes.packed_counts import PackedCounts

cells = st.one_of(st.integers(0, 300).map(float), st.floats(allow_nan=True), st.sampled_from([0.0, -1.0, 2.0**16, 2.0**32 - 1, 2.0**32, 1e300, np.inf]))


@given(st.lists(cells, max_size=20), st.sampled_from([0, 50, 300]))
def test_a_vector_survives_whatever_its_cells_hold(some: list[float], ones: int) -> None:
    vector = np.array(some + ones * [1.0])
    packed = PackedCounts.of(vector)
    np.testing.assert_array_equal(packed.dense(), vector)
    np.testing.assert_array_equal(packed.squeezed().squeezed().dense(), vector)


@given(st.lists(st.lists(cells, max_size=20), min_size=1, max_size=5), st.sampled_from([20, 70, 320]))
def test_vectors_packed_together_are_packed_as_each_would_be(some: list[list[float]], size: int) -> None:
    vectors = np.array([cells + (size - len(cells)) * [1.0] for cells in some])
    assert PackedCounts.of_each(vectors) == [PackedCounts.of(vector) for vector in vectors]


def test_small_counts_take_a_byte_each() -> None:
    assert len(PackedCounts.of(np.full(1_000, 255.0)).cells) == 1_000


def test_counts_of_a_few_rows_take_a_few_bits_each() -> None:
    counts = np.bincount(np.random.default_rng(0).integers(0, 1_400, 500), minlength=1_400).astype(float)
    assert len(PackedCounts.of(counts).squeezed().cells) < 500
