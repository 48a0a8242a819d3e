"""Detectors at one false-alarm rate: the only way in which their delays can be compared."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from detectors.evaluation.false_alarms import PER, FalseAlarms, false_alarms_of
from detectors.evaluation.labelled_streams import LabelledStreams
from detectors.evaluation.watched import Watcher


@dataclass(frozen=True)
class Tuned:
    """A setting, and what it gave on the streams that it was looked for on; measure its rate on others.

    Attributes
    ----------
    setting : of the detector.
    false_alarms : with this setting.
    """

    setting: float
    false_alarms: FalseAlarms


def false_alarms_on(watcher: Watcher, batches: Iterable[LabelledStreams]) -> FalseAlarms:
    """False alarms of a detector on batches of null streams."""
    return sum((false_alarms_of(watcher.watch(batch)) for batch in batches), FalseAlarms(0, 0))


def at_rate(make: Callable[[float], Watcher], batches: Callable[[], Iterable[LabelledStreams]], *, lenient: float, strict: float, rate: float = 1.0, steps: int = 12) -> Tuned:
    """The most lenient setting found that keeps a false-alarm rate, by bisection between two settings on the scale of their logarithm.

    Parameters
    ----------
    make : a detector with a setting > 0; the nearer to ``strict``, the fewer alarms.
    batches : the null streams, the same ones each time.
    lenient, strict : the ends; either may be the larger number.
    rate : false alarms per 100,000 events.
    steps : how often the interval is halved.

    Raises
    ------
    ValueError
        If the strict end does not keep the rate.

    Examples
    --------
    >>> from detectors.evaluation.labelled_streams import null_streams
    >>> from detectors.evaluation.laws import Moved
    >>> from detectors.evaluation.one_by_one import OneByOne
    >>> streams = null_streams(Moved(), streams=10, events=10_000, seed=1, reference=0)
    >>> tuned = at_rate(lambda height: OneByOne(lambda: lambda value: value > height), lambda: [streams], lenient=1, strict=10, rate=100.0)
    >>> round(tuned.setting, 1), tuned.false_alarms.rate <= 100
    (3.2, True)
    """
    found = Tuned(strict, false_alarms_on(make(strict), batches()))
    if found.false_alarms.rate > rate:
        raise ValueError(f"the strictest setting {strict:g} gives {found.false_alarms.rate:.3g} false alarms per {PER:,} events, more than {rate:g}; give a stricter one")
    for _ in range(steps):
        middle = (lenient * found.setting) ** 0.5
        false = false_alarms_on(make(middle), batches())
        if false.rate > rate:
            lenient = middle
        else:
            found = Tuned(middle, false)
    return found
