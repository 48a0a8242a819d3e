"""Topics: made once, corrected when wrong, and never repartitioned by accident."""

from __future__ import annotations

import time

import pytest
from kafka import KafkaAdminClient, KafkaProducer
from kafka.admin import ConfigResource, ConfigResourceType
from kafka.errors import InvalidTimestampError

from detectors.errors import DriftwardenError, SettingsError
from streams.topics import Topics, create_topics, existing_partitions

pytestmark = pytest.mark.kafka


def _settings(bootstrap: str, name: str) -> dict[str, str]:
    admin = KafkaAdminClient(bootstrap_servers=bootstrap)
    try:
        described = admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name)], config_filter="all")
        return {key: entry["value"] for resources in described.values() for key, entry in resources[name].items()}
    finally:
        admin.close()


def test_all_topics_are_made_with_their_partitions(broker: str, topics: Topics) -> None:
    admin = KafkaAdminClient(bootstrap_servers=broker)
    counts = existing_partitions(admin, topics)
    admin.close()
    assert counts == dict.fromkeys(topics.by_partitions_of_source, 4) | dict.fromkeys(topics.with_one_partition, 1)


def test_settings_on_the_broker_are_those_of_the_table(broker: str, topics: Topics) -> None:
    for name, wanted in topics.settings().items():
        found = _settings(broker, name)
        assert {key: found[key] for key in wanted} == wanted


def test_applying_twice_changes_nothing(broker: str, topics: Topics) -> None:
    changes = create_topics(broker, prefix=topics.prefix)
    assert set(changes.unchanged) == set(topics.all)
    assert changes.created == changes.settings_changed == changes.partitions_added == []


def test_a_wrong_setting_is_corrected(broker: str, topics: Topics) -> None:
    changes = create_topics(broker, prefix=topics.prefix, max_ahead=60_000)
    assert changes.settings_changed == [topics.inference_events]
    assert _settings(broker, topics.inference_events)["message.timestamp.after.max.ms"] == "60000"


def test_partitions_are_not_added_without_the_flag_and_the_message_says_why(broker: str, topics: Topics) -> None:
    with pytest.raises(SettingsError, match="labels still to come would miss the predictions") as refusal:
        create_topics(broker, prefix=topics.prefix, partitions=6)
    assert "--allow-repartitioning" in str(refusal.value)
    changes = create_topics(broker, prefix=topics.prefix, partitions=6, allow_repartitioning=True)
    assert set(changes.partitions_added) == set(topics.by_partitions_of_source)


def test_partitions_cannot_be_removed(broker: str, topics: Topics) -> None:
    with pytest.raises(SettingsError, match="cannot remove partitions: ask for 4"):
        create_topics(broker, prefix=topics.prefix, partitions=2, allow_repartitioning=True)


def test_the_broker_refuses_a_record_from_the_future(broker: str, topics: Topics) -> None:
    producer = KafkaProducer(bootstrap_servers=broker, enable_idempotence=False)  # an idempotent one of kafka-python is unusable after any refusal
    in_two_hours = int(time.time() * 1000) + 7_200_000
    with pytest.raises(InvalidTimestampError):
        producer.send(topics.inference_events, b"{}", key=b"e1", timestamp_ms=in_two_hours).get(10)
    assert producer.send(topics.inference_events, b"{}", key=b"e1", timestamp_ms=0).get(10).offset == 0
    producer.close()


def test_no_kafka_is_a_sentence_with_a_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.topics.KafkaAdminClient", lambda **given: KafkaAdminClient(**given | {"bootstrap_timeout_ms": 200}))
    with pytest.raises(DriftwardenError, match=r"no Kafka answers on 127.0.0.1:1 .*driftwarden broker start"):
        create_topics("127.0.0.1:1", prefix="")
