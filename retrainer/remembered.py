"""What it means that a bound of ``retrain.remembered`` was reached. Pure."""

from __future__ import annotations

from detectors.settings.retraining import Remembered

_LOST = {
    "alerts": "alerts, the oldest, are forgotten: a record of one that is told again would be answered again",
    "causes": "causes that ended, the oldest, are forgotten: an alert or a request of one that is told again would start a training again",
    "revisions": "labels were of predictions from before the newest {most} revisions of an adaptive version: they taught its online members, and changed no weight of theirs",
}


def story(name: str, count: int, remembered: Remembered) -> str:
    """What was lost, and what to set.

    Examples
    --------
    >>> story("alerts", 3, Remembered(alerts=50))
    '3 alerts, the oldest, are forgotten: a record of one that is told again would be answered again; retrain.remembered.alerts is 50, set a larger one'
    """
    most = getattr(remembered, name)
    return f"{count:,} {_LOST[name].format(most=most)}; retrain.remembered.{name} is {most:,}, set a larger one"
