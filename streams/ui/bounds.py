"""How much the live page keeps in memory."""

from __future__ import annotations

from dataclasses import dataclass, fields

from detectors.errors import SettingsError


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """Most of everything that is kept; where one is reached, the page says so. What is left out of the page stays in the topics.

    Parameters
    ----------
    points : of a series, the newest; 720 steps of 10 s are two hours.
    series : lines of a measurement of one model: each metric of each feature, version or segment is one.
    models : further ones are not shown.
    alerts : of a model, the newest; those that are open go last.
    records : of an alert: its opening, and the newest.
    versions : records of a model's versions, the newest; those of the champion, of the canary that serves, and of the version that a rollback goes back to, go last.
    decisions : of the retrainer on a model, the newest.
    history : records of a partition of the metrics that are read at the start, the newest.
    pages : that are open at a time.

    Examples
    --------
    >>> Bounds(points=0)
    Traceback (most recent call last):
    ...
    detectors.errors.SettingsError: points must be >= 1, got 0; there would be nothing to show
    """

    points: int = 720  # a value for each pixel of a chart
    series: int = 3_000  # three rates of quality of a thousand features
    models: int = 1_000
    alerts: int = 200
    records: int = 50  # one for each monitor that alarms after the first, and each time that it was opened again
    versions: int = 500
    decisions: int = 200
    history: int = 20_000  # of a worker's records of a second each: hours, read in a minute
    pages: int = 64

    def __post_init__(self) -> None:
        for field in fields(self):
            if (value := getattr(self, field.name)) < 1:
                raise SettingsError(f"{field.name} must be >= 1, got {value}; there would be nothing to show")
        if self.records == 1:
            raise SettingsError("records must be >= 2, got 1; an alert has its opening and its newest record")
