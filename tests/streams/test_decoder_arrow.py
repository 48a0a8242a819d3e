"""Arrow IPC streams: the same events as JSON give the same columns, and what is wrong with them is said in the same words."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.event_batch import LABEL
from detectors.monitor import Monitor, Monitors
from streams.formats import arrow_records
from streams.formats.arrow_messages import Outline, outline
from streams.formats.arrow_types import FIELDS
from streams.formats.placement import SAMPLED_FETCHES, Placement
from streams.formats.v1 import Decoder
from streams.partitioner import partition_of
from streams.source_records import SourceRecords
from streams.summarise_driver import SummariseDriver
from streams.topics import Topics
from tests.detectors.event_samples import specification
from tests.streams.arrow_samples import as_arrow, as_json, categories, decode, event, said, stream, tables
from tests.streams.test_decoder_laws import MONITORS, NOW, rows


@settings(max_examples=100)
@given(tables(), st.integers(1, 3), st.booleans())
def test_the_same_events_as_json_and_as_arrow_give_the_same_columns_and_dead_letters(events: list[dict[str, Any]], batches: int, coded: bool):
    assert said(decode(as_arrow(events, batches=batches, coded=coded))) == said(decode(as_json(events)))


@settings(max_examples=50)
@given(st.lists(st.tuples(tables(), st.booleans(), st.booleans()), min_size=1, max_size=6))
def test_both_forms_may_be_mixed_in_any_way(records: list[tuple[list[dict[str, Any]], bool, bool]]):
    mixed = decode(*[as_arrow(events, coded=coded) if arrow else as_json(events) for events, arrow, coded in records])
    assert said(mixed) == said(decode(*[as_json(events) for events, _, _ in records]))
    for batch in mixed.fetch.batches:
        for kind in (batch.kind == LABEL, batch.kind != LABEL):
            place = list(zip(batch.offset[kind].tolist(), batch.index[kind].tolist(), strict=True))
            assert place == sorted(place)


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_a_timestamp_with_a_zone_is_a_time_in_any_unit_and_one_without_is_refused(unit: str):
    table = pa.table(
        {"event_id": ["a"], "model": ["churn"], "prediction": ["no"], "timestamp": pa.array([NOW - 20_000], pa.timestamp("ms", "Europe/Rome")).cast(pa.timestamp(unit, "UTC"))}
    )
    assert decode(stream(table)).fetch.batches[0].timestamp.tolist() == [NOW - 20_000]
    (dead,) = decode(stream(table.set_column(3, "timestamp", table["timestamp"].cast(pa.timestamp(unit))))).dead_letters
    assert dead.path == "timestamp"


def test_a_bad_row_costs_its_neighbours_nothing_and_can_be_published_again_by_itself():
    events = [event(number, **({"score": 7.0} if number == 3 else {"score": 0.5})) for number in range(500)]
    decoded = decode(as_arrow(events, coded=True))
    (dead,) = decoded.dead_letters
    assert (dead.offset, dead.index, dead.path) == (0, 3, "score")
    assert [len(batch) for batch in decoded.fetch.batches] == [499]
    assert len(dead.value or b"") < 3_000
    (again,) = pa.ipc.open_stream(dead.value).read_all().to_pylist()
    assert (again["event_id"], again["score"], again["features"]) == ("e3", 7.0, {"age": 1.5, "plan": "a"})
    (same,) = decode(dead.value).dead_letters
    assert (same.reason, same.path) == (dead.reason, dead.path)


@pytest.mark.parametrize("value", [float("inf"), float("-inf")])
@pytest.mark.parametrize("name", ["features.age", "score", "latency_ms", "prediction"])
def test_infinity_is_refused_where_it_would_be_counted(name: str, value: float):
    decoded = decode(as_arrow([event(0, **{name: 0.5}), event(1, **{name: value})]))
    assert [letter.index for letter in decoded.dead_letters] == [1]
    assert [len(batch) for batch in decoded.fetch.batches] == [1]


def test_nan_is_a_missing_value():
    (batch,) = decode(as_arrow([event(0, **{"features.age": float("nan"), "score": float("nan")})])).fetch.batches
    assert np.isnan(batch.feature("age")).all()
    assert np.isnan(batch.score).all()


@pytest.mark.parametrize(
    ("column", "path"),
    [
        (pa.array([[1.0]]), "features.age"),
        (pa.array([b"\xff"]), "features.age"),
        (pa.array([{"years": 1}]), "features.age"),
        (pa.array([1], pa.duration("s")), "features.age"),
        (pa.array([2**62], pa.timestamp("s")), "features.age"),
    ],
)
def test_a_feature_of_a_type_that_no_feature_has_is_refused_if_it_is_declared_and_ignored_otherwise(column: pa.Array, path: str):
    def with_feature(name: str) -> bytes:
        features = pa.StructArray.from_arrays([column], [name])
        return stream(pa.table({"event_id": ["a"], "model": ["churn"], "prediction": ["no"], "features": features}))

    (dead,) = decode(with_feature("age")).dead_letters
    assert dead.path in {path, ""}
    assert decode(with_feature("other")).dead_letters == ()


GOOD = as_arrow([event(number) for number in range(20)], batches=2, coded=True)
NEIGHBOUR = as_arrow([event(number) for number in range(100, 105)])


@settings(max_examples=100)
@given(st.lists(st.tuples(st.integers(0, len(GOOD) - 1), st.integers(0, 255)), min_size=1, max_size=4), st.integers(0, len(GOOD)))
def test_damaged_streams_end_neither_the_process_nor_their_neighbours(changes: list[tuple[int, int]], length: int):
    damaged = bytearray(GOOD)
    for place, byte in changes:
        damaged[place] = byte
    decoded = decode(NEIGHBOUR, GOOD, bytes(damaged), bytes(damaged[:length]), NEIGHBOUR.replace(b"e10", b"f10"), GOOD)
    found = rows(decoded.fetch.batches)
    assert [sum(place[0] == offset for place in found) for offset in (0, 1, 4, 5)] == [5, 20, 5, 20]
    assert {place: found[place] for place in found if place[0] in {1, 5}} == rows(decode(None, GOOD, None, None, None, GOOD).fetch.batches)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"\xff\xff\xff\xff", "not an Arrow IPC stream: "),
        (GOOD[:200], "not an Arrow IPC stream: "),
        (b"\xff\xff\xff\xff" + b"{}" * 100, "not an Arrow IPC stream: "),
        (stream(pa.table({"event_id": pa.array([], pa.string())})), "without rows"),
        (stream(pa.table([pa.array(["a"]), pa.array(["b"])], names=["model", "model"])), "two columns have this name"),
        (stream(pa.table({"model": pa.nulls(200_000)})), "at most 100000 rows"),
    ],
)
def test_a_stream_that_cannot_be_read_is_one_dead_letter_with_its_bytes(value: bytes, reason: str):
    decoded = decode(value, NEIGHBOUR)
    (dead,) = decoded.dead_letters
    assert reason in dead.reason
    assert (dead.offset, dead.index, dead.value) == (0, 0, value)
    assert [len(batch) for batch in decoded.fetch.batches] == [5]


def test_records_of_many_models_are_given_to_each_model():
    monitors = Monitors([Monitor(specification=specification().model_copy(update={"model": f"m{number}"})) for number in range(50)])
    events = [event(number, model=f"m{number % 60}", **{"features.plan": f"p{number % 60}"}) for number in range(600)]
    decoded = decode(as_arrow(events, coded=True), as_arrow(events), decoder=Decoder(monitors))
    assert {batch.model: len(batch) for batch in decoded.fetch.batches} == {f"m{number}": 20 for number in range(50)}
    assert {level for batch in decoded.fetch.batches for level in batch.categorical["plan"].levels if batch.model == "m7"} == {"p7"}
    assert decoded.fetch.unmonitored == {f"m{number}": 20 for number in range(50, 60)}


@pytest.mark.parametrize("form", [as_json, as_arrow])
def test_ids_of_another_partition_are_noticed_in_both_forms(form: Any):
    ids = [f"e{number}" for number in range(200)]
    owners = partition_of([name.encode() for name in ids], 4).tolist()
    own = [event(number) for number in range(200) if owners[number] == 1]
    anybody = [event(number) for number in range(200)]
    placed = Decoder(MONITORS, Placement(1, 4))
    assert decode(form(own), decoder=placed).misplaced == ()
    found = [decode(form(anybody), decoder=placed).misplaced for _ in range(SAMPLED_FETCHES)][-1]
    assert found
    assert all(owners[int(name[1:])] != 1 for name in found)
    assert "partitioner=murmur2_random" in Placement(1, 4).story(found)


@pytest.mark.parametrize("coded", [False, True])
@pytest.mark.parametrize("kept", [{"features.plan": "x" * 300_000}, {"prediction": "x" * 300_000}, {"model_version": "x" * 300_000}, {"model": "m" * 201}])
def test_what_is_too_large_to_keep_is_refused_as_in_json(kept: dict[str, Any], coded: bool):
    events = [event(0, model_version="1"), event(1, **{"model_version": "1"} | kept)]
    found = decode(as_arrow(events, coded=coded))
    assert [letter.index for letter in found.dead_letters] == [1]
    assert said(found) == said(decode(as_json(events)))


def test_the_decision_names_the_columns_that_are_read():
    page = (Path(__file__).parent.parent.parent / "docs/adr/0010-arrow-on-the-wire.md").read_text()
    rows_of_the_table = re.findall(r"^\| (`.*?`) \|", page, re.MULTILINE)
    assert {name for row in rows_of_the_table for name in re.findall(r"`(\w+)`", row)} == FIELDS


def test_a_misplaced_id_is_told_once_and_is_no_dead_letter(caplog: pytest.LogCaptureFixture):
    driver = SummariseDriver(partition=1, partitions=4, monitors=MONITORS, topics=Topics(""))
    for offset in range(3):
        value = as_arrow([event(10 * offset + number) for number in range(10)])
        driver.absorb(SourceRecords(offsets=np.array([offset]), timestamps=np.array([NOW]), keys=[None], values=[value]), offset + 1)
    (told,) = [record.getMessage() for record in caplog.records if "partition" in record.getMessage()]
    assert "belongs to partition" in told
    epoch = driver.flush(generation=1, epoch=1, at_end=False, idle=0)
    assert epoch is not None
    assert Topics("").dead_letters not in {output.topic for output in epoch.outputs}  # drift does not depend on where an event lies


@pytest.mark.parametrize("name", ["event_id", "features.plan", "segments.country"])
def test_records_may_have_more_texts_together_than_the_index_of_each_ones_dictionary_can_count(name: str):
    def record(number: int) -> bytes:
        coded = categories(*[f"{number}-{row}" for row in range(100)])
        columns = {"event_id": pa.array([f"e{number}-{row}" for row in range(100)]), "model": pa.array(["churn"] * 100), "prediction": pa.array(["no"] * 100)}
        outer, _, inner = name.partition(".")
        return stream(pa.table(columns | {outer: pa.StructArray.from_arrays([coded], [inner]) if inner else coded}))

    decoded = decode(record(0), record(1))
    assert decoded.dead_letters == ()
    assert [len(batch) for batch in decoded.fetch.batches] == [200]
    decoder = Decoder(MONITORS, Placement(0, 4))
    assert decode(record(0), record(1), decoder=decoder).dead_letters == ()


ODD_IDS = {
    "list": pa.array([[1], None]),
    "struct": pa.array([{"a": 1}, None]),
    "struct with a name twice": pa.StructArray.from_arrays([pa.array([1, 2]), pa.array([1, 2])], ["a", "a"]),
    "map": pa.array([[("a", 1)], None], pa.map_(pa.string(), pa.int8())),
    "date": pa.array([2**31 - 1, None], pa.int32()).cast(pa.date32()),
    "timestamp": pa.array([2**62, None], pa.int64()).cast(pa.timestamp("s")),
    "timestamp of nowhere": pa.array([1, None], pa.int64()).view(pa.timestamp("us", "Nowhere/Bad")),
}


@pytest.mark.parametrize("column", ODD_IDS.values(), ids=ODD_IDS)
def test_an_id_of_a_type_that_no_id_has_is_refused_where_ids_are_looked_at(column: pa.Array):
    table = pa.table({"event_id": column, "model": ["churn"] * 2, "prediction": ["no"] * 2})
    decoded = decode(stream(table), stream(table), decoder=Decoder(MONITORS, Placement(0, 4)))
    assert decoded.fetch.rejected == 4
    assert decoded.misplaced == ()


@pytest.mark.parametrize("kind", [pa.string_view(), pa.dictionary(pa.int8(), pa.string_view())])
def test_views_are_text_and_their_bad_rows_are_dead_letters_like_others(kind: pa.DataType):
    def column(*texts: str) -> pa.Array:
        return categories(*texts, kind=pa.string_view()) if pa.types.is_dictionary(kind) else pa.array(texts, pa.string()).cast(kind)

    features = pa.StructArray.from_arrays([column("free", "paid")], ["plan"])
    table = pa.table({"event_id": column("a", "b"), "model": ["churn"] * 2, "prediction": column("no", "yes"), "features": features, "score": [0.5, 7.0]})
    decoded = decode(stream(table), decoder=Decoder(MONITORS, Placement(0, 4)))
    (batch,) = decoded.fetch.batches
    assert (batch.prediction.to_text().tolist(), batch.categorical["plan"].to_text().tolist()) == (["no"], ["free"])
    (dead,) = decoded.dead_letters
    assert (dead.index, dead.path) == (1, "score")
    (again,) = pa.ipc.open_stream(dead.value).read_all().to_pylist()
    assert (again["event_id"], again["features"]) == ("b", {"plan": "paid"})


STRUCTS = pa.DictionaryArray.from_arrays(pa.array([0, 1], pa.int8()), pa.array([{"a": "a"}, {"a": "b"}]))
RUNS = pa.RunEndEncodedArray.from_arrays([1, 2], ["a", "b"])
VIEWS = pa.array([b"a", b"b"], pa.binary_view())


@pytest.mark.parametrize("column", [RUNS, VIEWS, STRUCTS])
@pytest.mark.parametrize("name", ["event_id", "prediction", "features.plan"])
def test_a_column_that_can_be_neither_cut_nor_put_together_is_refused_with_its_record(name: str, column: pa.Array):
    outer, _, inner = name.partition(".")
    table = pa.table({"event_id": ["a", "b"], "model": ["churn"] * 2, "prediction": ["no"] * 2} | {outer: pa.StructArray.from_arrays([column], [inner]) if inner else column})
    value = stream(table)
    decoded = decode(value, NEIGHBOUR)
    (dead,) = decoded.dead_letters
    assert (dead.offset, dead.value, dead.path) == (0, value, name)
    assert "a type that can be read" in dead.reason
    assert [len(batch) for batch in decoded.fetch.batches] == [5]


@pytest.mark.parametrize("column", [RUNS, VIEWS, pa.array(["a", "b"], pa.string()).cast(pa.string_view())])
def test_a_column_that_nobody_reads_may_be_of_any_type(column: pa.Array):
    value = stream(pa.table({"event_id": ["a", "b"], "model": ["churn"] * 2, "prediction": ["no"] * 2, "score": [0.5, 7.0], "other": column}))
    decoded = decode(value)
    assert [len(batch) for batch in decoded.fetch.batches] == [1]
    (dead,) = decoded.dead_letters
    assert (dead.index, dead.path, dead.value) == (1, "score", value)


def test_a_null_among_the_texts_of_a_dictionary_is_a_missing_value():
    texts = categories("no", None)
    decoded = decode(stream(pa.table({"event_id": ["a", "b"], "model": ["churn"] * 2, "prediction": texts})))
    assert said(decoded) == said(decode(as_json([{"event_id": "a", "model": "churn", "prediction": "no"}, {"event_id": "b", "model": "churn"}])))
    nothing = pa.DictionaryArray.from_arrays(pa.array([0, 0], pa.int8()), pa.array([None], pa.string()))
    (batch,) = decode(stream(pa.table({"event_id": ["a", "b"], "model": ["churn"] * 2, "prediction": ["no"] * 2, "status": nothing}))).fetch.batches
    assert not batch.failed.any()


@pytest.mark.parametrize("kind", [pa.float16(), pa.float32(), pa.float64()])
@pytest.mark.parametrize("odd", [False, True])
def test_a_segment_that_is_nan_is_missing_however_its_row_is_read(kind: pa.DataType, odd: bool):
    segments = pa.StructArray.from_arrays([pa.array(np.array([np.nan, 1.5], np.float16)).cast(kind)], ["country"])
    times = pa.array(["2023-11-14T22:13:20Z"] * 2 if odd else [NOW] * 2)
    (batch,) = decode(stream(pa.table({"event_id": ["a", "b"], "model": ["churn"] * 2, "prediction": ["no"] * 2, "timestamp": times, "segments": segments}))).fetch.batches
    assert batch.segment.to_text().tolist() == ["country=None", "country=1.5"]


def test_a_row_that_has_no_form_in_json_is_refused_alone():
    ages = pa.StructArray.from_arrays([pa.array([1, 2**62, 3], pa.int64()).cast(pa.timestamp("s")), pa.array(["free"] * 3)], ["other", "plan"])
    table = pa.table({"event_id": ["a", "b", "c"], "model": ["churn"] * 3, "prediction": ["no"] * 3, "timestamp": ["2023-11-14T22:13:20Z"] * 3, "features": ages})
    decoded = decode(stream(table))
    assert [(letter.index, letter.reason.partition(":")[0]) for letter in decoded.dead_letters] == [(1, "a value has no form in JSON")]
    assert [batch.index.tolist() for batch in decoded.fetch.batches] == [[0, 2]]


def in_batches(*columns: pa.Array) -> bytes:
    """A stream with a batch for each column of plans, whose dictionary replaces that of the batch before."""
    sink = pa.BufferOutputStream()
    batches = []
    for number, column in enumerate(columns):
        features = pa.StructArray.from_arrays([column], ["plan"])
        ids = pa.array([f"{number}-{row}" for row in range(len(column))])
        batches.append(pa.record_batch({"event_id": ids, "model": pa.array(["churn"] * len(ids)), "prediction": pa.array(["no"] * len(ids)), "features": features}))
    with pa.ipc.new_stream(sink, batches[0].schema) as writer:
        for batch in batches:
            writer.write_batch(batch)
    return bytes(sink.getvalue().to_pybytes())


def test_each_batch_of_a_record_may_have_dictionaries_of_its_own():
    texts = [[f"{batch}-{row}" for row in range(100)] for batch in range(3)]
    value = in_batches(*[categories(*mine) for mine in texts])
    decoded = decode(value, value)
    assert decoded.dead_letters == ()
    (batch,) = decoded.fetch.batches
    assert batch.categorical["plan"].to_text().tolist() == [text for mine in texts for text in mine] * 2


def test_a_record_is_read_alike_whatever_was_read_before_it():
    coded = [as_arrow([event(10 * number + place, **{"features.plan": f"p{place % 2}"}) for place in range(10)], coded=True) for number in range(4)]
    values = [*coded, in_batches(categories("p0", "p1")), GOOD, *coded, as_arrow([event(0)], batches=2), *coded]
    decoder = Decoder(MONITORS)
    one_by_one = [said(decode(*[None] * place, value, decoder=decoder))[0] for place, value in enumerate(values)]
    together = decode(*values)
    assert together.dead_letters == ()
    assert rows(together.fetch.batches) == {place: row for found in one_by_one for place, row in found.items()}


def test_of_records_with_one_head_only_those_are_refused_that_cannot_be_read():
    good = [as_arrow([event(10 * number + place) for place in range(10)], coded=True) for number in range(6)]
    ends = np.arange(0, 22, 2, np.int32).tobytes()  # of the ids' texts
    bad = good[0].replace(ends, ends[:8] + b"\xff" + ends[9:])
    decoded = decode(*good[:4], bad, *good[4:], bad)
    assert [letter.offset for letter in decoded.dead_letters] == [4, 7]
    assert all(letter.reason.startswith("not an Arrow IPC stream: ") for letter in decoded.dead_letters)
    assert {place[:2] for place in rows(decoded.fetch.batches)} == {(offset, row) for offset in (0, 1, 2, 3, 5, 6) for row in range(10)}


def test_a_record_without_its_dictionaries_is_refused_and_those_behind_it_keep_their_own():
    def record(*texts: str) -> bytes:
        return stream(pa.table({"event_id": [f"id-{text}" for text in texts], "model": ["churn"] * 2, "prediction": categories(*texts)}))

    first, other = record("no", "yes"), record("maybe", "never")
    schema = 8 + int.from_bytes(first[4:8], "little")
    decoded = decode(first[:schema] + first[outline(first).batches[0][0] :], first, other, decoder=Decoder(MONITORS))
    assert [letter.offset for letter in decoded.dead_letters] == [0]
    (batch,) = decoded.fetch.batches
    assert batch.prediction.to_text().tolist() == ["no", "yes", "maybe", "never"]


def test_heads_of_producers_that_take_turns_are_looked_at_once(monkeypatch: pytest.MonkeyPatch):
    before: list[Outline | None] = []
    looked_through = arrow_records.outline

    def counted(value: bytes, known: Outline | None = None) -> Outline:
        before.append(known)
        return looked_through(value, known)

    monkeypatch.setattr(arrow_records, "outline", counted)
    producers = [as_arrow([event(number, **more)]) for number, more in enumerate([{}, {"score": 0.5}, {"latency_ms": 2.0}])]
    decoded = decode(*producers * 3, decoder=Decoder(MONITORS))
    assert decoded.dead_letters == ()
    assert [known is not None and value.startswith(known.head) for value, known in zip(producers * 3, before, strict=True)] == [False] * 3 + [True] * 6
