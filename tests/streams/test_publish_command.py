"""`driftwarden publish`: each row once, its label when it would have been known, and the end of event time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kafka import KafkaConsumer, TopicPartition

from detectors.errors import SettingsError
from detectors.specification import MonitorSpecification
from streams.published_event import Features, Label, Prediction
from streams.table_publishing import EventColumns, LabelDelay, events_of, parse_label_delay, record_span
from streams.tables import read_chunks
from streams.topics import Topics

SPECIFICATION = MonitorSpecification(model="loans", segments=("land",))
COLUMNS = EventColumns(time="at", prediction="said", score="p", label="truth")


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "history.csv"
    rows = [f"{1_000_000 + 1_000 * row},{row % 3},0.{row % 10},{row % 2},{row},x{row % 2}" for row in range(300)]
    path.write_text("\n".join(["at,said,p,truth,salary,land", *rows]) + "\n")
    return path


def _events(table: Path, columns: EventColumns = COLUMNS, **delay: int) -> list[Any]:
    return list(events_of(read_chunks(table, 70), SPECIFICATION, columns, delay=LabelDelay(**delay), name="history"))


def test_a_row_becomes_a_prediction_with_features_segments_and_a_label_that_is_known_at_once(table: Path) -> None:
    event = _events(table, duration=0)[7]
    expected = Prediction("history-7", "loans", 1_007_000, features={"salary": 7}, prediction=1, label=1, score=0.7, segments={"land": "x1"})
    assert event == expected


def test_a_delay_in_events_puts_the_label_after_so_many_predictions(table: Path) -> None:
    events = _events(table, events=50)
    assert len(events) == 600
    place = {(type(event), event.event_id): number for number, event in enumerate(events)}
    for row in range(250):
        between = events[place[Prediction, f"history-{row}"] + 1 : place[Label, f"history-{row}"]]
        assert sum(isinstance(event, Prediction) for event in between) == 49
        label = events[place[Label, f"history-{row}"]]
        assert (label.timestamp, label.outcome_at) == (1_000_000 + 1_000 * (row + 50), 1_000_000 + 1_000 * row)


def test_a_delay_in_time_dates_the_label_and_keeps_everything_in_order(table: Path) -> None:
    events = _events(table, duration=90_500)
    times = [event.timestamp for event in events]
    assert times == sorted(times)
    assert {event.event_id: event.timestamp for event in events if isinstance(event, Label)} == {f"history-{row}": 1_090_500 + 1_000 * row for row in range(300)}


def test_without_a_time_the_row_number_is_seconds_and_without_a_prediction_rows_are_features(table: Path) -> None:
    events = _events(table, EventColumns(label="truth"), duration=0)
    features = [event for event in events if isinstance(event, Features)]
    assert [event.timestamp for event in features] == [1_000 * row for row in range(300)]
    assert set(features[0].features) == {"at", "said", "p", "salary"}
    assert sum(isinstance(event, Label) for event in events) == 300


@given(st.integers(1, 50), st.integers(0, 200))
def test_no_event_of_a_record_is_late_by_the_records_own_timestamp(pane: int, lateness: int) -> None:
    span = record_span(MonitorSpecification(model="m", pane=pane, lateness=lateness, windows=(pane,)))
    first_pane_end, latest = pane, span - 1
    assert first_pane_end > latest - lateness


def test_a_delay_that_is_neither_is_refused() -> None:
    with pytest.raises(SettingsError, match="got 'soon'"):
        parse_label_delay("soon")


@pytest.mark.kafka
def test_the_command_publishes_every_row_and_label_once_and_moves_event_time_past_the_last_pane(broker: str, topics: Topics, table: Path, tmp_path: Path) -> None:
    (tmp_path / "monitor.yaml").write_text("model: loans\nlateness: 20s\nsegments: [land]\n")
    options = ["--monitor", str(tmp_path / "monitor.yaml"), "--time", "at", "--prediction", "said", "--label", "truth", "--label-delay", "50", "--rate", "100000", "--json"]
    command = [sys.executable, "-c", "from streams.cli import main; main()", "publish", str(table), *options]
    environment = os.environ | {"DRIFTWARDEN_BOOTSTRAP": broker, "DRIFTWARDEN_TOPIC_PREFIX": topics.prefix}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False, timeout=100)
    assert done.returncode == 0, done.stderr
    assert done.stderr == "", "a progress bar belongs on a terminal"
    assert json.loads(done.stdout) == {"events": 600, "sent": 600, "event_time_end": 1_300_000 + 20_000 + 1}
    consumer = KafkaConsumer(bootstrap_servers=broker, enable_auto_commit=False)
    partitions = [TopicPartition(topics.inference_events, number) for number in range(4)]
    consumer.assign(partitions)
    consumer.seek_to_beginning(*partitions)
    ends = consumer.end_offsets(partitions)
    seen: list[tuple[str, str]] = []
    last: dict[int, Any] = {}
    while any(consumer.position(partition) < end for partition, end in ends.items()):
        for records in consumer.poll(500).values():
            for record in records:
                last[record.partition] = record
                events = [msgspec.json.decode(line) for line in record.value.splitlines()]
                seen.extend((event.get("kind", "prediction"), event.get("event_id", "")) for event in events)
    consumer.close()
    assert sorted(seen) == sorted([(kind, f"loans-history.csv-{row}") for row in range(300) for kind in ("prediction", "label")] + [("time", "")] * 4)
    assert {record.timestamp for record in last.values()} == {1_320_001}
