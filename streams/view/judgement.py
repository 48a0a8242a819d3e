"""The one sentence on top of the report: healthy, or since when not, why, and what was done about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from detectors.point import Point
from detectors.verdict import Status
from streams.view.curves import Curve
from streams.view.evidence import AlertView
from streams.view.wording import Clock, number, share

State = Literal["healthy", "recovered", "changed", "unhealthy", "not judged", "not proven"]
_FIRST = {"performance": 0, "service": 1, "quality": 2, "label shift": 3, "drift": 4}


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """The verdict.

    Attributes
    ----------
    state : ``unhealthy`` with an open alert on performance, service or quality; ``changed`` with open drift or a label shift alone; ``not proven``
        where a check found columns that moved, but no alert.
    sentence : for people.
    since : when the change that made the model unhealthy or changed began, of a healthy one when it was so again; epoch milliseconds, None where nothing happened.
    why : in a few words, "" where nothing happened.
    done : what was done about it, "" for nothing.
    """

    state: State
    sentence: str
    since: int | None = None
    why: str = ""
    done: str = ""


def judgement(model: str, alerts: Sequence[AlertView], points: Sequence[Point], performance: Sequence[Curve], budget: str, clock: Clock, moved: Sequence[str] = ()) -> Judgement:
    """Judge from what the records say; nothing is tested anew. ``moved`` are columns further off than their floors, which is not proven."""
    opened = sorted((alert for alert in alerts if alert.until is None), key=lambda alert: (_FIRST.get(alert.kind, 9), alert.opened))
    if opened:
        first = opened[0]
        others = (f" {_others(opened[1:])}" if len(opened) > 1 else "") + _earlier([alert for alert in alerts if alert.until is not None])
        reaction = f" What was done: {_capital(first.action)}." if first.action else " Nothing was retrained because of it."
        if first.kind in {"drift", "label shift"}:
            hurt = " No alert says that its performance suffers." if performance and not any(alert.kind == "performance" for alert in alerts) else ""
            what = "shares of the classes" if first.kind == "label shift" else "inputs"
            sentence = f"The {what} of {model} changed about {first.change_told}: {_why(first)}.{hurt}{reaction}{others}"
            return Judgement(state="changed", sentence=sentence, since=first.change, why=_briefly(first), done=first.action)
        sentence = f"{model} has not been healthy since about {first.change_told}: {_why(first)}.{_before_and_now(first, performance)}{reaction}{others}"
        return Judgement(state="unhealthy", sentence=sentence, since=first.change, why=_briefly(first), done=first.action)
    if alerts:
        stretch = _last_stretch(alerts)
        first, last = min(stretch, key=lambda alert: (_FIRST.get(alert.kind, 9), alert.opened)), stretch[0]
        several = f" {len(alerts)} alerts in all." if len(alerts) > 1 else ""
        reaction = f" What was done: {_capital(first.action)}." if first.action else ""
        sentence = f"{model} is healthy again since {last.until_told}. It was not from about {first.change_told}: {_why(first)}."
        sentence = f"{sentence}{reaction}{_before_and_now(first, performance)}{several}"
        return Judgement(state="recovered", sentence=sentence, since=last.until, why=_briefly(first), done=first.action)
    return _quiet(model, points, budget, clock, moved)


def _last_stretch(alerts: Sequence[AlertView]) -> list[AlertView]:
    """Of resolved alerts those of the last time without a healthy moment in between, the one that ended last first."""
    backwards = sorted(alerts, key=lambda alert: -(alert.until or 0))
    stretch, begin = backwards[:1], backwards[0].change
    for alert in backwards[1:]:
        if (alert.until or 0) < begin:
            break
        stretch.append(alert)
        begin = min(begin, alert.change)
    return stretch


def _quiet(model: str, points: Sequence[Point], budget: str, clock: Clock, moved: Sequence[str]) -> Judgement:
    last = {point.tags.get("monitor", ""): point for point in points if point.measurement == "monitor"}
    panes = {point.time for point in points if point.measurement == "traffic"}
    if not points:
        return Judgement(state="not judged", sentence=f"{model} cannot be judged: no pane of event time has closed.")
    judged = [name for name, point in last.items() if point.fields.get("status") in {Status.OK, Status.WARNING}]
    if not judged:
        why = "no monitor ran" if not last else f"none of its {len(last)} monitors has enough data (they are {_states(list(last.values()))})"
        return Judgement(state="not judged", sentence=f"{model} cannot be judged yet: {why}.")
    unjudged = f"; {len(last) - len(judged)} cannot say yet ({_states([point for name, point in last.items() if name not in judged])})" if len(judged) < len(last) else ""
    begin, end = min(panes, default=points[0].time), points[-1].time
    quiet = f"no alert from {clock.moment(begin)} to {clock.moment(end)}, with a false-alarm budget of {budget}"
    if moved:
        named = ", ".join(moved[:5]) + (f" and {len(moved) - 5} more" if len(moved) > 5 else "")
        sentence = f"No change of {model} is proven: {quiet}. But {named} moved by more than {'its floor' if len(moved) == 1 else 'their floors'}{unjudged}."
        return Judgement(state="not proven", sentence=sentence)
    return Judgement(state="healthy", sentence=f"{model} is healthy: {quiet}; {len(judged)} of {len(last)} monitors say so{unjudged}.")


def _why(alert: AlertView) -> str:
    if not alert.monitors:
        return alert.summary.rstrip(".")
    first = alert.monitors[0]
    more = len(alert.monitors) + alert.more_monitors - 1
    also = f", and {more} more" if more else ""
    return f"{first.name} changed by {first.value_of_effect} ({first.effect}, 95 % {first.interval}, floor {first.floor}){also}, reported {alert.delay} later"


def _briefly(alert: AlertView) -> str:
    """The kind, and the monitor that says it most."""
    if not alert.monitors:
        return alert.kind
    first, more = alert.monitors[0], len(alert.monitors) + alert.more_monitors - 1
    return f"{alert.kind}: {first.name} by {first.value_of_effect} ({first.effect}){f', and {more} more' if more else ''}"


def _before_and_now(alert: AlertView, performance: Sequence[Curve]) -> str:
    if alert.kind != "performance" or not performance:
        return ""
    curve = performance[0]
    before, after = curve.values[(curve.times <= alert.change) & np.isfinite(curve.values)], curve.values[(curve.times > alert.change) & np.isfinite(curve.values)]
    if not len(before) or not len(after):
        return ""
    shown = share if curve.unit == "share" else number
    worst = float(after.min() if curve.unit == "share" or curve.name == "R²" else after.max())
    return f" {_capital(curve.name)} was {shown(float(before[-1]))} before, {shown(worst)} at its worst, and is {shown(float(after[-1]))} now."


def _others(alerts: Sequence[AlertView]) -> str:
    kinds = ", ".join(sorted({alert.kind for alert in alerts}))
    return f"{len(alerts)} other alert{'s are' if len(alerts) > 1 else ' is'} open ({kinds})."


def _earlier(alerts: Sequence[AlertView]) -> str:
    if not alerts:
        return ""
    worst = min(alerts, key=lambda alert: (_FIRST.get(alert.kind, 9), alert.opened))
    done = f", after {worst.action}" if worst.action else ""
    more = f"; so {'are' if len(alerts) > 2 else 'is'} {len(alerts) - 1} more" if len(alerts) > 1 else ""
    return f" The {worst.kind} alert of {worst.opened_told} is resolved{done}{more}."


def _states(points: Sequence[Point]) -> str:
    states = sorted({str(point.fields.get("state", "")) for point in points})
    return ", ".join(states)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
