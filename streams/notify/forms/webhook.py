"""A program's endpoint: CloudEvents 1.0 over HTTP in structured mode, signed by the convention of Standard Webhooks."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence
from typing import Any

import msgspec

from detectors.event_batch import NO_TIME
from detectors.rfc3339 import format_time
from streams.notify.desk import Batch, Grouping
from streams.notify.forms.request import HttpRequest, authorization
from streams.notify.notice import Notice
from streams.notify.settings import WebhookReceiver

_PREFIX = "whsec_"


class WebhookForm:
    """One event a notice, named by its record: what comes twice has the same ``webhook-id``."""

    grouping: Grouping = "one"
    takes_versions = True
    takes_acknowledgements = False
    again_every: int | None = None

    def __init__(self, receiver: WebhookReceiver) -> None:
        self._receiver = receiver
        self._key = signing_key(receiver.secret.get_secret_value())

    def requests(self, batch: Batch, now: int) -> Sequence[HttpRequest]:
        """One for each notice."""
        return [self._request(notice, now) for notice in batch.notices]

    def _request(self, notice: Notice, now: int) -> HttpRequest:
        event = cloud_event(notice)
        body = msgspec.json.encode(event)
        seconds = now // 1_000
        bearer = self._receiver.bearer
        headers = {
            "Content-Type": "application/cloudevents+json; charset=utf-8",
            "webhook-id": event["id"],
            "webhook-timestamp": str(seconds),
            "webhook-signature": signature(self._key, event["id"], seconds, body),
            **authorization(None if bearer is None else bearer.get_secret_value()),
        }
        return HttpRequest(url=self._receiver.url, body=body, headers=headers)


def cloud_event(notice: Notice) -> dict[str, Any]:
    """The event of a notice; ``data`` is described in docs/notifications.md."""
    return {
        "specversion": "1.0",
        "id": "msg_" + hashlib.sha256(notice.name.encode()).hexdigest()[:32],
        "source": "urn:driftwarden",
        "type": f"io.driftwarden.{'alert' if notice.alert_id else 'version'}.{notice.status.replace(' ', '_')}",
        "subject": notice.model,
        "time": notice.time,
        "datacontenttype": "application/json",
        "data": notice_data(notice),
    }


def notice_data(notice: Notice) -> dict[str, Any]:
    """A notice as plain JSON; times in RFC 3339, null where there is none."""
    data: dict[str, Any] = msgspec.to_builtins(notice)
    del data["name"], data["open_beside"], data["formerly"]
    for name in ("at", "opened_at", "change_at"):
        data[name] = None if data[name] == NO_TIME else format_time(data[name])
    return data


def signing_key(secret: str) -> bytes:
    """Bytes of a secret: those that ``whsec_`` and base64 say, or the text's own."""
    if secret.startswith(_PREFIX):
        try:
            return base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
        except binascii.Error:
            return secret.encode()
    return secret.encode()


def signature(key: bytes, name: str, seconds: int, body: bytes) -> str:
    """The header ``webhook-signature``.

    Examples
    --------
    >>> key = signing_key("whsec_plJ3nmyCDGBKInavdOK15jsl")
    >>> signature(key, "msg_loFOjxBNrRLzqYUf", 1731705121, b'{"event_type":"ping","data":{"success":true}}')
    'v1,rAvfW3dJ/X/qxhsaXPOyyCGmRKsaKWcsNccKXlIktD0='
    """
    signed = f"{name}.{seconds}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
