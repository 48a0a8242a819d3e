"""A person moves ``@champion`` in MLflow: Driftwarden follows, and announces it on ``models.versions``.

MLflow tells of a moved alias by a signed webhook. What the webhook says is only a reason to look: which version is the champion is read from MLflow itself, so that webhooks
that come twice, late, in another order or not at all change nothing in the end.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import logging
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import msgspec

from detectors.errors import DriftwardenError
from retrainer.registry import RegistryError
from retrainer.registry.mlflow_registry import MLflowRegistry, Pointed
from retrainer.versions import Version, champion, history
from streams.by_hand import announce
from streams.connection import KafkaConnection
from streams.whole_topic import read_versions

logger = logging.getLogger(__name__)

OLDEST = 300
"""Seconds that a webhook's timestamp may be away from our clock: an old one that somebody recorded is refused."""

LARGEST = 1_000_000
"""Bytes of a webhook; MLflow's are hundreds."""

PRINCIPAL = "mlflow"


class SignatureError(DriftwardenError):
    """A webhook that MLflow did not sign with our secret, or not now."""


def require_signature(headers: Mapping[str, str], body: bytes, secret: str, *, now: float) -> None:
    """Refuse a webhook that is not signed: HMAC-SHA256 with the secret, over ``delivery id.timestamp.body``, as MLflow 3 does.

    Parameters
    ----------
    now : Unix time in seconds.

    Raises
    ------
    SignatureError
        With the reason.

    Examples
    --------
    >>> headers = {"X-MLflow-Delivery-Id": "d1", "X-MLflow-Timestamp": "1000"}
    >>> require_signature(headers | {"X-MLflow-Signature": signature("d1", "1000", b"{}", "s3cret")}, b"{}", "s3cret", now=1_060.0)
    """
    told = {name.lower(): value for name, value in headers.items()}  # proxies change the case
    delivery, timestamp = told.get("x-mlflow-delivery-id", ""), told.get("x-mlflow-timestamp", "")
    expected = signature(delivery, timestamp, body, secret).encode()
    if not any(hmac.compare_digest(given.encode(), expected) for given in told.get("x-mlflow-signature", "").split()):
        raise SignatureError("the webhook is not signed with our secret; set DRIFTWARDEN_WEBHOOK_SECRET to the secret of the webhook in MLflow")
    if not timestamp.isdecimal() or abs(now - int(timestamp)) > OLDEST:
        raise SignatureError(f"the webhook's time {timestamp!r} is more than {OLDEST} s from ours; is one of the two clocks wrong?")


def signature(delivery: str, timestamp: str, body: bytes, secret: str) -> str:
    """What MLflow writes into ``X-MLflow-Signature``."""
    signed = hmac.new(secret.encode(), f"{delivery}.{timestamp}.".encode() + body, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(signed).decode()}"


