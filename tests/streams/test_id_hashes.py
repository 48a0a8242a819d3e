"""Hashes of many ids at once are those of one after the other."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
import xxhash
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.formats.arrow_cells import ids
from streams.formats.id_hashes import id_hashes


def hashed(texts: list[bytes]) -> list[int]:
    offsets = np.cumsum([0, *map(len, texts)])
    found: list[int] = id_hashes(offsets, np.frombuffer(b"".join(texts), np.uint8)).tolist()
    return found


@settings(max_examples=200)
@given(st.lists(st.binary(max_size=80), max_size=20))
def test_texts_of_any_sizes(texts: list[bytes]):
    assert hashed(texts) == [xxhash.xxh3_64_intdigest(text) for text in texts]


@pytest.mark.parametrize("size", range(70))
def test_texts_of_one_size(size: int):
    rng = np.random.default_rng(size)
    texts = [rng.bytes(size) for _ in range(10)]
    assert hashed(texts) == [xxhash.xxh3_64_intdigest(text) for text in texts]


def test_texts_that_begin_at_even_distances_but_are_not_of_one_size():
    texts = [b"a" * 16, b"b" * 10, b"c" * 6, b"d" * 16]
    assert hashed(texts) == [xxhash.xxh3_64_intdigest(text) for text in texts]


@settings(max_examples=100)
@given(st.lists(st.none() | st.text(max_size=20), max_size=20), st.integers(0, 5), st.sampled_from([pa.string(), pa.large_string(), pa.dictionary(pa.int32(), pa.string())]))
def test_ids_of_a_part_of_a_column(texts: list[str | None], first: int, kind: pa.DataType):
    hashes, odd = ids(pa.array(texts, pa.string()).cast(kind).slice(first))
    assert odd.tolist() == [not text for text in texts[first:]]
    assert hashes[~odd].tolist() == [xxhash.xxh3_64_intdigest(text.encode()) for text in texts[first:] if text]
