"""Alerts on a real Kafka reach their receivers: none is lost, whatever happens to either, and what is open is open there."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from detectors.acknowledgement import Acknowledgement
from detectors.alerts.alert import Alert
from detectors.monitor import Monitor
from detectors.specification import MonitorSpecification
from retrainer.decision import Decision
from retrainer.versions import Version
from streams.broker import free_port
from streams.connection import KafkaConnection
from streams.monitor_codec import acknowledgement_key, encode_acknowledgement, encode_monitor, monitor_key
from streams.notify.courier import RECORDS_AT_ONCE, Courier
from streams.notify.notifier import Notifier
from streams.notify.settings import NotifySettings
from streams.topics import Topics
from streams.wire import encode_alert, encode_decision, encode_version
from tests.background import running_beside
from tests.notify.samples import alert, asked, promotion, settings
from tests.notify.servers import Alertmanager, HttpServer
from tests.waiting import eventually

pytestmark = pytest.mark.kafka


@pytest.fixture
def connection(broker: str, topics: Topics) -> KafkaConnection:
    return KafkaConnection(bootstrap=broker, topic_prefix=topics.prefix)


def publish(connection: KafkaConnection, *records: Alert | tuple[str, bytes, bytes]) -> None:
    producer = KafkaProducer(**connection.client_arguments())
    for record in records:
        topic, key, value = (connection.topics.alerts, record.model.encode(), encode_alert(record)) if isinstance(record, Alert) else record
        producer.send(topic, key=key, value=value)
    producer.flush()
    producer.close()


def announce(connection: KafkaConnection, *said: Version | Decision) -> None:
    """Say it all in one transaction, as the retrainer does."""
    producer = KafkaProducer(**connection.client_arguments(), transactional_id=connection.topic_prefix)
    producer.init_transactions()
    producer.begin_transaction()
    for one in said:
        topic, value = (connection.topics.versions, encode_version(one)) if isinstance(one, Version) else (connection.topics.decisions, encode_decision(one))
        producer.send(topic, key=one.model.encode(), value=value)
    producer.commit_transaction()
    producer.close()


@contextmanager
def running(connection: KafkaConnection, told: NotifySettings) -> Iterator[Courier]:
    stopping = threading.Event()
    notifier = Notifier(connection, told, stopping)
    with running_beside(notifier.run, stopping):
        yield notifier.couriers["it"]


def settled(connection: KafkaConnection) -> int:
    """Records of alerts that the receiver's group need not see again."""
    consumer = KafkaConsumer(**connection.client_arguments(), group_id=f"{connection.topic_prefix}driftwarden-notify.it")
    places = [consumer.committed(TopicPartition(connection.topics.alerts, partition)) or 0 for partition in range(4)]
    consumer.close()
    return sum(places)


def figure(courier: Courier, name: str) -> float | None:
    return courier._figures.registry.get_sample_value(f"driftwarden_{name}", {"receiver": courier.name})


def events(receiver: HttpServer) -> list[tuple[str, str, int]]:
    """What a webhook was told: kind of event, model, sequence."""
    bodies = [json.loads(post.body) for post in receiver.posts]
    return [(body["type"].rpartition("driftwarden.")[2], body["subject"], body["data"]["sequence"]) for body in bodies]


def webhook(receiver: HttpServer, **more: str) -> NotifySettings:
    return settings(f"{{type: webhook, url: '{receiver.url}/hook', secret: '${{SECRET}}', rate_limit: 1000 per 1s}}", retry_at_most="200ms", **more)


