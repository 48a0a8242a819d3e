"""The false-alarm budget: the one number that an operator sets for a model.

``1 per 30d`` or ``1 per 100000 events``. Everything else (thresholds of every monitor) follows from it by calibration.
"""

import re
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer

from detectors.duration import format_duration, parse_duration

_PATTERN = re.compile(r"\s*(\d+(?:\.\d+)?)\s+per\s+(?:([\d_]+)\s+events|(\d+(?:\.\d+)?\s*(?:ms|s|m|h|d)))\s*")


@dataclass(frozen=True, kw_only=True)
class FalseAlarmBudget:
    """At most ``alarms`` false alarms in ``duration`` (milliseconds) or in ``events``; exactly one of the two is given.

    Examples
    --------
    >>> parse_budget("1 per 30d").looks(pane=10_000, events_per_pane=None)
    259200.0
    >>> parse_budget("2 per 100000 events").looks(pane=10_000, events_per_pane=100.0)
    500.0
    """

    alarms: float
    duration: int | None = None
    events: int | None = None

    def __post_init__(self) -> None:
        if self.alarms <= 0:
            raise ValueError(f"a false-alarm budget must be > 0 alarms, got {self.alarms}; no test can promise none")
        if (self.duration is None) == (self.events is None) or 0 in (self.duration, self.events):
            raise ValueError("a false-alarm budget is for a duration > 0 or for a number of events > 0, and not for both")

    def __str__(self) -> str:
        span = f"{self.events} events" if self.duration is None else format_duration(self.duration)
        return f"{self.alarms:g} per {span}"

    def looks(self, *, pane: int, events_per_pane: float | None) -> float:
        """Closed panes between two false alarms that the budget allows.

        Parameters
        ----------
        pane : length of a pane in milliseconds.
        events_per_pane : mean number of events in a pane; needed for a budget in events only.

        Raises
        ------
        ValueError
            If the budget is in events and ``events_per_pane`` is not known.
        """
        if self.duration is not None:
            return self.duration / pane / self.alarms
        if events_per_pane is None or events_per_pane <= 0:
            raise ValueError(f"the budget '{self}' counts events, so events_per_pane must be > 0, got {events_per_pane}; measure it from a table with a time column, or state it")
        assert self.events is not None  # noqa: S101  the other unit is excluded above; this tells the type checker
        return self.events / events_per_pane / self.alarms


def parse_budget(text: Any) -> FalseAlarmBudget:
    """Read ``N per DURATION`` or ``N per EVENTS events``."""
    if isinstance(text, FalseAlarmBudget):
        return text
    match = _PATTERN.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise ValueError(f"a false-alarm budget reads '1 per 30d' or '1 per 100000 events'; got {text!r}")
    if match[2]:
        return FalseAlarmBudget(alarms=float(match[1]), events=int(match[2]))
    return FalseAlarmBudget(alarms=float(match[1]), duration=parse_duration(match[3]))


Budget = Annotated[FalseAlarmBudget, BeforeValidator(parse_budget), PlainSerializer(str, return_type=str)]
