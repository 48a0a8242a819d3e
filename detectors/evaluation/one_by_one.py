"""Detectors that take one value after another, as river and frouros have them, and any function that says whether it alarms."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from detectors.evaluation.labelled_streams import LabelledStreams
from detectors.evaluation.watched import Watched

Alarming = Callable[[float], bool]
"""Takes the next value of a stream; True where it alarms."""


@dataclass(frozen=True)
class OneByOne:
    """A detector of its own for each stream, made anew after each alarm, as their users are told to do.

    Attributes
    ----------
    make : a new detector.
    reference : whether it sees the reference first; what it says of that is not counted.

    Examples
    --------
    >>> from detectors.evaluation.labelled_streams import changed_streams
    >>> from detectors.evaluation.laws import Moved
    >>> streams = changed_streams(Moved(shift=8.0), streams=3, before=50, after=50, seed=1, phases=1)
    >>> OneByOne(lambda: lambda value: value > 5).watch(streams).first_after(streams.change).tolist()
    [51.0, 51.0, 51.0]
    """

    make: Callable[[], Alarming]
    reference: bool = True

    def watch(self, streams: LabelledStreams) -> Watched:
        """Every value of every stream; a loop of Python, as fast as the detector."""
        events, count = streams.values.shape
        found: list[tuple[int, int]] = []
        for stream in range(count):
            alarming = self.make()
            for value in streams.reference[:, stream].tolist() if self.reference else ():
                if alarming(value):
                    alarming = self.make()
            for seen, value in enumerate(streams.values[:, stream].tolist(), 1):
                if alarming(value):
                    found.append((stream, seen))
                    alarming = self.make()
        stream_of, seen_of = np.array(found, np.int64).reshape(-1, 2).T
        return Watched(stream_of, seen_of, events, count, np.zeros(count, np.int64), restarts=True)


def river(make: Callable[[], Any], *, reference: bool = True) -> OneByOne:
    """A drift detector of river: it has ``update(value)`` and ``drift_detected``.

    Examples
    --------
    >>> from river.drift import ADWIN
    >>> from detectors.evaluation.labelled_streams import changed_streams
    >>> from detectors.evaluation.laws import Rate
    >>> streams = changed_streams(Rate(0.1, 0.9), streams=2, before=500, after=100, seed=1, reference=0)
    >>> bool((river(ADWIN).watch(streams).first_after(streams.change) < streams.change + 100).all())
    True
    """

    def begin() -> Alarming:
        detector = make()
        update = detector.update

        def alarming(value: float) -> bool:
            update(value)
            return bool(detector.drift_detected)

        return alarming

    return OneByOne(begin, reference)


@dataclass(frozen=True)
class Every:
    """A dummy that alarms after every so many events: whoever judges by delays alone will find it excellent.

    Examples
    --------
    >>> from detectors.evaluation.labelled_streams import null_streams
    >>> from detectors.evaluation.laws import Moved
    >>> Every(100).watch(null_streams(Moved(), streams=2, events=200, seed=1)).seen.tolist()
    [50, 150, 100, 200]
    """

    events: int

    def watch(self, streams: LabelledStreams) -> Watched:
        """Alarms at equal distances, each stream with a phase of its own."""
        length, count = streams.values.shape
        phase = self.events * np.arange(1, count + 1) // count
        alarms = [np.arange(max(first, 1), length + 1, self.events) for first in phase.tolist()]
        stream = np.repeat(np.arange(count), [len(places) for places in alarms])
        return Watched(stream, np.concatenate(alarms), length, count, np.zeros(count, np.int64), restarts=True)
