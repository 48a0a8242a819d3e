"""Versions as the report shows them: where each came from, and what the gate said of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from retrainer.approval import Asked, unanswered
from retrainer.decision import Decision
from retrainer.versions import Version, champion, history, is_brought
from streams.view.gate_words import asked_in_words, gate_in_words
from streams.view.wording import Clock, number

_SAID = {"registered": "on trial", "canary": "serves a share", "promoted": "promoted", "updated": "promoted, learning on", "rejected": "refused", "rolled_back": "rolled back"}
ANNOUNCED = ("canary", "promoted", "rolled_back")
"""What changes who answers; charts show when."""


@dataclass(frozen=True, kw_only=True)
class VersionView:
    """One version, all of its records told once.

    ``at`` is the time of its last verdict, ``made`` that of its training, both in epoch milliseconds; ``announced`` is when it came into service, and when it left it: the
    records of `ANNOUNCED` by status and time.
    """

    version: str
    status: str
    said: str
    serving: bool
    made: int
    at: int
    made_told: str
    at_told: str
    by: str
    parent: str
    cause: str
    cause_is_alert: bool
    rows: str
    digest: str
    evidence: str
    details: tuple[tuple[str, str], ...]
    announced: tuple[tuple[str, int], ...]


def version_views(versions: Sequence[Version], alert_ids: set[str], clock: Clock, decisions: Iterable[Decision] = ()) -> tuple[VersionView, ...]:
    """Each version once, in the order in which they were made; decisions tell which of them passed the gate and wait for a person."""
    asked = unanswered(versions, decisions)
    serving = champion(versions)
    views = []
    for name, records in history(versions).items():
        first, last = records[0], records[-1]
        views.append(
            VersionView(
                version=name,
                status=last.status,
                said=_said(last, asked.get(name)),
                serving=serving is not None and serving.version == name,
                made=first.at,
                at=last.at,
                made_told=clock.moment(first.at),
                at_told=clock.moment(last.at),
                by=last.by,
                parent=last.parent,
                cause=last.cause,
                cause_is_alert=last.cause in alert_ids,
                rows=number(last.trained_on.get("rows")),
                digest=last.digest.removeprefix("sha256:")[:12],
                evidence=asked_in_words(last, asked[name]) if name in asked else gate_in_words(last) or ("no verdict yet" if _is_on_trial(last) else ""),
                details=_details(records),
                announced=tuple((record.status, record.at) for record in records if record.status in ANNOUNCED),
            )
        )
    return tuple(views)


def _said(last: Version, asked: Asked | None) -> str:
    if asked is not None:
        return "waits for a person" if asked.waits else "passed the gate"
    return "registered" if is_brought(last) else _SAID[last.status]


def _is_on_trial(last: Version) -> bool:
    return last.status == "registered" and not is_brought(last)


def _details(records: Sequence[Version]) -> tuple[tuple[str, str], ...]:
    last = records[-1]
    parts: list[tuple[str, str]] = [("artifact", last.uri), ("digest", last.digest)]
    for name, content in (("trained on", last.trained_on), ("parameters", last.parameters), ("metrics", last.metrics), ("gate", last.gate)):
        parts += [(f"{name}: {key}", _plain(value)) for key, value in _items(content)]
    return tuple((name, value) for name, value in parts if value)


def _items(content: Mapping[str, Any]) -> list[tuple[str, Any]]:
    return list(content.items())


def _plain(value: Any) -> str:
    if isinstance(value, str):
        return value
    return msgspec.json.encode(value, enc_hook=str).decode()
