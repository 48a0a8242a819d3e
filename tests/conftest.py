"""Fixtures for every test: one real Kafka for the session, and topics of its own for each test."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from streams.broker import running_broker
from streams.topics import Topics, create_topics
from tests.mlflow_server import running_mlflow
from tests.secured import SecuredKafka

# The same examples in every run: a run that fails says something of the change that was made. `--hypothesis-profile=default` looks for new ones.
# No deadline, since how long an example takes says more of what else the machine does.
settings.register_profile("repeatable", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("repeatable")


REAL = {"broker", "mlflow_address", "influx", "alertmanager_server", "browser"}
"""Fixtures that start servers."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Where real servers take part a test that fails is run once more, and the log says RERUN: that is a fault to be mended, but not of the change that it stopped."""
    for item in items:
        if item.get_closest_marker("kafka") or REAL & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.flaky(reruns=1))


@pytest.fixture(scope="session")
def secured(tmp_path_factory: pytest.TempPathFactory) -> SecuredKafka:
    """Where `broker` listens for those who have a password or a certificate, and what they are told; for use beside `broker`."""
    return SecuredKafka(tmp_path_factory.mktemp("secured"))


@pytest.fixture(scope="session")
def broker(secured: SecuredKafka) -> Iterator[str]:
    """Bootstrap address of a real Kafka; a broker that cannot start is a failure, never a skip."""
    with running_broker(secured.properties()) as bootstrap:
        secured.add_users(bootstrap)
        yield bootstrap


@pytest.fixture(scope="session")
def mlflow_address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a real MLflow server; one that cannot start is a failure, never a skip."""
    with running_mlflow(tmp_path_factory.mktemp("mlflow")) as address:
        yield address


@pytest.fixture
def topic_prefix() -> str:
    """A prefix that no other test has."""
    return f"t{uuid.uuid4().hex[:10]}."


@pytest.fixture
def topics(broker: str, topic_prefix: str) -> Topics:
    """All topics, fresh and empty, with 4 partitions."""
    create_topics(broker, partitions=4, prefix=topic_prefix)
    return Topics(prefix=topic_prefix)
