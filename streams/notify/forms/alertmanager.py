"""Alertmanager's API v2: alerts are posted as they change and while they are open; it groups, routes, silences and inhibits them.

An alert is over when its end has come. So that one does not stay open for ever when nobody posts it any more, each post names an end a few minutes away.
Alertmanager knows an alert by all of its labels, and people route by severity, kind and owner, which may change while an alert is open. It is another alert there then, and the
one that it was is posted as over, with each post until it is over itself: what was posted before need not be remembered.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from detectors.duration import parse_duration
from detectors.rfc3339 import format_time
from streams.notify.desk import Batch, Grouping
from streams.notify.forms.request import HttpRequest, authorization, shortened
from streams.notify.notice import Notice
from streams.notify.settings import AlertmanagerReceiver

OPEN_FOR = parse_duration("5m")
"""After a post an alert is open for so long: two and a half of the longest pauses between two posts."""

ALERTS_A_POST = 500


class AlertmanagerForm:
    """All notices that wait, in one post; where an alert is called otherwise than before, what it was is over."""

    grouping: Grouping = "all"
    takes_versions = False
    takes_acknowledgements = False

    def __init__(self, receiver: AlertmanagerReceiver) -> None:
        self._receiver = receiver
        self.again_every: int | None = receiver.resend_every

    def requests(self, batch: Batch, now: int) -> Sequence[HttpRequest]:
        """Posts of up to `ALERTS_A_POST` alerts."""
        return list(self._posts(batch.notices, now))

    def _posts(self, notices: Sequence[Notice], now: int) -> Iterator[HttpRequest]:
        bearer = self._receiver.bearer
        headers = {"Content-Type": "application/json", **authorization(None if bearer is None else bearer.get_secret_value())}
        alerts = [alert for notice in notices for alert in posted(notice, now, self._receiver.labels)]
        for first in range(0, len(alerts), ALERTS_A_POST):
            body = msgspec.json.encode(alerts[first : first + ALERTS_A_POST])
            yield HttpRequest(url=f"{self._receiver.url}/api/v2/alerts", body=body, headers=headers)


def posted(notice: Notice, now: int, labels: dict[str, str]) -> list[dict[str, Any]]:
    """An alert as Alertmanager takes it, and before it what it was earlier in its life, which is over."""
    earlier = [_alert(msgspec.structs.replace(notice, kind=was.kind, severity=was.severity, owner=was.owner), now, min(was.until, now), labels) for was in notice.formerly]
    return [*earlier, _alert(notice, now, now if notice.status == "resolved" else now + OPEN_FOR, labels)]


def _alert(notice: Notice, now: int, end: int, labels: dict[str, str]) -> dict[str, Any]:
    """It begins when it was opened, or now where events are ahead of the clock: an alert cannot end before it began."""
    began = min(notice.opened_at, now)
    names = {
        "alertname": "Driftwarden" + "".join(word.capitalize() for word in notice.kind.split()),
        "alert_id": notice.alert_id,
        "incident": notice.incident,
        "kind": notice.kind,
        "severity": notice.severity,
        "model": notice.model,
        "model_version": notice.version,
        "owner": notice.owner,
    }
    first = notice.findings[0] if notice.findings else None
    annotations = {
        "summary": notice.summary,
        "changed": "" if first is None else first.changed,
        "evidence": "" if first is None else "; ".join(first.surely),
        "causes": "; ".join(notice.causes),
        **{action.label.partition(",")[0].replace(" ", "_"): action.command for action in notice.actions},
    }
    alert: dict[str, Any] = {
        "labels": {**labels, **{name: value for name, value in names.items() if value}},
        "annotations": {name: shortened(value, 4_000) for name, value in annotations.items() if value},
        "startsAt": format_time(began),
        "endsAt": format_time(max(began, end)),
    }
    if notice.link:
        alert["generatorURL"] = notice.link
    return alert
