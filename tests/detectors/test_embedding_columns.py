"""Embeddings, watched in a few random directions."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.columns.embedding_columns import directions, embedding_columns

VECTORS = np.random.default_rng(1).normal(size=(700, 48))


@settings(max_examples=30)
@given(st.lists(st.integers(0, len(VECTORS) - 1), max_size=300))
def test_a_projection_is_the_same_to_the_last_bit_whatever_it_is_computed_with(rows: list[int]) -> None:
    whole = embedding_columns(VECTORS, projections=8, seed=3)
    assert np.array_equal(whole[rows], embedding_columns(VECTORS[rows], projections=8, seed=3))


def test_columns_are_the_norm_and_coordinates_in_directions_of_length_one() -> None:
    found = embedding_columns(VECTORS, projections=5, seed=7)
    of = directions(48, 5, 7)
    assert np.allclose(found[:, 0], np.linalg.norm(VECTORS, axis=1))
    assert np.allclose(found[:, 1:], VECTORS @ of.T)
    assert np.allclose((of * of).sum(axis=1), 1)
    assert not np.allclose(of, directions(48, 5, 8))


def test_a_shift_in_any_direction_shows_in_some_projection() -> None:
    """By 3 sigma in one of 384 dimensions' random mixtures: 8 directions see .43 sigma together, as a chi-square variable with 8 degrees of freedom says."""
    random = np.random.default_rng(2)
    seen = []
    for _ in range(200):
        shift = random.normal(size=384)
        shift *= 3 / np.linalg.norm(shift)
        seen.append(np.linalg.norm(directions(384, 8, 0) @ shift))
    assert abs(np.mean(np.square(seen)) - 9 * 8 / 384) < 0.02
    assert min(seen) > 0.1
