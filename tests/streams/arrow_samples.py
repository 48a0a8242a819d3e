"""Events as Arrow IPC streams, made by hand or drawn by hypothesis, and what a decoder says of them."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import strategies as st

from streams.formats.decoded import Decoded
from streams.formats.v1 import Decoder
from streams.source_records import SourceRecords
from tests.streams.test_decoder_laws import MONITORS, NOW, rows

numbers = st.one_of(st.integers(-3, 3), st.floats(-2, 2))
one_type = st.sampled_from([st.booleans(), st.integers(-3, 3), st.floats(-2, 2), st.sampled_from(["a", "b", ""])])
TIMES = st.sampled_from(
    [
        st.integers(NOW - 5, NOW + 5),
        st.floats(NOW - 5, NOW + 5),
        st.sampled_from(["2023-11-14T22:13:20.123456Z", "2023-11-14T23:13:20+01:00", "2023-11-14"]),
        st.sampled_from([NOW, NOW + 10**9, -(10**17)]),
    ]
)
COLUMNS: dict[str, st.SearchStrategy[st.SearchStrategy[Any]]] = {
    "kind": st.just(st.sampled_from(["prediction", "prediction", "label", "features", "time", "rumour"])),
    "timestamp": TIMES,
    "model_version": st.sampled_from([st.integers(1, 2), st.sampled_from(["1", "2"]), st.booleans()]),
    "prediction": one_type,
    "label": one_type,
    "score": st.sampled_from([st.floats(0, 1), st.floats(-0.5, 1.5), st.integers(0, 1), st.booleans()]),
    "latency_ms": st.sampled_from([st.floats(0, 9), st.just("fast")]),
    "sampling_fraction": st.sampled_from([st.floats(0.05, 1), st.floats(-0.5, 1.5), st.just(1), st.just("half"), st.booleans()]),
    "status": st.sampled_from([st.sampled_from([200, 500]), st.sampled_from(["error", "200"]), st.booleans()]),
    "features.age": st.sampled_from([st.floats(-2, 2), st.integers(-3, 3), st.just("old"), st.booleans()]),
    "features.plan": one_type,
    "features.area": st.just(st.floats(-2, 2)),
    "features.other": one_type,
    "segments.country": one_type,
    "segments.device": one_type,
    "probabilities.yes": st.just(st.floats(-0.5, 1.5)),
    "probabilities.no": st.just(st.floats(0, 1)),
}
IDENTITY = {
    "event_id": st.sampled_from([st.integers(0, 9), st.sampled_from(["a", "b", "c", ""])]),
    "model": st.just(st.sampled_from(["churn", "churn", "churn", "price", "spam", "fraud", ""])),
}


@st.composite
def tables(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Events whose fields have one type each, as columns do; None where an event has no such field."""
    n = draw(st.integers(1, 12))
    chosen = draw(st.sets(st.sampled_from(sorted(COLUMNS))))
    columns = {name: draw(COLUMNS[name]) for name in sorted(chosen)} | {name: draw(kinds) for name, kinds in IDENTITY.items()}
    values = {name: draw(st.lists(st.one_of(st.none(), *[column] * 4), min_size=n, max_size=n)) for name, column in columns.items()}
    return [{name: column[row] for name, column in values.items()} for row in range(n)]


def as_json(events: list[dict[str, Any]]) -> bytes:
    lines = []
    for event in events:
        nested: dict[str, Any] = {}
        for name, value in sorted(event.items(), key=lambda item: "." in item[0]):  # as in the table: of two faults the first is told
            outer, _, inner = name.partition(".")
            if value is not None:
                (nested.setdefault(outer, {}) if inner else nested)[inner or outer] = value
        lines.append(json.dumps(nested, separators=(",", ":")).encode())
    return b"\n".join(lines)


def as_arrow(events: list[dict[str, Any]], *, batches: int = 1, coded: bool = False) -> bytes:
    objects: dict[str, dict[str, pa.Array]] = {}
    columns: dict[str, pa.Array] = {}
    for name in events[0]:
        column = pa.array([event[name] for event in events])
        if coded and pa.types.is_string(column.type):
            column = column.dictionary_encode()
        outer, _, inner = name.partition(".")
        if inner:
            objects.setdefault(outer, {})[inner] = column
        else:
            columns[outer] = column
    columns |= {name: pa.StructArray.from_arrays(list(members.values()), list(members)) for name, members in objects.items()}
    return stream(pa.table(columns), rows=-(-len(events) // batches))


def stream(table: pa.Table, *, rows: int | None = None) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table, rows)
    return bytes(sink.getvalue().to_pybytes())


DECODER = Decoder(MONITORS)


def decode(*values: bytes | None, decoder: Decoder = DECODER) -> Decoded:
    n = len(values)
    records = SourceRecords(offsets=np.arange(n), timestamps=np.full(n, NOW), keys=[None] * n, values=values)
    return decoder.decode(records, high=NOW, end=n)


def said(decoded: Decoded) -> Any:
    letters = [(letter.offset, letter.index, letter.reason, letter.path) for letter in decoded.dead_letters]
    return rows(decoded.fetch.batches), letters, decoded.fetch.unmonitored, decoded.fetch.rejected


def event(number: int, **more: Any) -> dict[str, Any]:
    return {"event_id": f"e{number}", "model": "churn", "timestamp": NOW, "prediction": "no", "features.age": 1.5, "features.plan": "a"} | more


def categories(*texts: str | None, index: pa.DataType = pa.int8(), kind: pa.DataType = pa.string()) -> pa.DictionaryArray:  # noqa: B008  types are constants
    """A column that has each text once, as `pandas.Categorical` writes it."""
    return pa.DictionaryArray.from_arrays(pa.array(range(len(texts)), index), pa.array(texts, pa.string()).cast(kind))