def test_an_alert_opens_and_resolves_in_alertmanager_while_it_was_away_in_between(alertmanager_server: Alertmanager, connection: KafkaConnection) -> None:
    model, other = connection.topic_prefix + "one", connection.topic_prefix + "two"
    told = settings(f"{{type: alertmanager, url: '{alertmanager_server.url}', resend_every: 1s, labels: {{cluster: eu}}}}", retry_at_most="200ms", page_address="https://d.example")
    publish(connection, alert("a1", model=model))
    with running(connection, told):
        eventually(lambda: len(alertmanager_server.alerts(model)) == 1)
        (found,) = alertmanager_server.alerts(model)
        expected = {"alertname": "DriftwardenPerformance", "model": model, "model_version": "3", "kind": "performance", "severity": "critical", "alert_id": "a1", "incident": "a1"}
        assert found["labels"] == expected | {"cluster": "eu"}
        assert found["annotations"]["acknowledge"] == "driftwarden alerts acknowledge a1 --by NAME"
        assert "95 % +0.06 to +0.14; 400 events against 1,000 of the reference" in found["annotations"]["evidence"]
        assert found["generatorURL"] == f"https://d.example/alert?model={model}&id=a1"
        first_end = found["endsAt"]
        eventually(lambda: any(one["endsAt"] > first_end for one in alertmanager_server.alerts(model)))  # it was posted again
        alertmanager_server.stop()
        publish(connection, alert("a1", 1, "resolved", model=model), alert("b1", model=other))
        time.sleep(1)
        alertmanager_server.start()
        eventually(lambda: len(alertmanager_server.alerts(other)) == 1)
        eventually(lambda: alertmanager_server.alerts(model) == [])
        eventually(lambda: settled(connection) == 3)


def test_an_alert_that_is_called_otherwise_is_one_alert_in_alertmanager_whoever_posted_it(alertmanager_server: Alertmanager, connection: KafkaConnection) -> None:
    model = connection.topic_prefix + "one"
    told = settings(f"{{type: alertmanager, url: '{alertmanager_server.url}', resend_every: 1s}}")

    def open_there() -> list[tuple[str, str]]:
        return sorted((found["labels"]["alertname"], found["labels"]["severity"]) for found in alertmanager_server.alerts(model))

    with running(connection, told):
        publish(connection, alert("a1", model=model))
        eventually(lambda: open_there() == [("DriftwardenPerformance", "critical")])
        publish(connection, alert("a1", 1, "updated", model=model, kind="label shift", severity="warning"))
        eventually(lambda: open_there() == [("DriftwardenLabelShift", "warning")])
    publish(connection, alert("a1", 2, "updated", model=model, kind="label shift", severity="critical"))
    with running(connection, told):
        eventually(lambda: open_there() == [("DriftwardenLabelShift", "critical")])
        publish(connection, alert("a1", 3, "resolved", model=model, kind="label shift", severity="critical"))
        eventually(lambda: open_there() == [])


def test_a_canary_is_told_when_it_begins_and_when_it_is_taken_back(receiver: HttpServer, connection: KafkaConnection) -> None:
    announce(connection, promotion("3"))
    with running(connection, webhook(receiver)) as courier:
        eventually(lambda: len(courier._committed) == 6)
        announce(connection, promotion("4", "canary", share=0.1))
        eventually(lambda: len(receiver.posts) == 1)
    with running(connection, webhook(receiver)):
        announce(connection, promotion("4", "rolled_back", gate={"reason": "worse by its own answers"}), promotion("3", "rolled_back"))
        eventually(lambda: len(receiver.posts) == 3)
    told = [json.loads(post.body)["data"] for post in receiver.posts]
    assert [(one["status"], one["kind"], one["severity"], one["version"]) for one in told] == [
        ("canary", "canary", "info", "4"),
        ("withdrawn", "canary", "warning", "4"),
        ("rolled back", "rollback", "warning", "3"),
    ]
    assert told[0]["summary"].startswith("churn: version 4 answers 0.1 of the events now, beside the champion, by retrainer")
    assert told[1]["summary"] == "churn: version 4 was a canary and is taken back; the champion answers all events again, by retrainer (worse by its own answers)"


