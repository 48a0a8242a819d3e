"""An acknowledgement on a real Kafka: a worker takes it up, and the worker that follows it says the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from streams.acknowledge import acknowledge
from streams.connection import connect
from streams.topics import Topics
from tests.streams.delivery_stream import delivery_stream

pytestmark = pytest.mark.kafka


def test_a_worker_that_is_killed_after_an_acknowledgement_resolves_the_alert_once_and_raises_no_other(broker: str, topics: Topics, tmp_path: Path) -> None:
    with delivery_stream(broker, topics, tmp_path) as stream:
        stream.apply()
        first = stream.worker("w0")
        stream.publish(6_800)
        stream.publish(1_200, drifted=True)
        stream.publish_while(lambda: not stream.alerts(), "an alert", drifted=True)
        word = acknowledge(stream.alerts(), by="ann", note="new market", connection=connect(broker, topic_prefix=topics.prefix))
        assert word.new
        stream.publish_while(lambda: stream.alerts()[-1].acknowledged is None, "the alert's end", drifted=True)
        first.kill()
        stream.worker("w0")
        stream.publish(6_000, drifted=True)
        stream.finish()
        assert stream.counted() == (stream.predictions, stream.labels)
        told = stream.alerts()
        assert [alert.status for alert in told] == ["opened", "resolved"]
        assert told[1].acknowledged is not None
        assert (told[1].acknowledged.by, told[1].updated_at) == ("ann", word.acknowledgement.effective_from)
        assert set(stream.alert_records()) == {record for record in stream.alert_records() if b'"churn"' in record}
