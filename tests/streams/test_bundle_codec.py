"""A bundle in one record or in many is the same bundle."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.bundle import Bundle, Cohort, FirstRows, Summary
from detectors.coded_text import CodedText
from detectors.rows.earliest_rows import EarliestRows
from streams.bundle_codec import decode_bundle, encode_bundle

counts = st.lists(st.sampled_from([0.0, 0.0, 0.0, 1.0, 2.5, 1e9]), min_size=1, max_size=40).map(np.array)
summaries = st.builds(
    Summary,
    model=st.sampled_from(["a", "b"]),
    revision=st.integers(1, 3),
    digest=st.just("d"),
    version=st.text(max_size=3),
    segment=st.just(""),
    start=st.integers(-(10**13), 10**13),
    counts=counts,
)
cohorts = st.builds(Cohort, model=st.just("a"), revision=st.just(1), digest=st.just("d"), version=st.just("1"), start=st.integers(0, 10), counts=counts)


def first_rows_of(values: list[float]) -> FirstRows:
    numbers, n = np.arange(len(values)), len(values)
    plan, age = CodedText.of(["free" if value else None for value in values]), np.array(values)
    own = {"time": numbers, "event_id": numbers.astype(np.uint64), "partition": np.full(n, 3, np.int32), "position": numbers, "answered": age > 0}
    return FirstRows(model="a", revision=1, digest="d", rows=EarliestRows(prediction=plan, columns={"age": age, "plan": plan}, **own))


bundles = st.builds(
    Bundle,
    partition=st.integers(0, 9),
    partitions=st.just(10),
    generation=st.integers(1, 9),
    epoch=st.integers(1, 9),
    high=st.integers(-(2**63), 10**13),
    idle=st.integers(0, 60_000),
    covered=st.integers(0, 99),
    summaries=st.lists(summaries, max_size=8).map(tuple),
    cohorts=st.lists(cohorts, max_size=4).map(tuple),
    first_rows=st.lists(st.lists(st.sampled_from([0.0, 1.5]), min_size=1, max_size=9).map(first_rows_of), max_size=2).map(tuple),
    unmonitored=st.dictionaries(st.text(max_size=3), st.integers(1, 9), max_size=2),
    rejected=st.integers(0, 9),
    missed=st.integers(0, 9),
    gaps=st.lists(st.tuples(st.integers(-(2**63), 10**13), st.integers(0, 2**63 - 1)), max_size=2).map(tuple),
)


def told(item: Summary | Cohort) -> dict[str, object]:
    return vars(item) | {"counts": item.counts.tolist()}


def rows_of(bundle: Bundle) -> list[tuple[object, ...]]:
    """Rows as they stand, whichever records they are in."""
    rows = [told.rows for told in bundle.first_rows]
    columns = [
        (one.position.tolist(), one.columns["age"].tolist(), one.columns["plan"].to_text().tolist(), one.prediction.to_text().tolist(), one.answered.tolist()) for one in rows
    ]
    return [row for column in columns for row in zip(*column, strict=True)]


@settings(max_examples=100)
@given(bundles, st.sampled_from([1, 300, 100_000]))
def test_the_parts_of_a_bundle_hold_it_all_once_and_in_order(bundle, max_bytes):
    records = encode_bundle(bundle, max_bytes=max_bytes)
    parts = [decode_bundle(record, "a") for record in records]
    assert [part.part for part in parts] == list(range(len(parts)))
    assert {part.parts for part in parts} == {len(parts)}
    assert [told(one) for part in parts for one in part.summaries] == [told(one) for one in bundle.summaries]
    assert [told(one) for part in parts for one in part.cohorts] == [told(one) for one in bundle.cohorts]
    assert [row for part in parts for row in rows_of(part)] == rows_of(bundle)
    names = ("partition", "partitions", "generation", "epoch", "high", "idle", "covered", "unmonitored", "rejected", "missed", "gaps")
    assert all(getattr(part, name) == getattr(bundle, name) for part in parts for name in names)
    assert all(len(record) <= max_bytes or len(part.summaries) + len(part.cohorts) + len(rows_of(part)) <= 1 for record, part in zip(records, parts, strict=True))