def test_a_challenger_that_waits_for_a_person_is_told_once_and_not_when_somebody_has_decided(receiver: HttpServer, connection: KafkaConnection) -> None:
    def told() -> list[tuple[str, str, str]]:
        return [(body["subject"], body["data"]["status"], body["data"]["version"]) for body in (json.loads(post.body) for post in receiver.posts)]

    challengers = [promotion(version, "registered", parent="3", gate={}) for version in "4567"]
    announce(connection, promotion("3"), *challengers, asked("4"), asked("5"), promotion("4", "rejected"), asked("6", instruction="DoNothing"))
    with running(connection, webhook(receiver)) as courier:
        eventually(lambda: len(courier._committed) == 6)
        assert told() == [("churn", "waits for approval", "5")], "a receiver that is new is told of what waits, and not of what was decided"
        announce(connection, asked("6"), asked("6"))
        eventually(lambda: len(told()) == 2)
    announce(connection, asked("6"), promotion("1", "registered", model="fraud", gate={}), asked("1", model="fraud"), promotion("1", model="fraud", by="ada"), asked("7"))
    with running(connection, webhook(receiver)):
        eventually(lambda: len(told()) == 4)
        publish(connection, alert("a1"))
        eventually(lambda: settled(connection) == 1)
    assert told()[1] == ("churn", "waits for approval", "6")
    assert sorted(told()[2:4]) == [("churn", "waits for approval", "7"), ("fraud", "promoted", "1")]
    assert told()[4:] == [("churn", "opened", "3")]
    assert json.loads(receiver.posts[1].body)["data"]["actions"][0]["command"] == "driftwarden models promote --by NAME churn@6"


def test_while_a_receiver_is_away_kafka_holds_what_comes_and_nothing_is_lost(receiver: HttpServer, connection: KafkaConnection) -> None:
    receiver.status = 503
    with running(connection, webhook(receiver, max_waiting="20")) as courier:
        eventually(lambda: len(courier._committed) == 6)
        publish(connection, *(alert(f"a{number}", model=f"m{number % 7}") for number in range(300)))
        eventually(lambda: courier.waiting >= 20)
        time.sleep(1)
        assert courier.waiting <= 20 + 4 * RECORDS_AT_ONCE, "more is held than the bound and what a poll gives"
        eventually(lambda: figure(courier, "notify_receiver_away") == 1 and figure(courier, "notify_notices_waiting") == courier.waiting)
        assert settled(connection) < 5
        receiver.status = 200
        eventually(lambda: settled(connection) == 300)
        eventually(lambda: [figure(courier, f"notify_{name}") for name in ("messages_sent_total", "receiver_away", "notices_waiting", "alerts_open")] == [300, 0, 0, 300])
        assert courier._figures.waits_for == ""
    ids = [json.loads(post.body)["data"]["alert_id"] for post in receiver.posts if post.answered == 200]
    assert sorted(set(ids)) == sorted(f"a{number}" for number in range(300))


def test_the_log_says_once_that_more_alerts_are_open_than_are_remembered(receiver: HttpServer, connection: KafkaConnection, caplog: pytest.LogCaptureFixture) -> None:
    publish(connection, *(alert(f"a{number}") for number in range(5)))
    with running(connection, webhook(receiver, max_open="2")):
        eventually(lambda: settled(connection) == 5)
    (line,) = [message for message in caplog.messages if "max_open" in message]
    assert "more than 2 alerts of a partition are open" in line


