"""What the demonstration reads of a real Kafka, as any dashboard would."""

from __future__ import annotations

import pytest
from kafka import KafkaProducer

from detectors.point import Point
from streams.connection import connect
from streams.demo.observer import Observer
from streams.topics import Topics
from streams.wire import encode_points
from tests.waiting import PATIENCE, eventually

pytestmark = pytest.mark.kafka


def _traffic(predictions: int, at: int, *, final: bool) -> Point:
    return Point(measurement="traffic", tags={"model": "loans", "version": "1"}, fields={"predictions": predictions, "final": final}, time=at)


def test_a_provisional_point_of_a_replaced_worker_does_not_take_the_place_of_the_final_one(broker: str, topics: Topics) -> None:
    told = [
        _traffic(9, 20_000, final=False),
        _traffic(60, 0, final=False),
        _traffic(100, 0, final=True),
        _traffic(100, 0, final=True),
        _traffic(60, 0, final=False),
        _traffic(7, 10_000, final=True),
    ]
    producer = KafkaProducer(bootstrap_servers=broker)
    for point in told:
        producer.send(topics.metrics, encode_points([point]), partition=0).get(PATIENCE)
    producer.close()
    observer = Observer(connect(broker, topic_prefix=topics.prefix))
    try:
        eventually(lambda: len(observer.points) >= 3 or observer.error is not None, "three points")
        assert observer.error is None
        assert observer.total("predictions") == 107
        assert observer.final_panes() == {0, 10_000}
        assert [point.fields["predictions"] for point in observer.newest("traffic")] == [9]
    finally:
        observer.stop()
