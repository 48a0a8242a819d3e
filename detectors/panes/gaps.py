"""Spans of time in which records of a log expired before they were read."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

Gap = tuple[int, int]
"""Record times of the last record read before a gap and of the first one after it, epoch milliseconds; `OPEN` while none has come."""

OPEN = int(np.iinfo(np.int64).max)

MAX_GAPS = 16  # a worker that lags for ever loses records again and again; older gaps then count as one, with what is between them


@dataclass(frozen=True)
class Gaps:
    """The gaps of one log, in their order.

    Examples
    --------
    >>> gaps = Gaps().opened(60_000).closed(95_000)
    >>> [start for start in range(0, 120_000, 10_000) if gaps.touch(start, start + 10_000, lateness=5_000)]
    [50000, 60000, 70000, 80000, 90000]
    """

    spans: tuple[Gap, ...] = ()

    def opened(self, at: int) -> Gaps:
        """Records after a time are missing, it is not known until when."""
        spans = self.spans if self.is_open else (*self.spans, (at, OPEN))
        if len(spans) > MAX_GAPS:
            (begin, _), (_, end), *rest = spans
            spans = ((begin, end), *rest)
        return Gaps(spans)

    def closed(self, at: int) -> Gaps:
        """Records are there again from a time on."""
        if not self.is_open:
            return self
        begin = self.spans[-1][0]
        return Gaps((*self.spans[:-1], (begin, max(begin, at))))

    @property
    def is_open(self) -> bool:
        """Whether no record has come since the last gap."""
        return bool(self.spans) and self.spans[-1][1] == OPEN

    def touch(self, start: int, end: int, *, lateness: int) -> bool:
        """Whether events of a span of event time may be missing: those that a record within a gap would have brought in time."""
        return any(start <= last and end > begin - lateness for begin, last in self.spans)

    @staticmethod
    def of(spans: Iterable[Iterable[int]]) -> Gaps:
        """Gaps that were saved or sent."""
        return Gaps(tuple((begin, end) for begin, end in spans))
