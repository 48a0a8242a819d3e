"""Columns of rows in many blocks, against the columns that were appended."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.coded_text import CodedText
from detectors.rows import row_blocks
from detectors.rows.row_blocks import RowBlocks

texts = st.lists(st.one_of(st.none(), st.sampled_from("abcde")), min_size=1, max_size=40)


@settings(max_examples=200)
@given(texts, st.lists(st.integers(0, 40), max_size=4), st.lists(st.integers(0, 39), min_size=1, max_size=30), st.integers(0, 3))
def check_columns(sent: list[str | None], cuts: list[int], asked: list[int], width: int) -> None:
    blocks, matrix = RowBlocks(), np.arange(float(len(sent) * width)).reshape(len(sent), width)
    ends = [*sorted(min(cut, len(sent)) for cut in cuts), len(sent)]
    for first, end in zip([0, *ends], ends, strict=False):
        if end > first:
            blocks.append(np.arange(first, end), {"name": CodedText.of(sent[first:end]), "number": np.arange(first, end) / 2, "matrix": matrix[first:end]})
    rows = np.array([row % len(sent) for row in asked])
    found = blocks.columns(["matrix", "name", "number"], rows)
    assert list(found) == ["matrix", "name", "number"]
    name = found["name"]
    assert isinstance(name, CodedText)
    assert name.to_text().tolist() == [sent[row] for row in rows.tolist()]
    assert name.codes.dtype == np.int32
    np.testing.assert_array_equal(found["number"], rows / 2)
    np.testing.assert_array_equal(found["matrix"], matrix[rows])


@pytest.mark.parametrize("rows_of_a_block", [1, 3, 1_000])
def test_columns_of_rows_from_any_blocks_are_those_that_were_appended(rows_of_a_block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_blocks, "ROWS", rows_of_a_block)
    monkeypatch.setattr(row_blocks, "_MANY", max(rows_of_a_block // 8, 1))
    check_columns()