class AliasFollower:
    """Announces champions that were chosen in MLflow.

    Parameters
    ----------
    registry : where the aliases are.
    connection : how to reach Kafka.
    clock : Unix time in milliseconds: a person acts now, whatever the time of the events.
    """

    def __init__(self, registry: MLflowRegistry, connection: KafkaConnection, *, clock: Callable[[], int]) -> None:
        self._registry = registry
        self._connection = connection
        self._clock = clock
        self._strange: dict[str, str] = {}  # model to the artifact that was told of as never announced
        self._one_at_a_time = threading.Lock()  # two webhooks at once would announce the same twice

    def follow_all(self) -> list[Version]:
        """Look at every model that has versions: what was missed while nobody listened is made up for."""
        with self._one_at_a_time:
            return [record for model, records in read_versions(self._connection).items() if (record := self._follow(model, records)) is not None]

    def follow(self, name: str) -> Version | None:
        """Look at a model by its name in MLflow; gives what was announced."""
        model = self._registry.model_of(name)
        if model is None:
            logger.info("'%s' in MLflow is not a model of Driftwarden", name)
            return None
        with self._one_at_a_time:
            return self._follow(model, read_versions(self._connection).get(model, []))

    def _follow(self, model: str, records: list[Version]) -> Version | None:
        pointed = self._registry.pointed(model)
        if pointed is None:
            return None
        serving, told = champion(records), history(records).get(pointed.version, [])
        known = next((record for record in told if record.uri and record.digest == pointed.digest), None)
        if known is None:
            if not pointed.ours or any(str(record.revision) == pointed.revision for record in told):  # a revision that is announced in a moment has the alias before
                self._tell_once(model, pointed, next((record.uri for record in told if record.uri), ""), serving)
            return None
        self._strange.pop(model, None)
        if pointed.ours:
            return None
        record = None
        if serving is None or serving.version != pointed.version:
            gate = {"reason": f"the alias champion was moved in MLflow{'' if serving is None else f', from version {serving.version}'}"}
            record = msgspec.structs.replace(known, status="promoted", at=self._clock(), by=PRINCIPAL, gate=gate)
            announce(self._connection, record)
            logger.info("model '%s': version %s promoted in MLflow", record.model, record.version)
            self._registry.note(record)
        self._registry.take_over(model, pointed.version)
        return record

    def _tell_once(self, model: str, pointed: Pointed, other: str, serving: Version | None) -> None:
        """Say that the alias is on what nobody can follow; not again while it stays there."""
        if self._strange.get(model) == pointed.uri:
            return
        self._strange[model] = pointed.uri
        logger.warning(
            "model '%s': @champion in MLflow is on %s, which was never announced%s; %s. "
            "Move the alias to a version that was announced, or download this artifact and bring it as a version of its own with: driftwarden models register",
            model,
            pointed.uri,
            f" (version {pointed.version} is another artifact, {other})" if other else "",
            "nothing serves" if serving is None else f"version {serving.version} goes on serving",
        )


class WebhookServer(ThreadingHTTPServer):
    """Takes MLflow's webhooks: 200 when one was followed, 401 when it is not signed, 503 when Kafka or MLflow is away, so that MLflow sends it again.

    Parameters
    ----------
    address : host and port to listen on; port 0 takes a free one.
    secret : shared with the webhook in MLflow.
    seconds : the clock, Unix time.
    """

    daemon_threads = True

    def __init__(self, address: tuple[str, int], follower: AliasFollower, secret: str, *, seconds: Callable[[], float]) -> None:
        self.follower, self.secret, self.seconds = follower, secret, seconds
        super().__init__(address, _Handler)


class _Handler(BaseHTTPRequestHandler):
    server: WebhookServer

    def do_POST(self) -> None:
        """One webhook."""
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > LARGEST:
            self._answer(413, f"expected a body of at most {LARGEST} bytes, got {length or 'no length'}")
            return
        body = self.rfile.read(int(length))
        try:
            require_signature(dict(self.headers), body, self.server.secret, now=self.server.seconds())
        except SignatureError as error:
            logger.warning("a webhook from %s was refused: %s", self.client_address[0], error)
            self._answer(401, "not signed")
            return
        try:
            content = json.loads(body)
            name = str(content["data"]["name"])
            wanted = f"{content['entity']}.{content['action']}" in {"model_version_alias.created", "model_version_alias.deleted"} and content["data"].get("alias") == "champion"
        except (ValueError, KeyError, TypeError):
            self._answer(400, "expected a webhook of MLflow: entity, action and data.name")
            return
        try:
            followed = self.server.follower.follow(name) if wanted else None
        except (RegistryError, DriftwardenError) as error:
            logger.warning("a webhook about '%s' could not be followed, MLflow sends it again: %s", name, error)
            self._answer(503, "come again")
            return
        self._answer(200, "nothing to follow" if followed is None else f"version {followed.version} announced")

    def _answer(self, status: int, words: str) -> None:
        body = json.dumps({"message": words}).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """The base class writes every request to standard error."""
        logger.debug(format, *args)


def ensure_webhook(registry: MLflowRegistry, url: str, secret: str) -> bool:
    """Make the webhook in MLflow that calls us, unless there is one with this url; says whether it was made."""
    client = registry.client
    if any(webhook.url == url for webhook in client.list_webhooks()):
        return False
    client.create_webhook(
        name="driftwarden",
        url=url,
        events=["model_version_alias.created", "model_version_alias.deleted"],
        secret=secret,
        description="Driftwarden follows a champion that a person chooses here",
    )
    return True
