"""How long what was summarised waits to be told."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from streams.bundle_codec import decode_bundle
from streams.topics import Topics
from streams.wire import decode_points
from tests.streams.delivery_stream import DeliveryStream, delivery_stream

pytestmark = pytest.mark.kafka

EPOCH = 4.0


def test_points_follow_the_bundles_that_they_are_made_of_without_waiting_for_another_epoch(broker: str, topics: Topics, tmp_path: Path):
    with delivery_stream(broker, topics, tmp_path) as stream:
        stream.apply()
        worker = stream.worker("w0", epoch=f"{EPOCH:.0f}s")
        stream.publish_while(lambda: worker.printed.count("reading from") < 8, "its assignment")
        stream.publish_while(lambda: len(waits(stream)) < 3, "points of three epochs")
        assert min(waits(stream)) < EPOCH / 2, "a machine may stop a process for a while; one that waits for another epoch does so in each"


def waits(stream: DeliveryStream) -> list[float]:
    """Seconds from the first bundle of each epoch to the first points after it, for those that some follow."""
    told = sorted(record.timestamp for record in stream.records(stream.topics.summaries) if decode_bundle(record.value, "bundle").summaries)
    points = sorted(record.timestamp for record in stream.records(stream.topics.metrics) if any(point.measurement == "traffic" for point in decode_points(record.value)))
    epochs = [at for before, at in pairwise([0, *told]) if at - before > 1_000 * EPOCH / 4]
    return [(min(after) - at) / 1_000 for at in epochs if (after := [point for point in points if point >= at])]
