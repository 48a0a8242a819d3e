"""A Kafka that permits by name: one who may do what begins with the topic prefix runs an installation, and nothing else."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from kafka import KafkaAdminClient
from kafka.admin import ACL, ACLOperation, ACLPermissionType, ACLResourcePatternType, ResourcePattern, ResourceType

from retrainer.registry.files import FilesRegistry
from streams.connection import connect
from streams.influx.settings import InfluxSettings
from streams.influx.sink import InfluxSink
from streams.notify.notifier import Notifier
from streams.retrainer import RetrainerProcess
from streams.topics import Topics
from tests.background import running_beside
from tests.consumer_groups import members
from tests.notify.samples import settings
from tests.secured import TENANT, SecuredKafka
from tests.streams.command_line import run
from tests.streams.delivery_stream import PARTITIONS, delivery_stream
from tests.waiting import eventually

pytestmark = pytest.mark.kafka

PERMITTED = {
    ResourceType.TOPIC: (ACLOperation.READ, ACLOperation.WRITE, ACLOperation.CREATE, ACLOperation.DESCRIBE_CONFIGS, ACLOperation.ALTER_CONFIGS),
    ResourceType.GROUP: (ACLOperation.READ,),
    ResourceType.TRANSACTIONAL_ID: (ACLOperation.WRITE,),
}
"""As docs/settings.md says."""


@pytest.fixture
def permitted(broker: str, topic_prefix: str) -> Iterator[str]:
    """The prefix of what the tenant may do."""
    rules = [
        ACL(f"User:{TENANT}", "*", operation, ACLPermissionType.ALLOW, ResourcePattern(kind, topic_prefix, ACLResourcePatternType.PREFIXED))
        for kind, operations in PERMITTED.items()
        for operation in operations
    ]
    admin = KafkaAdminClient(bootstrap_servers=broker)
    try:
        made = admin.create_acls(rules)
        assert len(made["succeeded"]) == len(rules), made
    finally:
        admin.close()
    return topic_prefix


def test_one_who_may_do_what_begins_with_the_prefix_runs_all_of_an_installation(
    broker: str, secured: SecuredKafka, permitted: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = {**secured.as_tenant(), "DRIFTWARDEN_TOPIC_PREFIX": permitted}
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    applied = run("topics", "apply", "--partitions", PARTITIONS)
    assert applied.exit_code == 0, applied.output
    connection, stopping = connect(), threading.Event()
    sink = InfluxSink(connection, InfluxSettings.model_validate({"url": "http://127.0.0.1:1", "token": "none"}), stopping)
    notifier = Notifier(connection, settings("{type: webhook, url: 'http://127.0.0.1:1', secret: '${SECRET}'}"), stopping)
    retrainer = RetrainerProcess(connection, FilesRegistry(tmp_path / "models"))
    with ExitStack() as beside:
        for part in (sink.run, notifier.run, lambda: retrainer.run(stopping)):
            beside.enter_context(running_beside(part, stopping))
        groups = [f"{permitted}{name}" for name in ("driftwarden-influx", "driftwarden-notify.it", "driftwarden.retrainer")]
        eventually(lambda: [members(broker, group) for group in groups] == [1, 1, 1], "members of all groups")
        with delivery_stream(broker, Topics(prefix=permitted), tmp_path) as stream:
            stream.apply()
            stream.publish(500)
            stream.worker("w0", environment=secured.as_tenant())
            stream.finish()
            assert stream.counted() == (stream.predictions, stream.labels)
            assert members(broker, f"{permitted}driftwarden") == 1
        asked = run("retrain", "request", "loans", "--id", "r1", "--wait", "60", "--json")
        assert "no monitor of 'loans' is applied" in asked.stdout
        eventually(lambda: sink.held > 0, "points for the sink")
