"""Which alerts of a partition are open: a fold over its records, so a process that is started again knows what the one before it knew.

A record that is read again changes nothing.
"""

from __future__ import annotations

from collections import OrderedDict

import msgspec

from streams.notify.notice import Former, Notice

MOST_FORMER = 20
"""Names that an alert had before, the newest: kinds and severities are few, and owners change by hand."""


class OpenAlerts:
    """The open alerts of one partition that one receiver is told of.

    Parameters
    ----------
    max_open : open alerts that are remembered; beyond it the oldest is forgotten.
    max_resolved : resolved alerts whose last record is known, so that one that comes again is not told again.

    Attributes
    ----------
    forgotten : how many were: nothing is posted again of those, and their updates are told as if they opened.
    """

    def __init__(self, max_open: int, *, max_resolved: int) -> None:
        self._max_open, self._max_resolved = max_open, max_resolved
        self._open: OrderedDict[str, Notice] = OrderedDict()
        self._resolved: OrderedDict[str, int] = OrderedDict()
        self.forgotten = 0

    def take(self, notice: Notice) -> Notice | None:
        """The notice of an alert's record as it is to be told, or None where this record has been read before."""
        alert_id = notice.alert_id
        before = self._open.get(alert_id)
        last = before.sequence if before is not None else self._resolved.get(alert_id, -1)
        if notice.sequence <= last:
            return None
        if before is not None:
            notice = msgspec.structs.replace(notice, formerly=_formerly(before, notice))
        if notice.status == "resolved":
            self._open.pop(alert_id, None)
            self._resolved[alert_id] = notice.sequence
            self._resolved.move_to_end(alert_id)
            if len(self._resolved) > self._max_resolved:
                self._resolved.popitem(last=False)
        else:
            again = before is None and alert_id in self._resolved
            status = "opened again" if again else "opened" if before is None else "updated"
            notice = msgspec.structs.replace(notice, status=status)
            self._resolved.pop(alert_id, None)
            self._open[alert_id] = notice
            if len(self._open) > self._max_open:
                self._open.popitem(last=False)
                self.forgotten += 1
        beside = sum(1 for other in self._open.values() if other.incident == notice.incident and other.alert_id != alert_id)
        return msgspec.structs.replace(notice, open_beside=beside)

    def holds(self, alert_id: str) -> bool:
        """Whether an alert is open."""
        return alert_id in self._open

    @property
    def notices(self) -> tuple[Notice, ...]:
        """The last notice of each open alert, the longest known first."""
        return tuple(self._open.values())


def _formerly(before: Notice, notice: Notice) -> tuple[Former, ...]:
    """What the alert was called before this record, and is not by it."""
    known = {(former.kind, former.severity, former.owner): former for former in before.formerly}
    known[before.kind, before.severity, before.owner] = Former(kind=before.kind, severity=before.severity, owner=before.owner, until=notice.at)
    known.pop((notice.kind, notice.severity, notice.owner), None)
    return tuple(known.values())[-MOST_FORMER:]
