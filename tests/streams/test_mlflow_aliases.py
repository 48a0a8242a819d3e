"""A person moves @champion in MLflow, and Driftwarden follows: a real MLflow, its own webhook, a real Kafka."""

from __future__ import annotations

import json
import threading
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from urllib.parse import urlsplit

import msgspec
import pytest
from kafka import KafkaProducer
from mlflow import MlflowClient

from detectors.errors import SettingsError
from retrainer.registry import RegistryError
from retrainer.registry.mlflow_registry import MLflowRegistry, Pointed
from retrainer.skops_artifact import dump
from retrainer.versions import Version, champion
from streams.connection import KafkaConnection
from streams.mlflow_aliases import AliasFollower, SignatureError, WebhookServer, ensure_webhook, require_signature, signature
from streams.topics import Topics
from streams.whole_topic import read_versions
from streams.wire import encode_version
from tests.streams.command_line import run
from tests.waiting import PATIENCE, eventually

SECRET = "a secret of the tests"  # noqa: S105  as it says
ARTIFACT = dump({"format": 1, "estimator": None, "levels": {}, "task": "classification", "positive": None})


@contextmanager
def listening(follower: object) -> Iterator[str]:
    with WebhookServer(("127.0.0.1", 0), follower, SECRET, seconds=time.time) as server:  # type: ignore[arg-type]
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join(PATIENCE)


@pytest.mark.kafka
def test_a_champion_that_a_person_chose_in_mlflow_is_announced_once_and_our_own_is_not(broker: str, topics: Topics, mlflow_address: str) -> None:
    model, registry = f"loans {uuid.uuid4().hex[:6]}", MLflowRegistry(mlflow_address)
    client = MlflowClient(tracking_uri=mlflow_address, registry_uri=mlflow_address)
    connection = KafkaConnection(bootstrap=broker, topic_prefix=topics.prefix)
    producer = KafkaProducer(bootstrap_servers=broker)
    for version in ("1", "2"):
        record = Version(model=model, version=version, status="registered", at=0)
        uri, digest = registry.register(ARTIFACT, record)
        for status in ("registered", "promoted"):
            producer.send(topics.versions, encode_version(Version(model=model, version=version, status=status, at=0, uri=uri, digest=digest))).get(10)  # type: ignore[arg-type]
    producer.close()
    registry.set_alias(model, "champion", "1")

    follower = AliasFollower(registry, connection, clock=lambda: 77_000)
    with listening(follower) as url:
        assert ensure_webhook(registry, url, SECRET)
        assert not ensure_webhook(registry, url, SECRET)
        time.sleep(1.5)  # MLflow remembers for a second, in these tests, that there was no webhook
        registry.set_alias(model, "champion", "2")  # as the retrainer does
        client.set_registered_model_alias(uri.split("/")[1], "champion", "1")  # as a person does
        eventually(lambda: getattr(registry.pointed(model), "ours", False), "what the person chose is taken over")
    records = read_versions(connection)[model]
    assert [(record.version, record.status, record.by, record.at) for record in records[4:]] == [("1", "promoted", "mlflow", 77_000)]
    assert records[4].gate == {"reason": "the alias champion was moved in MLflow, from version 2"}
    assert champion(records) == records[4]
    assert follower.follow_all() == []


def test_what_was_missed_is_made_up_for_and_a_version_that_nobody_announced_is_not_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    took: list[tuple[str, str]] = []

    class Registry:
        def pointed(self, model: str) -> Pointed:
            version = {"churn": "2", "rent": "9", "fraud": "1"}[model]
            return Pointed(version=version, uri=f"models:/{model}/{version}", digest=f"sha256:{version}", ours=False)

        def take_over(self, model: str, version: str) -> None:
            took.append((model, version))

        def note(self, record: Version) -> None:
            assert record.model == "churn"

    told = {name: [Version(model=name, version=version, status="promoted", at=0, uri="u", digest=f"sha256:{version}") for version in "21"] for name in ("churn", "rent", "fraud")}
    announced: list[Version] = []
    monkeypatch.setattr("streams.mlflow_aliases.read_versions", lambda _: told)
    follower = AliasFollower(Registry(), KafkaConnection(), clock=lambda: 5)  # type: ignore[arg-type]
    monkeypatch.setattr("streams.mlflow_aliases.announce", lambda _, record: announced.append(record))
    assert [(record.model, record.version) for record in follower.follow_all()] == [("churn", "2")]
    assert [record.by for record in announced] == ["mlflow"]
    assert took == [("churn", "2"), ("fraud", "1")]


