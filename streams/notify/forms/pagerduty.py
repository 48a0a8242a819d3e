"""PagerDuty's Events API v2: an incident of Driftwarden is one alert there, named by its ``dedup_key``; what is told of versions are change events."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from detectors.rfc3339 import format_time
from streams.notify.desk import Batch, Grouping
from streams.notify.forms.request import HttpRequest, shortened
from streams.notify.forms.webhook import notice_data
from streams.notify.notice import Notice
from streams.notify.settings import PagerDutyReceiver

MOST_SUMMARY = 1_024
MOST_KEY = 255


class PagerDutyForm:
    """An event a notice. An incident is resolved when the last of its alerts is."""

    grouping: Grouping = "one"
    takes_versions = True
    takes_acknowledgements = True
    again_every: int | None = None

    def __init__(self, receiver: PagerDutyReceiver) -> None:
        self._receiver = receiver

    def requests(self, batch: Batch, now: int) -> Sequence[HttpRequest]:
        """One for each notice that PagerDuty has to know."""
        events = [event for notice in batch.notices if (event := self._event(notice, batch, now)) is not None]
        return [self._request(path, event) for path, event in events]

    def _event(self, notice: Notice, batch: Batch, now: int) -> tuple[str, dict[str, Any]] | None:
        if not notice.alert_id:
            return "/v2/change/enqueue", _change(notice, now)
        if batch.event == "acknowledged":
            return "/v2/enqueue", {"event_action": "acknowledge", "dedup_key": _key(notice)}
        if notice.status != "resolved":
            return "/v2/enqueue", _trigger(notice)
        if notice.open_beside:
            return None  # another alert of the incident is still open
        return "/v2/enqueue", {"event_action": "resolve", "dedup_key": _key(notice)}

    def _request(self, path: str, event: dict[str, Any]) -> HttpRequest:
        body = msgspec.json.encode({"routing_key": self._receiver.routing_key.get_secret_value(), **event})
        return HttpRequest(url=self._receiver.url + path, body=body, headers={"Content-Type": "application/json"}, accepted=frozenset({202}))


def _trigger(notice: Notice) -> dict[str, Any]:
    return {
        "event_action": "trigger",
        "dedup_key": _key(notice),
        "payload": {
            "summary": shortened(notice.summary, MOST_SUMMARY),
            "source": shortened(notice.model, MOST_KEY),
            "severity": notice.severity,
            "component": notice.model,
            "class": notice.kind,
            "custom_details": notice_data(notice),
        },
        **_links(notice),
    }


def _change(notice: Notice, now: int) -> dict[str, Any]:
    # Its own time may lie in the past, as of a replayed history: PagerDuty shows changes by when it hears of them.
    payload = {
        "summary": shortened(notice.summary, MOST_SUMMARY),
        "timestamp": format_time(now),
        "source": shortened(notice.model, MOST_KEY),
        "custom_details": notice_data(notice),
    }
    return {"payload": payload, **_links(notice)}


def _links(notice: Notice) -> dict[str, Any]:
    return {"links": [{"href": notice.link, "text": f"{notice.model} in Driftwarden"}]} if notice.link else {}


def _key(notice: Notice) -> str:
    return shortened(f"driftwarden/{notice.incident}", MOST_KEY)
