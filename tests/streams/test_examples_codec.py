"""Labelled rows survive Arrow, in one record or in many."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.coded_text import CodedText
from detectors.rows.examples import Examples
from detectors.rows.labelled_rows import LabelledRows
from streams import examples_codec
from streams.examples_codec import decode_examples, encode_examples

names = st.one_of(st.none(), st.text(max_size=4))


@st.composite
def labelled_rows(draw: st.DrawFn) -> LabelledRows:
    rows = draw(st.integers(1, 9))

    def numbers(values: st.SearchStrategy[object], dtype: type) -> np.ndarray:
        return np.array(draw(st.lists(values, min_size=rows, max_size=rows)), dtype)

    def texts(values: st.SearchStrategy[object]) -> CodedText:
        return CodedText.of(draw(st.lists(values, min_size=rows, max_size=rows)))

    whole = st.integers(-(2**40), 2**40)
    outcome = draw(st.sampled_from([lambda: texts(names), lambda: numbers(st.floats(), float)]))
    return LabelledRows(
        model=draw(st.text(min_size=1, max_size=4)),
        partition=draw(st.integers(0, 9)),
        offset=numbers(whole, np.int64),
        index=numbers(whole, np.int64),
        event_id=numbers(st.integers(0, 2**64 - 1), np.uint64),
        predicted_at=numbers(whole, np.int64),
        labelled_at=numbers(whole, np.int64),
        version=texts(st.text(max_size=3)),
        segment=texts(st.just("")),
        prediction=outcome(),
        label=outcome(),
        score=numbers(st.floats(), float),
        numeric=np.column_stack([numbers(st.floats(), float), numbers(st.floats(), float)]),
        numeric_names=("age", "pay"),
        categorical={"plan": texts(names)},
    )


@settings(max_examples=100)
@given(labelled_rows(), st.sampled_from([1, 10**6]))
def test_rows_survive_their_records_in_order(sent: LabelledRows, max_bytes: int):
    records = encode_examples([sent], max_bytes=max_bytes)
    assert len(records) == (len(sent) if max_bytes == 1 else 1)
    assert {record.model for record in records} == {sent.model}
    check_same(Examples.concatenate([rows for record in records for rows in decode_examples(record.value)]), sent.examples())


@settings(max_examples=100)
@given(st.lists(labelled_rows(), min_size=2, max_size=4, unique_by=lambda rows: rows.model), st.sampled_from([1, 10**6]))
def test_models_that_share_a_record_are_told_apart(parts: list[LabelledRows], max_bytes: int):
    received: dict[str, list[Examples]] = {part.model: [] for part in parts}
    for record in encode_examples(parts, max_bytes=max_bytes):
        of_record = decode_examples(record.value)
        assert record.model in {None} if len(of_record) > 1 else {None, of_record[0].model}
        for rows in of_record:
            received[rows.model].append(rows)
    for part in parts:
        check_same(Examples.concatenate(received[part.model]), part.examples())


def part(model: str, n: int, first: int = 0, texts: list[str] | None = None) -> LabelledRows:
    places, none = np.arange(first, first + n), CodedText.of([""] * n)
    return LabelledRows(
        model=model,
        partition=0,
        offset=places,
        index=np.zeros(n, np.int64),
        event_id=places.astype(np.uint64),
        predicted_at=places,
        labelled_at=places,
        version=none,
        segment=none,
        prediction=none,
        label=none,
        score=np.full(n, np.nan),
        numeric=np.zeros((n, 2)),
        numeric_names=("age", "pay"),
        categorical={"plan": CodedText.of(texts or ["a"] * n)},
    )


def test_no_record_is_too_large_where_a_few_large_rows_lie_together():
    sent = part("loans", 2_000, texts=["x" * 100_000] * 20 + ["x"] * 1_980)
    records = encode_examples([sent], max_bytes=500_000)
    assert max(len(record.value) for record in records) <= 500_000
    check_same(Examples.concatenate([rows for record in records for rows in decode_examples(record.value)]), sent.examples())


def test_rows_of_two_revisions_keep_their_order():
    records = encode_examples([part("other", 5), part("loans", 10), part("loans", 1_000, first=10)], max_bytes=10**6)
    received = [rows for record in records for rows in decode_examples(record.value) if rows.model == "loans"]
    assert np.concatenate([rows.offset for rows in received]).tolist() == list(range(1_010))


def check_same(received: Examples, expected: Examples) -> None:
    assert received.model == expected.model
    for name, value in vars(expected).items():
        if isinstance(value, np.ndarray):
            np.testing.assert_array_equal(getattr(received, name), value)
            assert getattr(received, name).dtype == value.dtype
    assert list(received.features) == list(expected.features) == ["age", "pay", "plan"]
    for name, value in expected.features.items():
        np.testing.assert_array_equal(received.features[name], value)


def test_a_record_is_as_large_as_it_may_be_and_no_larger():
    n = 20_000
    whole, version = np.arange(n), CodedText.constant("1", n)
    rows = LabelledRows(
        model="m", partition=0, offset=whole, index=whole, event_id=whole.astype(np.uint64), predicted_at=whole, labelled_at=whole, version=version, segment=version,
        prediction=version, label=version, score=np.zeros(n), numeric=np.zeros((n, 20)), numeric_names=tuple(f"f{place}" for place in range(20)), categorical={},
    )  # fmt: skip
    records = encode_examples([rows], max_bytes=500_000)
    sizes = [len(record.value) for record in records]
    assert max(sizes) <= 500_000
    assert min(sizes[:-1]) > 450_000
    assert sum(len(pa.ipc.open_stream(record.value).read_all()) for record in records) == n


def test_a_thousand_quiet_models_share_records_and_a_busy_one_has_its_own():
    def rows(model: str, n: int) -> LabelledRows:
        whole, version = np.arange(n), CodedText.constant("1", n)
        return LabelledRows(
            model=model, partition=0, offset=whole, index=whole, event_id=whole.astype(np.uint64), predicted_at=whole, labelled_at=whole, version=version, segment=version,
            prediction=version, label=version, score=np.zeros(n), numeric=np.zeros((n, 2)), numeric_names=("a", "b"), categorical={},
        )  # fmt: skip

    records = encode_examples([*(rows(f"quiet-{number}", 3) for number in range(1_000)), rows("busy", 1_000)], max_bytes=10**6)
    assert [record.model for record in records] == ["busy", None]
    assert [len(examples) for examples in decode_examples(records[1].value)] == [3] * 1_000


def test_rows_that_come_in_parts_make_the_records_of_all_of_them_together():
    whole = part("loans", 3_000, texts=["a", "b", "c"] * 1_000)
    parts = [whole.take(slice(first, first + 700)) for first in range(0, 3_000, 700)]
    assert encode_examples(parts, max_bytes=50_000) == encode_examples([whole], max_bytes=50_000)


def test_a_long_text_that_all_rows_mean_is_written_out_in_portions(monkeypatch: pytest.MonkeyPatch):
    rows = [part("churn", 100, texts=["long " * 100] * 100), part("churn", 50, first=100, texts=["long " * 100] * 50)]
    expected = [one for value in encode_examples(rows, max_bytes=10**6) for one in decode_examples(value.value)]
    monkeypatch.setattr(examples_codec, "_CHARACTERS_AT_ONCE", 10_000)
    received = [one for value in encode_examples(rows, max_bytes=10**6) for one in decode_examples(value.value)]
    assert max(len(one.offset) for one in received) <= 20
    assert [offset for one in received for offset in one.offset.tolist()] == [offset for one in expected for offset in one.offset.tolist()]