@pytest.mark.parametrize("number", ["1", "2"])
def test_an_artifact_that_was_never_announced_is_not_followed_by_the_number_of_another_one_and_said_once(
    mlflow_address: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, number: str
) -> None:
    model, registry, client = f"loans {uuid.uuid4().hex[:6]}", MLflowRegistry(mlflow_address), MlflowClient(tracking_uri=mlflow_address, registry_uri=mlflow_address)
    told = []
    for version in "12":
        artifact = dump({"format": 1, "estimator": None, "levels": {version: None}, "task": "classification", "positive": None})
        registered = Version(model=model, version=version, status="registered", at=0)
        uri, digest = registry.register(artifact, registered)
        told.append(msgspec.structs.replace(registered, status="promoted", uri=uri, digest=digest))
    told.reverse()  # version 1 serves
    registry.set_alias(model, "champion", "1")
    given_up, _ = registry.register(ARTIFACT, Version(model=model, version=number, status="registered", at=1))  # by a training whose number was another's first
    announced: list[Version] = []
    monkeypatch.setattr("streams.mlflow_aliases.read_versions", lambda _: {model: told})
    monkeypatch.setattr("streams.mlflow_aliases.announce", lambda _, record: announced.append(record))
    follower = AliasFollower(registry, KafkaConnection(), clock=lambda: 5)
    name = told[0].uri.split("/")[1]

    client.set_registered_model_alias(name, "champion", given_up.split("/")[2])
    assert (follower.follow(name), follower.follow_all(), announced) == (None, [], [])
    other = next(record.uri for record in told if record.version == number)
    (said,) = (record.getMessage() for record in caplog.records if record.name == "streams.mlflow_aliases")
    assert f"@champion in MLflow is on {given_up}, which was never announced (version {number} is another artifact, {other}); version 1 goes on serving" in said
    assert "driftwarden models register" in said

    client.set_registered_model_alias(name, "champion", told[0].uri.split("/")[2])
    assert [(record.version, record.uri) for record in follower.follow_all()] == [("2", told[0].uri)]


def test_a_webhook_is_answered_by_what_became_of_it() -> None:
    asked: list[str] = []

    class Follower:
        def follow(self, name: str) -> None:
            asked.append(name)
            if name == "away":
                raise RegistryError("MLflow is away")

    def post(url: str, body: bytes, *, secret: str = SECRET, age: int = 0) -> int:
        timestamp = str(int(time.time()) - age)
        headers = {"X-MLflow-Delivery-Id": "d", "X-MLflow-Timestamp": timestamp, "X-MLflow-Signature": signature("d", timestamp, body, secret)}
        try:
            request = urllib.request.Request(url, body, headers)  # noqa: S310  our own server
            return int(urllib.request.urlopen(request, timeout=PATIENCE).status)  # noqa: S310  as above
        except urllib.error.HTTPError as error:
            return error.code

    def about(name: str, alias: str = "champion") -> bytes:
        return json.dumps({"entity": "model_version_alias", "action": "created", "data": {"name": name, "alias": alias, "version": "1"}}).encode()

    with listening(Follower()) as url:
        assert post(url, about("churn")) == 200
        assert post(url, about("churn", "spring")) == 200
        assert post(url, about("away")) == 503
        assert post(url, about("churn"), secret=SECRET[:-1]) == 401
        assert post(url, about("churn"), age=301) == 401
        assert post(url, b"[]") == 400
        too_long = HTTPConnection(urlsplit(url).netloc, timeout=PATIENCE)
        too_long.request("POST", "/", headers={"Content-Length": "1000001"})  # refused by its length: who sent it all might be cut off before the answer
        assert too_long.getresponse().status == 413
    assert asked == ["churn", "away"]


def test_a_signature_is_of_the_delivery_its_time_and_the_body() -> None:
    # Made by MLflow 3.17 itself.
    headers = {
        "x-mlflow-delivery-id": "87bd58c5-c087-428d-ba87-fae00a84ad1f",
        "X-MLflow-Timestamp": "1795306110",
        "X-MLflow-Signature": "v1,XLFNxS1/05aaW3SIteHx7gCG8cM1GMLSu6oXAHtZsmc=",
    }
    body = (
        b'{"entity": "model_version_alias", "action": "created", "timestamp": "2026-11-22T00:08:30.869005+00:00", "data": {"name": "loans", "alias": "champion", "version": "1"}}'
    )
    require_signature(headers, body, "s3cret", now=1_795_306_111)
    for other in ({**headers, "x-mlflow-delivery-id": "x"}, {**headers, "X-MLflow-Timestamp": "1795306111"}, {**headers, "X-MLflow-Signature": "v1,é"}, {}):
        with pytest.raises(SignatureError, match="not signed"):
            require_signature(other, body, "s3cret", now=1_795_306_111)
    with pytest.raises(SignatureError, match="not signed"):
        require_signature(headers, body + b" ", "s3cret", now=1_795_306_111)
    with pytest.raises(SignatureError, match="more than 300 s"):
        require_signature(headers, body, "s3cret", now=1_795_306_500)


def test_the_command_asks_for_mlflow_and_for_a_secret() -> None:
    refused = run("models", "webhook", "--registry", "models")
    assert isinstance(refused.exception, SettingsError)
    assert "pass --registry mlflow:" in str(refused.exception)
    refused = run("models", "webhook", "--registry", "mlflow:http://127.0.0.1:1", environment={"DRIFTWARDEN_WEBHOOK_SECRET": "short"})
    assert "at least 16 characters" in str(refused.exception)
