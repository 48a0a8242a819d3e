"""State values survive their bytes; damaged bytes are noticed."""

from __future__ import annotations

import gc
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from streams import state_codec
from streams.state_codec import FORMAT, FormatError, StateError, decode_state, encode_state

texts = st.lists(st.one_of(st.none(), st.text(max_size=5)), max_size=6).map(lambda values: np.array([*values, None], dtype=object)[:-1])
numbers = arrays.arrays(st.sampled_from([np.float64, np.int64, np.uint64, np.bool_, np.uint8]), arrays.array_shapes(min_dims=1, max_dims=2, min_side=0, max_side=4))
plain = st.one_of(st.none(), st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(), st.text(max_size=8))
values = st.recursive(
    st.one_of(plain, texts, numbers),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(["a", "b", "__array__"]), inner, max_size=3)),
    max_leaves=8,
)


def same(one: Any, other: Any) -> bool:
    if isinstance(one, np.ndarray):
        return (
            isinstance(other, np.ndarray) and one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()
            if one.dtype != object
            else one.tolist() == other.tolist()
        )
    if isinstance(one, dict):
        return set(one) == set(other) and all(same(value, other[key]) for key, value in one.items())
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other) or repr(one) == repr(other) == "nan"


@settings(max_examples=150)
@given(values)
def test_a_value_survives_its_bytes(value):
    assert same(value, decode_state(encode_state(value), "a"))


@pytest.mark.parametrize("value", [3, None, "text", "dict", {"__array__": "dict"}])
def test_a_model_may_be_called_as_the_codec_calls_its_arrays(value):
    state = {"covered": 1, "unmonitored": {"__array__": value}}
    assert decode_state(encode_state(state), "manifest") == state


@settings(max_examples=100)
@given(values, st.data())
def test_one_changed_byte_is_noticed(value, data):
    damaged = bytearray(encode_state(value))
    place = data.draw(st.integers(0, len(damaged) - 1))
    damaged[place] ^= data.draw(st.integers(1, 255))
    with pytest.raises(StateError, match="its checksum does not match"):
        decode_state(bytes(damaged), "a")


def test_restored_columns_do_not_share_what_they_are_restored_from():
    value = decode_state(encode_state({"x": np.zeros(3)}), "a")
    assert value["x"].tolist() == [0.0, 0.0, 0.0]


def test_what_another_release_wrote_is_refused_by_its_format_before_anything_of_it_is_read(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(state_codec, "FORMAT", FORMAT + 1)
    newer = encode_state({"of": "a name that nobody here knows"})
    monkeypatch.undo()
    with pytest.raises(FormatError, match=f"^state piece a: format {FORMAT + 1}, expected {FORMAT}; another release of Driftwarden wrote it$"):
        decode_state(newer, "state piece a")


@pytest.mark.parametrize("data", [b"", b"\0\0\0\0", b"\0" * 12])
def test_too_few_bytes_are_damaged_whatever_their_checksum(data: bytes):
    with pytest.raises(StateError, match="damaged"):
        decode_state(data, "piece")


def test_no_bytes_wait_for_the_garbage_collector_when_they_were_used():
    value = {"large": np.arange(20_000, dtype=np.uint64), "texts": np.array(["a", None], dtype=object)}

    def left() -> int:
        gc.collect()
        gc.disable()
        try:
            assert decode_state(encode_state(value), "piece")["texts"].tolist() == ["a", None]
            return gc.collect()
        finally:
            gc.enable()

    assert min(left() for _ in range(5)) == 0  # now and then a thread of another test leaves something of its own
