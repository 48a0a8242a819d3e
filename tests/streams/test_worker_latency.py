"""How long what was summarised waits to be told."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from streams.bundle_codec import decode_bundle
from streams.topics import Topics
from streams.wire import decode_points
from tests.streams.delivery_stream import delivery_stream

pytestmark = pytest.mark.kafka

EPOCH = 4.0


def test_points_follow_the_bundles_that_they_are_made_of_without_waiting_for_another_epoch(broker: str, topics: Topics, tmp_path: Path):
    with delivery_stream(broker, topics, tmp_path) as stream:
        stream.apply()
        worker = stream.worker("w0", epoch=f"{EPOCH:.0f}s")
        stream.publish_while(lambda: worker.printed.count("reading from") < 8, "its assignment")
        end = time.monotonic() + 2 * EPOCH
        stream.publish_while(lambda: time.monotonic() < end, "an epoch")
        told = [record.timestamp for record in stream.records(topics.summaries) if decode_bundle(record.value, "bundle").summaries]
        points = [record.timestamp for record in stream.records(topics.metrics) if any(point.measurement == "traffic" for point in decode_points(record.value))]
        assert min(points) - min(told) < 1_000 * EPOCH / 2
