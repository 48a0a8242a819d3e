"""The watcher: the champion, verified, and the next one when it is promoted."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from kafka import KafkaConsumer, KafkaProducer

from detectors.errors import DriftwardenError
from retrainer.canary import answers
from retrainer.registry.files import FilesRegistry
from retrainer.versions import Version
from streams.model_watcher import ModelWatcher, NoChampionError
from streams.topics import Topics
from streams.wire import encode_version
from tests.waiting import PATIENCE, eventually

pytestmark = pytest.mark.kafka

Announce = Callable[..., Version]


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FilesRegistry:
    """A real registry in a folder; only the unpacking of a verified artifact is left out, so a "model" is its bytes."""
    monkeypatch.setattr("retrainer.registry.files.load_model", lambda artifact: artifact)
    return FilesRegistry(tmp_path / "registry")


@pytest.fixture
def announce(broker: str, topics: Topics, registry: FilesRegistry) -> Announce:
    """Register a version and say on ``models.versions`` what became of it."""

    def announce(version: str, status: str = "promoted", *, model: str = "loans", at: int = 0, share: float | None = None) -> Version:
        record = Version(model=model, version=version, status=status, at=at, share=share)  # type: ignore[arg-type]
        uri, digest = registry.register(f"{model} {version}".encode(), record)
        record = Version(model=model, version=version, status=status, at=at, share=share, uri=uri, digest=digest)  # type: ignore[arg-type]
        producer = KafkaProducer(bootstrap_servers=broker)
        producer.send(topics.versions, encode_version(record), key=model.encode()).get(PATIENCE)
        producer.close()
        return record

    return announce


def test_the_champion_is_there_at_once_and_a_promotion_swaps_it_and_calls_back(broker: str, topics: Topics, registry: FilesRegistry, announce: Announce) -> None:
    announce("1")
    announce("9", model="churn")
    announce("2", "registered")
    calls: list[str] = []
    with ModelWatcher("loans", broker, registry=registry, topic_prefix=topics.prefix, on_promotion=lambda version: calls.append(version.version)) as watcher:
        assert watcher.current() == b"loans 1"
        two = announce("2")
        eventually(lambda: calls == ["1", "2"])
        assert watcher.current() == b"loans 2"
        assert watcher.version == two


def test_only_the_champion_is_loaded_when_there_is_a_history_and_a_rollback_brings_the_one_before_back(
    broker: str, topics: Topics, registry: FilesRegistry, announce: Announce
) -> None:
    for version in "123":
        announce(version)
    calls: list[str] = []
    with ModelWatcher("loans", broker, registry=registry.root, topic_prefix=topics.prefix, on_promotion=lambda version: calls.append(version.version)) as watcher:
        assert watcher.current() == b"loans 3"
        announce("3", "rolled_back")
        eventually(lambda: watcher.current() == b"loans 2")
    assert calls == ["3", "2"]


def test_a_canary_answers_its_share_until_it_is_rolled_back_and_every_replica_chooses_alike(broker: str, topics: Topics, registry: FilesRegistry, announce: Announce) -> None:
    ids = [f"order-{number}" for number in range(200)]
    announce("1")
    calls: list[str] = []
    with (
        ModelWatcher("loans", broker, registry=registry, topic_prefix=topics.prefix, on_promotion=lambda version: calls.append(version.version)) as watcher,
        ModelWatcher("loans", broker, registry=registry, topic_prefix=topics.prefix) as replica,
    ):
        assert {watcher.for_event(one).model for one in ids} == {b"loans 1"}
        beside = announce("2", "canary", share=0.3, at=1)
        eventually(lambda: watcher.canary == replica.canary == beside)
        chosen = [watcher.for_event(one).version.version for one in ids]
        assert chosen == [replica.for_event(one).version.version for one in ids]
        assert chosen == ["2" if answers(beside, one) else "1" for one in ids]
        assert 30 < chosen.count("2") < 90
        assert (watcher.current(), calls) == (b"loans 1", ["1"])
        announce("2", "rolled_back", at=2)
        eventually(lambda: watcher.canary is None)
        assert {watcher.for_event(one).model for one in ids} == {b"loans 1"}


def test_an_artifact_that_was_changed_is_not_loaded_and_the_one_before_goes_on(broker: str, topics: Topics, registry: FilesRegistry, announce: Announce) -> None:
    announce("1")
    with ModelWatcher("loans", broker, registry=registry, topic_prefix=topics.prefix) as watcher:
        assert watcher.current() == b"loans 1"
        forged = announce("2", "registered")
        (registry.root / forged.uri.removeprefix("files:")).write_bytes(b"forged")
        producer = KafkaProducer(bootstrap_servers=broker)
        producer.send(topics.versions, encode_version(Version(model="loans", version="2", status="promoted", at=1, uri=forged.uri, digest=forged.digest))).get(PATIENCE)
        producer.close()
        eventually(lambda: watcher.last_error is not None)
        assert "was not loaded" in str(watcher.last_error)
        assert watcher.current() == b"loans 1"
        announce("3", at=2)
        eventually(lambda: watcher.current() == b"loans 3")
        assert watcher.last_error is None


def test_a_callback_that_fails_does_not_end_the_watching(broker: str, topics: Topics, registry: FilesRegistry, announce: Announce) -> None:
    called = threading.Event()

    def fail(version: Version) -> None:
        called.set()
        raise RuntimeError("the application's own fault")

    announce("1")
    with ModelWatcher("loans", broker, registry=registry, topic_prefix=topics.prefix, on_promotion=fail) as watcher:
        assert called.wait(PATIENCE)
        announce("2")
        eventually(lambda: watcher.current() == b"loans 2")


def test_no_champion_is_told_with_its_reason(broker: str, topics: Topics, registry: FilesRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
    with ModelWatcher("loans", broker, registry=registry, topic_prefix=topics.prefix) as watcher:
        eventually(lambda: watcher._read_whole)
        with pytest.raises(NoChampionError, match="'loans' has no champion after 0 s: no version was promoted yet"):
            watcher.current(timeout=0)
    monkeypatch.setattr("streams.model_watcher.KafkaConsumer", lambda **given: KafkaConsumer(**given | {"bootstrap_timeout_ms": 200}))
    with ModelWatcher("loans", "127.0.0.1:1", registry=registry) as watcher:
        eventually(lambda: watcher.last_error)
        with pytest.raises(NoChampionError, match=r"127\.0\.0\.1:1 cannot be reached"):
            watcher.current(timeout=0)


def test_a_watcher_without_a_registry_says_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DRIFTWARDEN_REGISTRY", raising=False)
    with pytest.raises(DriftwardenError, match="set DRIFTWARDEN_REGISTRY"):
        ModelWatcher("loans")
