"""Coded text reads like the texts it was made of."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from detectors.coded_text import CodedText

texts = st.lists(st.one_of(st.none(), st.text(max_size=2)), max_size=20)


@given(texts)
def test_what_was_coded_reads_the_same(values: list[str | None]) -> None:
    assert CodedText.of(values).to_text().tolist() == values
    assert CodedText.of(np.array([*values, None], object)[:-1]).present.tolist() == [value is not None for value in values]


@given(st.lists(texts, max_size=4))
def test_parts_put_together_read_like_their_texts_put_together(parts: list[list[str | None]]) -> None:
    whole = CodedText.concatenate([CodedText.of(part) for part in parts])
    assert whole.to_text().tolist() == [value for part in parts for value in part]
    assert len(set(whole.levels)) == len(whole.levels)


@given(texts, st.data())
def test_rows_are_taken_by_place_and_by_mask(values: list[str | None], data: st.DataObject) -> None:
    mask = data.draw(st.lists(st.booleans(), min_size=len(values), max_size=len(values)))
    column = CodedText.of(values)
    wanted = [value for value, wants in zip(values, mask, strict=True) if wants]
    assert column[np.array(mask, bool)].to_text().tolist() == wanted
    assert column.take(np.flatnonzero(mask)).to_text().tolist() == wanted


@given(texts)
def test_a_cell_is_the_one_of_the_value(values: list[str | None]) -> None:
    table = {"": 0, "a": 1}
    assert CodedText.of(values).cells(table, unseen=2, missing=3).tolist() == [3 if value is None else table.get(value, 2) for value in values]


def test_a_constant_column_has_one_level_or_none() -> None:
    assert CodedText.constant("a", 2).to_text().tolist() == ["a", "a"]
    assert CodedText.constant(None, 2).to_text().tolist() == [None, None]
