"""The subscriber: each record of each alert once, from now on or from the beginning."""

from __future__ import annotations

import threading

import pytest
from kafka import KafkaProducer

from detectors.alerts.alert import Alert
from detectors.errors import DriftwardenError
from streams.alert_subscriber import AlertSubscriber
from streams.topics import Topics
from streams.wire import encode_alert
from tests.waiting import PATIENCE

pytestmark = pytest.mark.kafka


def _alert(alert_id: str, sequence: int, model: str = "loans") -> Alert:
    return Alert(
        alert_id=alert_id,
        sequence=sequence,
        status="opened" if sequence == 0 else "updated",
        kind="drift",
        severity="warning",
        model=model,
        model_version="1",
        segment="",
        opened_at=0,
        updated_at=sequence,
        change_at=0,
        summary="salary moved",
        monitors=(),
        budget="1 per 30d",
    )


def _send(broker: str, topics: Topics, *alerts: Alert | bytes) -> None:
    producer = KafkaProducer(bootstrap_servers=broker)
    for alert in alerts:
        value, key = (alert, "x") if isinstance(alert, bytes) else (encode_alert(alert), alert.model)
        producer.send(topics.alerts, value, key=key.encode()).get(10)
    producer.close()


def _names(subscriber: AlertSubscriber) -> list[tuple[str, int]]:
    return [(alert.alert_id, alert.sequence) for alert in subscriber]


def test_a_repeated_record_is_delivered_once_and_an_unreadable_one_is_skipped(broker: str, topics: Topics) -> None:
    first, second = _alert("a", 0), _alert("a", 1)
    _send(broker, topics, first, second, b"{", first, second, _alert("b", 0, "churn"), second)
    with AlertSubscriber(broker, topic_prefix=topics.prefix, from_beginning=True, idle=1.5) as subscriber:
        alerts = list(subscriber)
    assert sorted((alert.alert_id, alert.sequence) for alert in alerts) == [("a", 0), ("a", 1), ("b", 0)]
    assert first in alerts
    assert subscriber.unreadable == 1


def test_only_the_models_asked_for_are_delivered(broker: str, topics: Topics) -> None:
    _send(broker, topics, _alert("a", 0, "loans"), _alert("b", 0, "churn"))
    with AlertSubscriber(broker, topic_prefix=topics.prefix, models=["churn"], from_beginning=True, idle=1) as subscriber:
        assert _names(subscriber) == [("b", 0)]


def test_from_now_on_means_after_the_subscriber_was_made(broker: str, topics: Topics) -> None:
    _send(broker, topics, _alert("before", 0))
    with AlertSubscriber(broker, topic_prefix=topics.prefix, idle=1) as subscriber:
        _send(broker, topics, _alert("after", 0))
        assert _names(subscriber) == [("after", 0)]


def test_a_group_goes_on_where_it_was(broker: str, topics: Topics) -> None:
    _send(broker, topics, _alert("a", 0))
    arguments = {"topic_prefix": topics.prefix, "group": f"{topics.prefix}readers", "from_beginning": True, "idle": 3.0}
    with AlertSubscriber(broker, **arguments) as subscriber:
        assert _names(subscriber) == [("a", 0)]
    _send(broker, topics, _alert("b", 0))
    with AlertSubscriber(broker, **arguments) as subscriber:
        assert _names(subscriber) == [("b", 0)]


def test_an_iteration_that_was_left_goes_on_with_the_next_alert(broker: str, topics: Topics) -> None:
    _send(broker, topics, *(_alert("a", sequence) for sequence in range(5)))
    with AlertSubscriber(broker, topic_prefix=topics.prefix, from_beginning=True, idle=1) as subscriber:
        assert next(iter(subscriber)).sequence == 0
        for alert in subscriber:
            if alert.sequence == 2:
                break
        assert _names(subscriber) == [("a", 3), ("a", 4)]


def test_a_group_that_was_left_in_the_middle_goes_on_with_the_first_alert_that_was_not_taken(broker: str, topics: Topics) -> None:
    _send(broker, topics, *(_alert("a", sequence) for sequence in range(5)))
    arguments = {"topic_prefix": topics.prefix, "group": f"{topics.prefix}readers", "from_beginning": True, "idle": 3.0}
    with AlertSubscriber(broker, **arguments) as subscriber:
        for alert in subscriber:
            if alert.sequence == 2:
                break  # an error while it was handled, perhaps
    with AlertSubscriber(broker, **arguments) as subscriber:
        assert _names(subscriber) == [("a", 2), ("a", 3), ("a", 4)]


def test_a_waiting_subscriber_can_be_closed_from_another_thread(broker: str, topics: Topics) -> None:
    subscriber = AlertSubscriber(broker, topic_prefix=topics.prefix)
    found: list[Alert] = []
    reader = threading.Thread(target=lambda: found.extend(subscriber))
    reader.start()
    _send(broker, topics, _alert("a", 0))
    subscriber.close()
    reader.join(PATIENCE)
    assert not reader.is_alive()


def test_memory_is_bounded(broker: str, topics: Topics) -> None:
    _send(broker, topics, *(_alert("a", sequence) for sequence in range(5)), _alert("a", 0), _alert("a", 4))
    with AlertSubscriber(broker, topic_prefix=topics.prefix, from_beginning=True, idle=1, remembered=3) as subscriber:
        assert [sequence for _, sequence in _names(subscriber)] == [0, 1, 2, 3, 4, 0]


def test_a_missing_topic_and_a_text_for_models_are_told(broker: str) -> None:
    with pytest.raises(DriftwardenError, match=r"none\.monitoring\.alerts does not exist .* driftwarden topics apply"):
        AlertSubscriber(broker, topic_prefix="none.")
    with pytest.raises(TypeError, match="'churn'"):
        AlertSubscriber(broker, models="churn")
