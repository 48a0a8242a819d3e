"""The subscriber: each record of each alert once, from now on or from the beginning."""

from __future__ import annotations

import threading
from functools import partial

import pytest
from kafka import KafkaConsumer, KafkaProducer
from kafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor

from detectors.alerts.alert import Alert
from detectors.errors import DriftwardenError
from streams.alert_subscriber import AlertSubscriber
from streams.subscription import subscribe
from streams.topics import Topics, create_topics
from streams.wire import encode_alert
from tests.background import running_beside
from tests.waiting import PATIENCE, eventually

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


@pytest.mark.parametrize("group", [None, "impatient"])
def test_what_is_there_is_read_however_impatient_one_is_and_however_long_kafka_takes(broker: str, topics: Topics, group: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.alert_subscriber._POLL_MILLISECONDS", 1)  # a broker that answers within a second is slow to one who waits for a millisecond
    _send(broker, topics, *(_alert(f"a{number}", 0, f"model-{number}") for number in range(9)))
    arguments = {"topic_prefix": topics.prefix, "group": group and topics.prefix + group, "from_beginning": True, "idle": 0.0}
    with AlertSubscriber(broker, **arguments) as subscriber:
        assert sorted(_names(subscriber)) == [(f"a{number}", 0) for number in range(9)]
        assert _names(subscriber) == []


def test_a_member_to_which_its_group_gives_nothing_to_read_is_idle(broker: str, topic_prefix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    create_topics(broker, partitions=1, prefix=topic_prefix)
    group, stopping = f"{topic_prefix}two", threading.Event()
    keeping = partial(KafkaConsumer, partition_assignment_strategy=[StickyPartitionAssignor])  # who has the partition keeps it
    monkeypatch.setattr("streams.alert_subscriber.KafkaConsumer", keeping)
    first = keeping(bootstrap_servers=broker, group_id=group, heartbeat_interval_ms=100)  # it soon hears of whoever joins
    subscribe(first, [Topics(prefix=topic_prefix).alerts])

    def read() -> None:
        while not stopping.is_set():
            first.poll(1_000)

    with running_beside(read, stopping):
        eventually(first.assignment, "the partition for the first member")
        with AlertSubscriber(broker, topic_prefix=topic_prefix, group=group, idle=0.0) as second:
            assert _names(second) == []
            assert second._membership.is_settled
            assert second._consumer.assignment() == set()
    first.close()


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
