"""Examples survive Arrow, in one record or in many."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.examples import Examples
from streams.examples_codec import decode_examples, encode_examples

names = st.one_of(st.none(), st.text(max_size=4))


def column(values: list[object], dtype: object) -> np.ndarray:
    out = np.empty(len(values), dtype=dtype)
    out[:] = values
    return out


@st.composite
def examples(draw: st.DrawFn) -> Examples:
    rows = draw(st.integers(1, 9))

    def some(values: st.SearchStrategy[object], dtype: object) -> np.ndarray:
        return column(draw(st.lists(values, min_size=rows, max_size=rows)), dtype)

    whole = st.integers(-(2**40), 2**40)
    return Examples(
        model=draw(st.text(min_size=1, max_size=4)),
        partition=some(st.integers(0, 9), np.int64),
        offset=some(whole, np.int64),
        index=some(whole, np.int64),
        event_id=some(st.integers(0, 2**64 - 1), np.uint64),
        predicted_at=some(whole, np.int64),
        labelled_at=some(whole, np.int64),
        version=some(st.text(max_size=3), object),
        segment=some(st.just(""), object),
        prediction=some(names, object),
        label=some(names, object),
        score=some(st.floats(), np.float64),
        features={"age": some(st.floats(), np.float64), "plan": some(names, object)},
    )


@settings(max_examples=100, deadline=None)
@given(examples(), st.sampled_from([1, 10**6]))
def test_rows_survive_their_records_in_order(sent: Examples, max_bytes: int):
    records = encode_examples(sent, max_bytes=max_bytes)
    assert len(records) == (len(sent) if max_bytes == 1 else 1)
    parts = [decode_examples(record) for record in records]
    received = Examples.concatenate(parts)
    assert received.model == sent.model
    for name, value in vars(sent).items():
        if isinstance(value, np.ndarray):
            np.testing.assert_array_equal(getattr(received, name), value)
            assert getattr(received, name).dtype == value.dtype
    for name, value in sent.features.items():
        np.testing.assert_array_equal(received.features[name], value)
