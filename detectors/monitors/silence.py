"""A model that receives nothing: how long that has to last until it is told.

Pauses are between panes with predictions. How long a pause may be expected once in the time that the budget allows follows from the longest ones so far: beyond
the `TAIL`-th longest their lengths are taken to fall off as a power (Hill 1975), which is further than they do where arrivals are independent or rest at night, and
the power is prolonged to one pause in that time (Weissman 1978). Nights are no such law; so a silence has to be a quarter longer, too, than the longest pause that was
not told, and than the second longest that was: one outage makes nobody deaf to the next, and what comes again is usual.

Nobody can know of a night or a weekend that has not been yet. Until a whole week has been seen, a silence is told only when it is as long as all that was seen before
it, or longer than a weekend.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from detectors.duration import parse_duration
from detectors.event_batch import NO_TIME
from detectors.rfc3339 import format_time, parse_time
from detectors.scans.scored_windows import Bank
from detectors.verdict import Effect, Evidence, Status

SILENT = "silence"
"""Name of the monitor."""

TAIL = 32  # longest pauses that are kept
FEWEST = 16  # pauses, below which nothing is said
WEEK = parse_duration("7d")
WEEKEND = parse_duration("64h")  # Friday, 17:00 to Monday, 9:00
LONGER = 1.25  # than what is usual: days do not begin at the same minute
_MINUTE = 60_000


@dataclass(frozen=True)
class Heard:
    """What is known of a model's pauses.

    Attributes
    ----------
    first, last : start of the first pane with predictions, end of the last one; `NO_TIME` before there was one.
    pauses : how many there were, one between each two panes with predictions; most of them of no length.
    longest : milliseconds, the `TAIL` longest of them, descending.
    usual : the longest of those that were not told, or were acknowledged.
    told : whether the silence since ``last`` was told.
    meant : whether somebody said that it is meant to be.
    noted : silence since ``last`` of which a point was made, milliseconds.
    """

    first: int = NO_TIME
    last: int = NO_TIME
    pauses: int = 0
    longest: tuple[int, ...] = ()
    usual: int = 0
    told: bool = False
    meant: bool = False
    noted: int = 0

    def hear(self, start: int, end: int) -> Heard:
        """With a pane that has predictions."""
        if self.last == NO_TIME:
            return Heard(start, end)
        pause, longest = start - self.last, self.longest
        if len(longest) < TAIL or pause > longest[-1]:
            longest = tuple(sorted((*longest, pause), reverse=True)[:TAIL])
        return Heard(self.first, end, self.pauses + 1, longest, self.usual if self.told and not self.meant else max(self.usual, pause))

    def as_state(self) -> list[Any]:
        """What to save."""
        return [self.first, self.last, self.pauses, list(self.longest), self.usual, self.told, self.meant, self.noted]

    @staticmethod
    def of_state(state: list[Any]) -> Heard:
        """What was saved."""
        first, last, pauses, longest, *rest = state
        return Heard(first, last, pauses, tuple(longest), *rest)


NOTHING = Heard()
"""Of a model that was never heard of, or is not listened to."""


@dataclass(frozen=True)
class Quiet:
    """A model without predictions at a time; milliseconds."""

    at: int
    silent_for: int
    threshold: float
    status: Status


class Silence:
    """When a silence is told.

    Parameters
    ----------
    bank : name, budget and times.
    floor : shortest silence that matters, milliseconds.
    stated : told after this long, whatever the pauses before; None to learn it.
    """

    def __init__(self, bank: Bank, *, floor: int, stated: int | None = None) -> None:
        self.bank = bank
        self.floor = floor if stated is None else min(floor, stated)
        self.stated = stated

    def threshold(self, heard: Heard) -> float:
        """Milliseconds without predictions after which that is told; nan as long as it is learnt."""
        return longest_pause(heard, self.bank, floor=self.floor, stated=self.stated)

    def due(self, heard: Heard) -> int | None:
        """When the silence since the last pane with predictions is told, at the end of a pane; None when it was, or as long as that is learnt."""
        threshold = np.nan if heard.told or heard.last == NO_TIME else self.threshold(heard)
        return None if np.isnan(threshold) else heard.last + _whole_panes(threshold, self.bank.pane)

    def is_due(self, heard: Heard, until: int) -> bool:
        """Whether a silence is to be told by a time."""
        if heard.last == NO_TIME or until < heard.last + (self.floor if self.stated is None else self.stated):
            return False  # as nearly always; what was learnt needs not be asked
        due = self.due(heard)
        return due is not None and due <= until

    def listen(self, heard: Heard, start: int, end: int, *, predicted: bool) -> tuple[Heard, tuple[Quiet, ...]]:
        """What is known after a pane that has predictions or none, and what there is to say of the pause before it and in it."""
        passed = self.passed(heard, start)
        if not predicted:
            return replace(heard, noted=passed[-1].silent_for) if passed else heard, passed
        heard = heard.hear(start, end)
        return heard, (*passed, self.quiet(heard, end))

    def passed(self, heard: Heard, until: int) -> tuple[Quiet, ...]:
        """What there is to say of a silence that lasts, up to a time."""
        return tuple(self.quiet(heard, heard.last + length) for length in self._passing(heard, until))

    def quiet(self, heard: Heard, at: int) -> Quiet:
        """What there is to say at a time."""
        silent_for, threshold = at - heard.last, self.threshold(heard)
        status = Status.LEARNING if np.isnan(threshold) else Status.DRIFT if silent_for >= _whole_panes(threshold, self.bank.pane) else Status.OK
        return Quiet(at, silent_for, threshold, status)

    def _passing(self, heard: Heard, until: int) -> Iterator[int]:
        """Lengths of a silence of which a point is made by a time: a pane, and then whenever it has doubled."""
        length = 2 * heard.noted or self.bank.pane
        while heard.last != NO_TIME and heard.last + length <= until:
            yield length
            length *= 2

    def evidence(self, heard: Heard) -> Evidence:
        """Why a silence is told when it is due."""
        threshold = self.threshold(heard)
        return _evidence(heard, self.bank, threshold, floor=self.floor, stated=self.stated)


def longest_pause(heard: Heard, bank: Bank, *, floor: int, stated: int | None) -> float:
    """A pause as long as this comes once in the time that the budget allows, milliseconds; nan where too little is known.

    Examples
    --------
    >>> bank = Bank(names=("silence",), group="service", kind="service", looks=3_000_000, pane=10_000, resolve_after=600_000)  # a false alarm in 347 days
    >>> hour, month = 3_600_000, 30 * 86_400_000
    >>> steady = Heard(first=0, last=month, pauses=250_000, longest=(10_000, 10_000, *30 * (0,)))
    >>> rests_at_night = Heard(first=0, last=month, pauses=170_000, longest=32 * (8 * hour,), usual=8 * hour)
    >>> [longest_pause(heard, bank, floor=300_000, stated=None) / hour for heard in (steady, rests_at_night)]
    [0.08333333333333333, 10.0]
    """
    if stated is not None:
        return float(stated)
    span = heard.last - heard.first
    if heard.pauses < FEWEST or span <= 0:
        return float("nan")
    lengths = np.array(heard.longest, np.float64) + bank.pane  # between two events there is up to a pane more on either side
    beyond, tail = lengths[-1], len(lengths) - 1
    # One more, a pane longer than the longest: pauses that are all alike say little of those that are not.
    # Above 1 pauses would have no mean.
    power = min(1.0, (np.log(lengths[:-1] / beyond).sum() + np.log((lengths[0] + bank.pane) / beyond)) / (tail + 1))
    allowed = bank.looks * bank.pane
    learnt = beyond * max(tail * allowed / span, 1.0) ** power
    unseen = min(span, WEEKEND) if span < WEEK else 0.0
    return float(max(learnt, LONGER * max(heard.usual, heard.longest[1]), unseen, floor))


def recomputed(evidence: Evidence, bank: Bank) -> Evidence:
    """The same evidence from what it carries: its pauses, and the settings of its budget."""
    reference, stated = evidence.reference, evidence.basis["stated_minutes"]
    longest, last = _numbers(reference["longest_minutes"]), parse_time(evidence.basis["since"])
    span = round(_number(reference["span_minutes"]) * _MINUTE)
    heard = Heard(last - span, last, int(_number(reference["pauses"])), tuple(round(length * _MINUTE) for length in longest), round(_number(reference["usual_minutes"]) * _MINUTE))
    floor, told_after = round(evidence.effect.floor * _MINUTE), None if stated is None else round(_number(stated) * _MINUTE)
    return _evidence(heard, bank, longest_pause(heard, bank, floor=floor, stated=told_after), floor=floor, stated=told_after)


def in_words(evidence: Evidence) -> str:
    """What was heard before, and since when nothing."""
    reference = evidence.reference
    longest = _numbers(reference["longest_minutes"])
    said = f"there were no predictions for {evidence.value:.4g} minutes"
    if evidence.basis["stated_minutes"] is not None:
        return f"{said}; the monitor states that this is told after {evidence.threshold:.4g}"
    return (
        f"{said}; of {_number(reference['pauses']):,.0f} pauses between panes with predictions in {_number(reference['span_minutes']):,.0f} minutes before "
        f"the longest took {max(longest, default=0.0):.4g}"
    )


def _evidence(heard: Heard, bank: Bank, threshold: float, *, floor: int, stated: int | None) -> Evidence:
    minutes = _whole_panes(threshold, bank.pane) / _MINUTE
    since = format_time(heard.last)
    return Evidence(
        name=SILENT,
        statistic="minutes without predictions",
        value=minutes,
        threshold=threshold / _MINUTE,
        effect=Effect(name="minutes without predictions", value=minutes, interval=(minutes, minutes + bank.pane / _MINUTE), floor=floor / _MINUTE),
        n_reference=float(heard.pauses),
        n_current=0.0,
        reference={
            "pauses": heard.pauses,
            "span_minutes": (heard.last - heard.first) / _MINUTE,
            "longest_minutes": [length / _MINUTE for length in heard.longest],
            "usual_minutes": heard.usual / _MINUTE,
        },
        current={"predictions": 0},
        basis={"detector": SILENT, "since": since, "earliest": since, "stated_minutes": None if stated is None else stated / _MINUTE} | bank.settings(),
    )


def _whole_panes(length: float, pane: int) -> int:
    return int(-(-length // pane)) * pane


def _number(value: Any) -> float:
    return float(value)


def _numbers(values: Any) -> list[float]:
    return [float(value) for value in values]
