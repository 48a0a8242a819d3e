"""Alerts, versions, decisions and settings as tests use them."""

from __future__ import annotations

from typing import Any

import msgspec

from detectors.alerts.alert import Alert
from retrainer.decision import Decision
from retrainer.versions import Version
from streams.notify.notice import Notice, alert_notice
from streams.notify.sample import EVIDENCE
from streams.notify.settings import NotifySettings, parse_notify_settings
from streams.notify.values import Environment

NOON = 1_700_000_000_000
VARIABLES = {"SECRET": "whsec_plJ3nmyCDGBKInavdOK15jsl", "KEY": "0123456789abcdef0123456789abcdef", "PASSWORD": "lovelace"}


def alert(alert_id: str = "a1", sequence: int = 0, status: Any = "opened", model: str = "churn", **changed: Any) -> Alert:
    made = Alert(
        alert_id=alert_id,
        sequence=sequence,
        status=status,
        kind="performance",
        severity="critical",
        model=model,
        model_version="3",
        segment="",
        opened_at=NOON,
        updated_at=NOON + 60_000 * sequence,
        change_at=NOON - 600_000,
        summary=f"{model}: error_rate changed by +0.1",
        monitors=(EVIDENCE,),
        budget="1 per 30d",
        causes=("feature:salary drifted",),
        incident=alert_id,
    )
    return msgspec.structs.replace(made, **changed)


def notice(alert_id: str = "a1", sequence: int = 0, status: Any = "opened", **changed: Any) -> Notice:
    record = alert(alert_id, sequence, status if status in {"opened", "updated", "resolved"} else "updated")
    return msgspec.structs.replace(alert_notice(record), status=status, **changed)


def promotion(version: str = "4", status: Any = "promoted", **changed: Any) -> Version:
    gate = {"difference": 0.031, "interval": [0.01, 0.05], "labels": 1_200}
    return msgspec.structs.replace(Version(model="churn", version=version, status=status, at=NOON, gate=gate, cause="a1"), **changed)


def asked(version: str = "4", **changed: Any) -> Decision:
    reason = "the gate was passed (better by 0.031 on 1200 labels); approval is 'manual'"
    made = Decision(model="churn", at=NOON, event="GatePassed", stage="serving", instruction="AskApproval", cause="a1", reason=reason, version=version)
    return msgspec.structs.replace(made, **changed)


def settings(receivers: str, routes: str = "", **more: str) -> NotifySettings:
    """Settings of one receiver ``it``, or of those that are given as YAML."""
    names = receivers if receivers.lstrip().startswith("{it") else "{it: " + receivers + "}"
    text = "\n".join([f"receivers: {names}", f"routes: {routes or '[{receiver: it}]'}", *(f"{key}: {value}" for key, value in more.items())])
    return parse_notify_settings(text, "notify.yaml", Environment(VARIABLES))
