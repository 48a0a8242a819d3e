"""A process that shares partitions with others joins its group when it knows them."""

from __future__ import annotations

import threading

import pytest
from kafka import KafkaConsumer

from detectors.errors import DriftwardenError
from streams.connection import KafkaConnection
from streams.influx.settings import InfluxSettings
from streams.influx.sink import InfluxSink
from streams.retrainer_turn import Turn
from streams.subscription import subscribe
from streams.topics import Topics

pytestmark = pytest.mark.kafka


def test_partitions_are_known_when_the_group_is_joined(broker: str, topics: Topics, caplog: pytest.LogCaptureFixture) -> None:
    consumer = KafkaConsumer(bootstrap_servers=broker, group_id=f"{topics.prefix}g")
    subscribe(consumer, [topics.metrics, topics.alerts])
    while not consumer.assignment():
        consumer.poll(200)
    consumer.close()
    assert "No partition metadata" not in caplog.text


def test_missing_topics_are_named_at_once(broker: str, topic_prefix: str) -> None:
    connection = KafkaConnection(bootstrap=broker, topic_prefix=topic_prefix)
    with pytest.raises(DriftwardenError, match=rf"topics are missing: {topic_prefix}retraining\.requests; make them with: driftwarden topics apply"):
        Turn(connection)
    with pytest.raises(DriftwardenError, match=r"topics are missing: .*monitoring\.metrics, .*driftwarden topics apply"):
        InfluxSink(connection, InfluxSettings.model_validate({"token": "none"}), threading.Event()).run()
