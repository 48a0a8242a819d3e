"""Texts and embeddings on their way: in JSON and in Arrow, from files, through a replay, as published."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from detectors.columns.embedding_columns import embedding_columns
from detectors.errors import SettingsError
from detectors.event_batch import EventBatch
from detectors.monitor import Monitor, Monitors
from detectors.settings.feature import Feature
from detectors.specification import MonitorSpecification
from streams.file_events import ColumnNames, feature_columns
from streams.formats.decoded import Decoded
from streams.formats.v1 import Decoder
from streams.infer import infer
from streams.monitor_file import format_specification, parse_specification
from streams.published_arrow import UnfitError, arrow_records_of, record_batch
from streams.published_event import Features, records_of
from streams.replay import replay
from streams.table_publishing import EventColumns, LabelDelay, events_of
from streams.tables import Table, read_table
from tests.streams.arrow_samples import decode, stream
from tests.streams.test_decoder_laws import NOW, rows

DIMENSION = 6
FEATURES = {
    "age": Feature(),
    "comment": Feature(type="text"),
    "plan": Feature(type="categorical"),
    "title": Feature(type="embedding", dimension=DIMENSION, projections=3, seed=5),
}
SPECIFICATION = MonitorSpecification(model="churn", features=FEATURES)
VECTOR = [0.5, -1.0, 2.0, 0.0, 0.25, 3.0]


def decoder(specification: MonitorSpecification = SPECIFICATION) -> Decoder:
    return Decoder(Monitors([Monitor(specification=specification)]))


def event(number: int, **features: Any) -> dict[str, Any]:
    return {"event_id": f"e{number}", "model": "churn", "timestamp": NOW, "prediction": "no", "features": {"age": 1.5, "plan": "a"} | features}


def as_json(events: list[dict[str, Any]]) -> bytes:
    return b"\n".join(json.dumps(one).encode() for one in events)


def as_arrow(events: list[dict[str, Any]], kind: pa.DataType | None = None) -> bytes:
    table = pa.Table.from_pylist(events)
    if kind is not None:
        features = table["features"].combine_chunks()
        members = {field.name: features.field(field.name) for field in features.type}
        members["title"] = members["title"].cast(kind)
        table = table.set_column(table.column_names.index("features"), "features", pa.StructArray.from_arrays(list(members.values()), list(members)))
    return stream(table)


def batch_of(found: Decoded) -> EventBatch:
    assert found.dead_letters == ()
    (batch,) = found.fetch.batches
    return batch


def test_a_text_and_an_embedding_become_the_columns_that_stand_for_them() -> None:
    batch = batch_of(decode(as_json([event(0, comment="Two words", title=VECTOR), event(1, comment=None), event(2, comment=17, title=None)]), decoder=decoder()))
    assert batch.numeric_names == ("age", "comment.length", "comment.words", "title.norm", "title.projection_0", "title.projection_1", "title.projection_2")
    assert list(batch.categorical) == ["comment.pattern", "plan", "comment.script"] or list(batch.categorical) == ["comment.pattern", "comment.script", "plan"]
    assert batch.numeric[:, 1].tolist() == pytest.approx([9, np.nan, 2], nan_ok=True)
    assert np.array_equal(batch.numeric[:, 3:], np.vstack([embedding_columns(np.array([VECTOR]), 3, 5), np.full((2, 4), np.nan)]), equal_nan=True)
    assert batch.categorical["comment.script"].to_text().tolist() == ["latin", None, "none"]


@pytest.mark.parametrize("kind", [None, pa.list_(pa.float64(), DIMENSION), pa.large_list(pa.float64()), pa.list_(pa.float32())])
def test_arrow_gives_the_same_columns_as_json(kind: pa.DataType | None) -> None:
    events = [event(0, comment="добрый день", title=VECTOR), event(1, comment="", title=None), event(2, comment=None, title=VECTOR[::-1])]
    assert rows((batch_of(decode(as_arrow(events, kind), decoder=decoder())),)) == rows((batch_of(decode(as_json(events), decoder=decoder())),))


@pytest.mark.parametrize("title", [VECTOR[:-1], [*VECTOR, 1.0], [], [1.0, None, 2.0, 3.0, 4.0, 5.0], ["a"] * DIMENSION, "no list", 3.0])
def test_what_is_no_embedding_makes_its_event_a_dead_letter_and_no_other(title: Any) -> None:
    events = [event(number, comment="x", title=title if number == 1 else VECTOR) for number in range(3)]
    found = decode(as_json(events), decoder=decoder())
    (letter,) = found.dead_letters
    assert (letter.index, letter.path.partition("[")[0]) == (1, "features.title")
    assert [len(batch) for batch in found.fetch.batches] == [2]
    if isinstance(title, list) and "a" not in title:
        in_arrow = decode(as_arrow(events), decoder=decoder())
        assert [(one.index, one.reason, one.path) for one in in_arrow.dead_letters] == [(1, letter.reason, letter.path)]
        assert rows(in_arrow.fetch.batches) == rows(found.fetch.batches)


def test_models_whose_embeddings_differ_in_anything_are_read_apart() -> None:
    others = [
        SPECIFICATION.model_copy(update={"model": f"m{seed}", "features": FEATURES | {"title": Feature(type="embedding", dimension=DIMENSION, projections=3, seed=seed)}})
        for seed in (5, 6)
    ]
    together = Decoder(Monitors([Monitor(specification=one) for one in (SPECIFICATION, *others)]))
    events = [event(0, comment="x", title=VECTOR), event(1, comment="x", title=VECTOR) | {"model": "m5"}, event(2, comment="x", title=VECTOR) | {"model": "m6"}]
    projected = {batch.model: batch.numeric[0, 4] for whole in decode(as_json(events), decoder=together).fetch.batches for batch in whole.by_model()}
    assert projected["churn"] == projected["m5"]
    assert projected["churn"] != projected["m6"]
    digests = {one.model_copy(update={"model": "m"}).digest for one in (SPECIFICATION, *others)}
    assert len(digests) == 2  # summaries of other directions never merge


def a_table(n: int, seed: int, *, changed: bool = False) -> Table:
    random = np.random.default_rng(seed)
    words = np.array(["loan", "late", "thanks", "please", "card"], object)
    comments = [" ".join(random.choice(words, random.integers(2, 6))) + f" {number}" + (" urgent, urgent!" if changed else "") for number in range(n)]
    vectors = random.normal(size=(n, 12)) + (1.0 if changed else 0.0)
    vectors[::50] = np.nan
    shops = np.array([f"shop {number}" for number in random.integers(0, 400, n)], object)
    return Table(
        source="rows", columns={"age": random.normal(40, 9, n), "comment": np.array(comments, object), "shop": shops, "title": vectors, "approved": random.random(n) < 0.5}
    )


def test_a_table_tells_its_types_and_a_replay_finds_what_changed() -> None:
    notes: list[str] = []
    base = MonitorSpecification(model="m", pane=20_000, lateness=0, false_alarms="1 per 1000000 events", events_per_pane=20.0)  # type: ignore[arg-type]  # as in a file
    found = infer(a_table(2_000, 1), model="m", label="approved", base=base, tell=notes.append)
    assert {name: feature.type for name, feature in found.features.items()} == {"age": "numeric", "comment": "text", "shop": "categorical", "title": "embedding"}
    assert found.features["title"].dimension == 12
    assert any("'shop' has" in note and "levels; the 64 most frequent have" in note for note in notes)
    assert parse_specification(format_specification(found)) == found
    names = ColumnNames(label="approved")
    assert replay([a_table(2_000, 2)], found, names).opened == []
    alarmed = {evidence.name for alert in replay([a_table(2_000, 3, changed=True)], found, names).alerts for evidence in alert.monitors}
    assert {"feature:comment.length", "feature:comment.pattern", "feature:title.norm"} <= alarmed
    assert not {name for name in alarmed if "shop" in name or "age" in name}


def test_a_script_that_no_text_of_the_reference_has_is_told_by_its_name() -> None:
    base = MonitorSpecification(model="m", pane=20_000, lateness=0, false_alarms="1 per 1000000 events", events_per_pane=20.0)  # type: ignore[arg-type]  # as in a file
    found = infer(a_table(1_000, 1), model="m", label="approved", base=base)
    columns = a_table(1_500, 2).columns
    columns["comment"][1_000:] = np.array([f"добрый день номер {number}" for number in range(500)], object)
    alerts = replay([Table(source="rows", columns=columns)], found, ColumnNames(label="approved")).alerts
    evidence = next(one for alert in alerts for one in alert.monitors if one.name == "feature:comment.script")
    assert {level: count for level, count in evidence.current.items() if count} == {"cyrillic": evidence.n_current}
    assert "unseen:comment.script" not in {one.name for alert in alerts for one in alert.monitors}


def test_what_is_published_of_a_table_is_what_a_replay_of_it_sees() -> None:
    table, specification = a_table(120, 4), MonitorSpecification(
        model="m", features={"comment": Feature(type="text"), "title": Feature(type="embedding", dimension=12)}
    )  # fmt: skip
    events = list(events_of([table], specification, EventColumns(prediction="approved"), delay=LabelDelay(), name="r"))
    settings = {"partitions": 1, "now": NOW, "span": 10**9, "max_bytes": 10**6}
    expected = feature_columns(specification, table)
    for records, errors in (records_of(events, **settings), arrow_records_of(events, **settings)):
        assert errors == []
        batch = batch_of(decode(*[record.value for record in records], decoder=decoder(specification)))
        assert batch.numeric_names == tuple(name for name, column in expected.items() if column.dtype != object)
        assert all(np.array_equal(batch.feature(name), expected[name], equal_nan=True) for name in batch.numeric_names)
        assert batch.categorical["comment.pattern"].to_text().tolist() == expected["comment.pattern"].tolist()
    assert any(value[:4] == b"\xff\xff\xff\xff" for value in [record.value for record in arrow_records_of(events, **settings)[0]])


def test_lists_come_from_parquet_and_json_lines_and_others_are_told(tmp_path: Path) -> None:
    lists = [VECTOR, None, VECTOR[::-1]]
    parquet.write_table(pa.table({"title": lists, "uneven": [[1.0], None, [1.0, 2.0]], "texts": [["a", "b"]] * 3, "age": [1.0, 2.0, 3.0]}), tmp_path / "rows.parquet")
    (tmp_path / "rows.jsonl").write_text("\n".join(json.dumps({"title": one}) for one in lists))
    for name in ("rows.parquet", "rows.jsonl"):
        found = read_table(tmp_path / name).vectors("title", DIMENSION)
        assert np.array_equal(found, np.array([VECTOR, [np.nan] * DIMENSION, VECTOR[::-1]]), equal_nan=True)
    table = read_table(tmp_path / "rows.parquet")
    with pytest.raises(SettingsError, match="column 'title' holds lists of 6 numbers; declare it as type embedding"):
        table.numbers("title")
    with pytest.raises(SettingsError, match="column 'uneven', row 1: expected a list of 2 numbers"):
        table.vectors("uneven", 2)
    notes: list[str] = []
    assert list(infer(table, model="m", tell=notes.append).features) == ["title", "age"]
    assert sum("lists of different lengths, or of what is no number" in note for note in notes) == 2


@pytest.mark.parametrize(
    ("text", "story"),
    [
        ("features: {a: {type: embedding}}", "dimension is that of an embedding and of no other type"),
        ("features: {a: {dimension: 3}}", "give both or neither"),
        ("features: {a: {type: text, minimum: 3}}", "a text has no range"),
        ("features: {a: {type: text}, a.length: {}}", "two columns 'a.length'"),
    ],
)
def test_what_cannot_be_meant_is_refused(text: str, story: str) -> None:
    with pytest.raises(SettingsError, match=story):
        parse_specification(f"model: m\n{text}\n")


def test_lists_of_different_lengths_are_published_as_json() -> None:
    with pytest.raises(UnfitError):
        record_batch([Features(f"e{size}", "m", 1, {"title": [1.0] * size}) for size in (2, 3)])
