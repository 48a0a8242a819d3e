"""Numbers in four bytes each, held to the same in eight."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from detectors.rows.near_numbers import NearNumbers

NEAR = st.integers(1_700_000_000_000, 1_700_000_000_000 + 10**7)
POSITIONS = st.integers(0, 2**26).map(lambda record: record << 20)
ANY = st.integers(-(2**63), 2**63 - 1)


@given(st.one_of(*(st.lists(st.tuples(st.lists(some, max_size=80), st.integers(1, 4)), max_size=8) for some in (POSITIONS, POSITIONS | NEAR, NEAR | ANY))))
def test_numbers_are_told_as_they_came_whatever_was_kept_and_however_far_they_lie_apart(batches) -> None:
    near, known = NearNumbers(), np.empty(0, np.int64)
    for numbers, each in batches:
        near.append(np.array(numbers, np.int64))
        known = np.append(known, np.array(numbers, np.int64))
        assert near.all().tolist() == known.tolist()
        kept = np.arange(0, len(known), each)
        near.keep(kept)
        known = known[kept]
        assert near.take(np.arange(len(known))[::-1]).tolist() == known[::-1].tolist()
        assert len(near) == len(known)


def test_they_take_four_bytes_each_again_when_the_one_that_lay_far_away_is_gone() -> None:
    near = NearNumbers()
    near.append(np.array([2**40, 2**40 + 5, 0, 2**40 + 7]))
    assert near.nbytes == 4 * 8
    near.keep(np.array([0, 1, 3]))
    assert near.nbytes == 3 * 4
    near.append(np.array([2**40 - 2**31 + 1, 2**40 + 2**31 - 1]))
    assert near.nbytes == 5 * 4
    assert near.all().tolist() == [2**40, 2**40 + 5, 2**40 + 7, 2**40 - 2**31 + 1, 2**40 + 2**31 - 1]


def test_positions_of_records_of_one_event_take_four_bytes_each_until_a_record_holds_another() -> None:
    near, records = NearNumbers(), np.arange(100_000) << 20
    near.append(records)
    assert near.nbytes == 4 * len(records)
    near.keep(np.arange(0, len(records), 2))
    near.append(records[-1:] + 3)
    assert near.nbytes == 8 * len(near)
    assert near.all().tolist() == [*records[::2].tolist(), int(records[-1]) + 3]