def test_started_again_it_goes_on_where_it_was_and_knows_what_is_open(receiver: HttpServer, connection: KafkaConnection) -> None:
    publish(connection, alert("over"), alert("over", 1, "resolved"), alert("open", 0), alert("open", 1, "updated"))
    with running(connection, webhook(receiver)):
        eventually(lambda: settled(connection) == 4)
    assert events(receiver) == [("alert.opened", "churn", 1)], "what is over is not told at the first start, and what is open is told once"
    publish(connection, alert("open", 1, "updated"), alert("open", 2, "updated"), alert("open", 3, "resolved"), (connection.topics.alerts, b"churn", b"not an alert"))
    with running(connection, webhook(receiver)):
        eventually(lambda: settled(connection) == 8)
    assert events(receiver)[1:] == [("alert.updated", "churn", 2), ("alert.resolved", "churn", 3)]
    publish(connection, alert("open", 4, "updated"))
    with running(connection, webhook(receiver)):
        eventually(lambda: settled(connection) == 9)
    assert events(receiver)[3:] == [("alert.opened_again", "churn", 4)]


def test_a_refusal_is_told_and_the_next_is_sent(receiver: HttpServer, connection: KafkaConnection, caplog: pytest.LogCaptureFixture) -> None:
    with running(connection, webhook(receiver)) as courier:
        eventually(lambda: len(courier._committed) == 6)
        receiver.answers = [(400, {}, b"no such field"), (429, {"Retry-After": "1"}, b"slowly")]
        began = time.monotonic()
        publish(connection, alert("a1"), alert("a2"))
        eventually(lambda: settled(connection) == 2)
        assert time.monotonic() - began > 1
    assert courier.refused == 1
    assert [event["data"]["alert_id"] for event in (json.loads(post.body) for post in receiver.posts)] == ["a1", "a2", "a2"]
    assert "receiver 'it' refused a message for good, which is left out: 127.0.0.1 answered 400 'no such field'; it was of: alert a1 0" in caplog.text


def test_owners_route_acknowledged_alerts_are_quiet_and_promotions_are_changes(receiver: HttpServer, connection: KafkaConnection) -> None:
    receiver.status = 202
    topics = connection.topics
    monitor = Monitor(specification=MonitorSpecification(model="churn", owner="risk-eu"))
    publish(connection, (topics.monitors, monitor_key("churn", 1), encode_monitor(monitor)))
    told = settings(f"{{type: pagerduty, url: '{receiver.url}', routing_key: '${{KEY}}'}}", routes="[{receiver: it, owner: risk-*}]", group_wait="0s")
    with running(connection, told) as courier:
        eventually(lambda: len(courier._committed) == 6)
        publish(connection, alert("a1"), alert("b1", model="fraud"), (topics.versions, b"churn", encode_version(promotion())))
        eventually(lambda: len(receiver.posts) == 2)
        word = Acknowledgement(model="churn", alert_id="a1", sequence=0, by="Ada", effective_from=0)
        publish(connection, (topics.monitors, acknowledgement_key(word), encode_acknowledgement(word)))
        eventually(lambda: len(receiver.posts) == 3)
        publish(connection, alert("a1", 1, "updated"), alert("a1", 2, "resolved"))
        eventually(lambda: len(receiver.posts) == 4)
        eventually(lambda: settled(connection) == 4)
    actions = [(post.path, json.loads(post.body).get("event_action")) for post in receiver.posts]
    assert sorted(actions[:2], key=str) == [("/v2/change/enqueue", None), ("/v2/enqueue", "trigger")]
    assert actions[2:] == [("/v2/enqueue", "acknowledge"), ("/v2/enqueue", "resolve")]
    assert len({json.loads(post.body)["dedup_key"] for post in receiver.posts if post.path == "/v2/enqueue"}) == 1


def test_a_receiver_that_is_away_does_not_hold_up_another(receiver: HttpServer, connection: KafkaConnection) -> None:
    one = f"{{type: webhook, url: '{receiver.url}/hook', secret: '${{SECRET}}'}}"
    away = f"{{type: webhook, url: 'http://127.0.0.1:{free_port()}/', secret: '${{SECRET}}'}}"
    with running(connection, settings(f"{{it: {one}, away: {away}}}", routes="[{receiver: [away, it]}]")):
        publish(connection, alert("a1"))
        eventually(lambda: len(receiver.posts) == 1)
