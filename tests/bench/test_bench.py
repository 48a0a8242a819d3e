"""The bench is a program of ours like any other: its stream is the same each time, its checks can fail, and its formula finds what is there."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

import msgspec
import numpy as np
import pyarrow as pa
import pytest

from bench.__main__ import run
from bench.figure import CheckFailedError, Found, Row, Size, expect
from bench.linear import picture
from bench.scale import FITTED, fit, terms
from bench.table import ROWS
from bench.workload import LABEL_AFTER, Workload
from streams.partitioner import partition_of


def test_rows_have_names_of_their_own() -> None:
    assert len({row.name for row in ROWS}) == len(ROWS)


def test_arrow_records_hold_the_events_of_the_json_records_each_in_its_own_partition() -> None:
    plain = Workload(labels="separate", features=3)
    end = LABEL_AFTER + 2_000
    events = [msgspec.json.decode(record.value) for record in plain.records(0, end)]
    tables = [(record.partition, pa.ipc.open_stream(record.value).read_all()) for record in Workload(labels="separate", features=3, arrow_rows=500).records(0, end)]
    assert all(set(partition_of([one.encode() for one in table["event_id"].to_pylist()], 4).tolist()) == {partition} for partition, table in tables)
    rows = [row for _, table in tables for row in table.to_pylist()]
    assert sorted(map(said, rows)) == sorted(map(said, events))


def said(event: dict[str, Any]) -> str:
    """An event without the fields that it does not have; what has no kind is a prediction."""
    return repr(sorted((name, value) for name, value in ({"kind": "prediction"} | event).items() if value is not None))


def test_a_wrong_result_costs_its_row_and_no_other() -> None:
    def wrong(size: Size) -> Found:
        expect("events", 1, 2)
        return Found(figures=(1.0,))

    rows = [
        Row(name="wrong", what="work", sense="at least", target=1, unit="events", run=wrong),
        Row(name="right", what="work", sense="at least", target=1, unit="events", run=lambda _: Found(figures=(3.0, 1.0, 2.0))),
    ]
    results, code = run(rows, Size(), None)
    assert (code, results["rows"]["wrong"]["holds"], results["rows"]["right"]["figure"], results["rows"]["right"]["holds"]) == (2, False, 2.0, True)
    with pytest.raises(CheckFailedError, match="got 1, expected 2"):
        wrong(Size())


def test_the_formula_finds_the_constants_of_what_grows_as_it_says() -> None:
    constants = np.array([396.0, 20.0, 3_000.0, 800.0, 150.0, 60.0])
    assert fit(FITTED, [float(terms(*size) @ constants) for size in FITTED]) == pytest.approx(constants)


def test_the_picture_is_an_svg_with_a_dot_for_every_point() -> None:
    series = [("events", "thousands", "CPU ms", [1.0, 2.0], [3.0, 6.0])] * 3
    drawn = ElementTree.fromstring(picture(series))  # noqa: S314  our own
    assert len(drawn.findall("{http://www.w3.org/2000/svg}circle")) == 6
