"""A real worker tells of itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from prometheus_client.parser import text_string_to_metric_families

from detectors.point import Point
from streams.broker import free_port
from streams.telemetry.figures import MEASUREMENT
from streams.topics import Topics
from streams.wire import decode_points
from tests.streams.delivery_stream import PARTITIONS, DeliveryStream, delivery_stream
from tests.waiting import PATIENCE

pytestmark = pytest.mark.kafka

EVENTS = 2_000
BAD = 3


def newest(stream: DeliveryStream, told: dict[tuple[tuple[str, str], ...], Point]) -> dict[str, float]:
    """The last value of each field, added up over tags."""
    found: dict[str, float] = {}
    for point in told.values():
        for field, value in point.fields.items():
            found[field] = found.get(field, 0.0) + float(value)
    return found


def test_a_worker_tells_what_it_has_read_refused_and_made_durable(broker: str, topics: Topics, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()
    monkeypatch.setenv("DRIFTWARDEN_METRICS_POINTS_EVERY", "1s")
    monkeypatch.setenv("DRIFTWARDEN_METRICS_ADDRESS", f"127.0.0.1:{port}")
    with delivery_stream(broker, topics, tmp_path) as stream:
        stream.apply()
        stream.send_monitor("fraud", 1, b"no JSON")
        stream.publish(EVENTS)
        for number in range(BAD):
            stream.send(f"bad{number}", 0, b"no JSON")
        stream.finish()
        stream.worker("w0")
        predictions, labels = sum(stream.predictions.values()), sum(stream.labels.values())
        told: dict[tuple[tuple[str, str], ...], Point] = {}

        def complete() -> bool:
            return newest(stream, told).get("predictions", 0) >= predictions and newest(stream, told).get("epoch_age_seconds") == 0

        for record in stream.records(topics.metrics, until=complete):
            told |= {point.key[1]: point for point in decode_points(record.value) if point.measurement == MEASUREMENT}
        found = newest(stream, told)
        served = {sample.name + str(sample.labels.get("reason", "")): sample.value for family in parsed(f"http://127.0.0.1:{port}/metrics") for sample in family.samples}
        with urlopen(f"http://127.0.0.1:{port}/readyz", timeout=PATIENCE) as answer:
            assert answer.read() == b"ready\n"

    assert served["driftwarden_predictions_total"] == predictions
    assert served["driftwarden_dead_letters_totalnot JSON"] == BAD
    assert (found["predictions"], found["labels"]) == (predictions, labels)
    assert found["events"] == predictions + labels
    assert found["dead_letters"] == BAD
    assert found["consumer_lag_records"] == 0
    assert found["epochs"] >= PARTITIONS
    assert found["unreadable_monitors"] == 1
    assert (found["models"], found["unmonitored_events"], found["missed_records"], found["late_events"]) == (1, 0, 0, 0)
    assert {tags for tags in map(dict, told) if "reason" in tags for tags in [tags["reason"]]} == {"not JSON"}
    assert {dict(tags)["worker"] for tags in told} == {"w0"}


def parsed(url: str) -> list[Any]:
    with urlopen(url, timeout=PATIENCE) as answer:  # noqa: S310  of the worker of the test
        return list(text_string_to_metric_families(answer.read().decode()))
